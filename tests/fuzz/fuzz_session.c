/* SPDX-License-Identifier: Apache-2.0 */
/* Valid sessions, mutated: the input is a list of steps of several clients, a caller of REST and the operator on a
 * server with the shipped scripts, and of faults of its Redis and its shards. Its first byte selects the kind of
 * server. When all clients have left and time has passed, nothing of them may remain.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "lua/testing/local_client.h"
#include "policy/policy.h"
#include "support/change.h"
#include "support/fuzz_operator.h"
#include "support/fuzz_redis.h"
#include "support/fuzz_tls.h"
#include "support/fuzz_world.h"
#include "support/program.h"
#include "support/wires.h"
#include "worker/router.h"

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t len);

/* REST (with those who have sockets, wires.h) and WORLD come after the clients. */
enum { CLIENTS = 6, REST = 6, WORLD = 7, STEPS_MAX = 200, CONFIGS = 3, ID_MAX = 63 };
/* Kinds of servers: with TLS; alone, with Redis, with a Cluster, with Redis and servers of Node.js. */
enum { TLS = 1, REDIS = 2, KINDS = 8 };

static const struct local_client_options kinds[CLIENTS] = {
    {.answers_pings = true},
    {.answers_pings = true},
    {.address = "10.0.0.1"},
    {.plain = true, .answers_pings = true},
    {.endpoint_path = "/raw", .protocol = "chat"},
    {.endpoint_path = "/engine/", .answers_pings = true},
};
static const char *const hellos[CLIENTS] = {
    "40{\"user\":\"alice\",\"recovery\":1}",
    "40{\"user\":\"bob\",\"name\":\"Bob\",\"recovery\":1}",
    "40{\"user\":\"alice\"}",
    "{\"type\":\"connect\",\"auth\":{\"user\":\"dave\"}}",
    NULL,
    NULL,
};

/* Values from the server's messages replace %p, %o (of a recovery), %m, %e (of a message), %a (the number of a
 * question) in texts. */
struct client {
    struct local_client *local;
    char pid[ID_MAX + 1], offset[ID_MAX + 1];
    bool stalled;
};
struct request {
    struct list link;
    struct policy_call call;
    struct buffer head; /* what the handler of the head passed on */
    bool head_passed, over;
    char *name, *json, *body;
};
struct stage {
    struct fuzz_world world;
    struct program program;
    struct client clients[CLIENTS];
    struct wires wires;
    struct fuzz_operators operators;
    struct config *const *configs; /* the last one does not load */
    struct list requests;
    char message_id[ID_MAX + 1], epoch[ID_MAX + 1], question[ID_MAX + 1];
    struct buffer text, got;
};

static const struct {
    const char *name, *args;
} events[] = {
    {"channel:join", "{\"channelId\":\"lobby\"}"},
    {"channel:join", "{\"channelId\":\"lobby\",\"since\":{\"seq\":1,\"epoch\":\"%e\"}}"},
    {"channel:join", "{\"channelId\":\"yard\"}"},
    {"message:send", "{\"channelId\":\"lobby\",\"clientId\":\"c1\",\"content\":\"hello @bob\"}"},
    {"message:send", "{\"channelId\":\"lobby\",\"clientId\":\"c2\",\"content\":{\"text\":\"hi\"},\"threadId\":\"%m\"}"},
    {"message:send",
     "{\"channelId\":\"lobby\",\"clientId\":\"c3\",\"content\":\"x\",\"attachments\":[{\"name\":\"a\"}]}"},
    {"message:send", "{\"channelId\":\"yard\",\"clientId\":\"c4\",\"content\":[1,2,{\"a\":null}]}"},
    {"message:edit", "{\"channelId\":\"lobby\",\"messageId\":\"%m\",\"content\":\"edited\"}"},
    {"message:delete", "{\"channelId\":\"lobby\",\"messageId\":\"%m\"}"},
    {"reaction:add", "{\"channelId\":\"lobby\",\"messageId\":\"%m\",\"emoji\":\"👍\"}"},
    {"reaction:remove", "{\"channelId\":\"lobby\",\"messageId\":\"%m\",\"emoji\":\"👍\"}"},
    {"history:get", "{\"channelId\":\"lobby\",\"limit\":10}"},
    {"history:get", "{\"channelId\":\"lobby\",\"before\":3,\"limit\":100}"},
    {"thread:get", "{\"channelId\":\"lobby\",\"threadId\":\"%m\",\"after\":0}"},
    {"sync", "{\"channels\":{\"lobby\":{\"seq\":0,\"epoch\":\"%e\"},\"yard\":{\"seq\":0,\"epoch\":\"%e\"}}}"},
    {"read:mark", "{\"channelId\":\"lobby\",\"seq\":1}"},
    {"typing", "{\"channelId\":\"lobby\",\"typing\":true}"},
    {"presence:update", "{\"status\":\"busy\",\"statusMessage\":\"at work\"}"},
    {"presence:get", "{\"userIds\":[\"alice\",\"bob\",\"nobody\"]}"},
    {"user:get", "{\"userIds\":[\"alice\",\"dave\"]}"},
    {"upload:request", "{\"channelId\":\"lobby\",\"name\":\"a\",\"type\":\"image/png\",\"bytes\":9}"},
    {"channel:list", "{}"},
    {"channel:members", "{\"channelId\":\"lobby\"}"},
    {"channel:leave", "{\"channelId\":\"lobby\"}"},
    {"echo", "1,\"two\",[3,{\"four\":null}],true,9007199254740993,1e300"},
    {"raw", "{\"a\":[]},\"\\u0000\\ud800\""},
    {"ask", "\"what?\",1"},
    {"wait", "\"a second\""},
    {"fail", "\"on purpose\""},
    {"room", "\"attic\",\"hello\""},
    {"state", "{\"language\":\"el\"}"},
    {"end", "false"},
    {"end", "true"},
    {"much", ""},
    {"nobody:hears", "{}"},
};
static const char *const controls[] = {
    "2",
    "3",
    "2probe",
    "5",
    "1",
    "6",
    "41",
    "40",
    "41/admin,",
    "40/admin,{\"user\":\"root\"}",
    "42/admin,7[\"echo\",1]",
    "42/admin,8[\"all\",{\"a\":1}]",
    "40/nowhere,",
    "43%a[]",
    "43%a[{\"answer\":1},2]",
    "461-%a[{\"_placeholder\":true,\"num\":0}]",
    "44{\"message\":\"no\"}",
    "4",
    "4502-[\"echo\"]",
    "42[\"connect\"]",
    "42[]",
};
static const char *const plain_controls[] = {
    "{\"type\":\"connect\",\"auth\":{}}",
    "{\"type\":\"ack\",\"id\":%a,\"args\":[1]}",
    "{\"type\":\"ping\"}",
    "{\"type\":\"event\",\"event\":7,\"args\":{}}",
    "[]",
    "close",
    "wait",
};
static const struct {
    const char *name, *path, *body;
} routes[] = {
    {"PUT /api/channels/lobby", "/api/channels/lobby", "{\"name\":\"Lobby\",\"visibility\":\"private\"}"},
    {"GET /api/channels/lobby", "/api/channels/lobby", ""},
    {"PUT /api/channels/lobby/members/bob", "/api/channels/lobby/members/bob", "{\"role\":\"moderator\"}"},
    {"DELETE /api/channels/lobby/members/alice", "/api/channels/lobby/members/alice", ""},
    {"POST /api/channels/lobby/messages", "/api/channels/lobby/messages",
     "{\"userId\":\"bob\",\"content\":\"from REST\"}"},
    {"GET /api/channels/lobby/messages", "/api/channels/lobby/messages", ""},
    {"GET /api/channels/lobby/presence", "/api/channels/lobby/presence", ""},
    {"PUT /api/users/alice", "/api/users/alice", "{\"name\":\"Alice\",\"avatar\":\"a.png\"}"},
    {"POST /api/users/alice/disconnect", "/api/users/alice/disconnect", "{}"},
    {"POST /api/sessions", "/api/sessions", "{\"userId\":\"alice\",\"ttlSeconds\":60}"},
    {"DELETE /api/sessions/x", "/api/sessions/x", ""},
    {"POST /api/broadcast", "/api/broadcast", "{\"event\":\"news\",\"data\":{\"a\":1}}"},
    {"POST /api/broadcast", "/api/broadcast", "{\"event\":\"news\",\"args\":[1],\"channelId\":\"lobby\"}"},
};
#define LEN(table) (sizeof(table) / sizeof *(table))

/* ---- texts ---- */

static void append_filled(struct stage *stage, const struct client *client, const char *text) {
    for (; *text; text++) {
        const char *known = *text != '%'         ? NULL
                            : text[1] == 'p'     ? client->pid
                            : text[1] == 'o'     ? client->offset
                            : text[1] == 'm'     ? stage->message_id
                            : text[1] == 'e'     ? stage->epoch
                            : stage->question[0] ? stage->question
                                                 : "1";
        if (known) {
            buffer_append_str(&stage->text, known);
            text++;
        } else {
            buffer_append_char(&stage->text, *text);
        }
    }
}

/* The text behind the key, up to a quotation mark. */
static void learn(struct slice message, const char *key, char out[ID_MAX + 1]) {
    size_t key_len = strlen(key), len = 0;
    const char *at = message.len ? memmem(message.ptr, message.len, key, key_len) : NULL;
    if (!at) return;
    struct slice rest = slice_from(message, (size_t)(at - message.ptr) + key_len);
    while (len < rest.len && len < ID_MAX && rest.ptr[len] != '"') len++;
    memcpy(out, rest.ptr, len);
    out[len] = 0;
}

static void learn_question(struct slice message, char out[ID_MAX + 1]) {
    size_t len = 0;
    if (message.len < 3 || memcmp(message.ptr, "42", 2) != 0) return;
    while (len < 10 && 2 + len < message.len && message.ptr[2 + len] >= '0' && message.ptr[2 + len] <= '9') len++;
    if (len > 0) snprintf(out, ID_MAX + 1, "%.*s", (int)len, message.ptr + 2);
}

static void learn_offset(struct slice message, char out[ID_MAX + 1]) {
    const char *comma = message.len > 3 ? memrchr(message.ptr, ',', message.len) : NULL;
    if (comma && comma + 2 < slice_end(message) && comma[1] == '"')
        learn(slice_from(message, (size_t)(comma - message.ptr)), ",\"", out);
}

static void listen(struct stage *stage, struct client *client) {
    bool binary;
    while (client->local && (buffer_clear(&stage->got), local_client_take(client->local, &stage->got, &binary))) {
        struct slice message = buffer_slice(&stage->got);
        if (binary || message.len < 2) continue;
        learn(message, "\"pid\":\"", client->pid);
        learn(message, "\"epoch\":\"", stage->epoch);
        learn(message, "\"id\":\"", stage->message_id);
        learn_question(message, stage->question);
        if (message.ptr[0] == '4' && message.ptr[1] == '2') learn_offset(message, client->offset);
    }
}

/* ---- clients ---- */

static void say(struct stage *stage, struct client *client, bool binary) {
    /* An exact copy, so that a sanitizer finds a read beyond the end. */
    size_t len = stage->text.len;
    char *exact = memory_copy(stage->text.ptr ? stage->text.ptr : "", len);
    exact = memory_resize(exact, len ? len : 1);
    if (client->local) local_client_send(client->local, (struct slice){exact, len}, binary);
    free(exact);
}

static void say_text(struct stage *stage, struct client *client, const char *text) {
    buffer_clear(&stage->text);
    append_filled(stage, client, text);
    change(&stage->text, &stage->program);
    say(stage, client, false);
}

static void go(struct client *client) {
    local_client_free(&client->local);
    client->stalled = false;
}

static void arrive(struct stage *stage, size_t index) {
    struct client *client = &stage->clients[index];
    go(client);
    client->local = local_client_new(stage->world.worker.hub, &kinds[index]);
}

static bool is_here(const struct client *client) {
    return client->local && !local_client_closed(client->local, NULL, NULL);
}

static void come(struct stage *stage, size_t index) {
    struct client *client = &stage->clients[index];
    arrive(stage, index);
    if (!hellos[index] || !client->local) return;
    local_client_send(client->local, slice_of(hellos[index]), false);
    fuzz_world_settle(&stage->world);
    listen(stage, client);
}

static void come_back(struct stage *stage, size_t index) {
    arrive(stage, index);
    say_text(
        stage, &stage->clients[index],
        kinds[index].plain ? hellos[index] : "40{\"user\":\"alice\",\"recovery\":1,\"pid\":\"%p\",\"offset\":\"%o\"}");
}

static void say_event(struct stage *stage, size_t index) {
    struct client *client = &stage->clients[index];
    struct program *program = &stage->program;
    unsigned which = program_byte(program) % LEN(events), id = program_byte(program);
    buffer_clear(&stage->text);
    if (kinds[index].plain) {
        buffer_printf(&stage->text, "{\"type\":\"event\",\"id\":%u,\"event\":\"%s\",\"args\":[", id,
                      events[which].name);
        append_filled(stage, client, events[which].args);
        buffer_append_str(&stage->text, "]}");
    } else {
        buffer_append_str(&stage->text, "42");
        if (id & 1) buffer_printf(&stage->text, "%u", id);
        buffer_printf(&stage->text, "[\"%s\"%s", events[which].name, events[which].args[0] ? "," : "");
        append_filled(stage, client, events[which].args);
        buffer_append_char(&stage->text, ']');
    }
    change(&stage->text, &stage->program);
    say(stage, client, false);
}

static void say_bytes(struct stage *stage, size_t index, bool binary) {
    buffer_clear(&stage->text);
    buffer_append_slice(&stage->text, program_bytes(&stage->program));
    say(stage, &stage->clients[index], binary);
}

static void say_attached(struct stage *stage, size_t index) {
    say_text(stage, &stage->clients[index],
             "452-5[\"echo\",{\"_placeholder\":true,\"num\":0},[{\"_placeholder\":true,\"num\":1}]]");
    say_bytes(stage, index, true);
    say_bytes(stage, index, true);
}

static void say_control(struct stage *stage, size_t index) {
    unsigned which = program_byte(&stage->program);
    bool plain = kinds[index].plain || kinds[index].protocol;
    say_text(stage, &stage->clients[index],
             plain ? plain_controls[which % LEN(plain_controls)] : controls[which % LEN(controls)]);
}

static void act(struct stage *stage, size_t index, unsigned action) {
    struct client *client = &stage->clients[index];
    if (!is_here(client) && action < 14) come(stage, index);
    if (!client->local && action < 14) return; /* there is no endpoint at its path */
    switch (action) {
        case 7:
            say_control(stage, index);
            break;
        case 8:
            say_bytes(stage, index, false);
            break;
        case 9:
            say_bytes(stage, index, true);
            break;
        case 10:
            say_attached(stage, index);
            break;
        case 11:
            client->stalled = !client->stalled;
            local_client_stall(client->local, client->stalled);
            break;
        case 12:
            local_client_leave(client->local);
            break;
        case 13:
            local_client_close(client->local, (uint16_t)(program_byte(&stage->program) + 995), SLICE("bye"));
            break;
        case 14:
            come_back(stage, index);
            break;
        case 15:
            arrive(stage, index);
            break;
        default:
            say_event(stage, index);
    }
}

/* ---- REST ---- */

static void heard(struct policy_call *call, const struct policy_answer *answer) {
    struct request *request = CONTAINER(call, struct request, call);
    request->head_passed = call->point == POLICY_ROUTE_HEAD && answer->status == POLICY_OK;
    request->over = !request->head_passed;
    if (request->head_passed) buffer_append_slice(&request->head, answer->json);
}

static void ask(struct stage *stage, struct request *request, enum policy_point point) {
    struct policy_call *call = &request->call;
    call->point = point;
    call->name = slice_of(request->name);
    call->json = slice_of(request->json);
    call->data = slice_of(request->body);
    policy_ask(stage->world.worker.scripts.policy, call);
}

/* Requests whose heads were passed go on with their bodies; answered ones are removed. */
static void go_on(struct stage *stage) {
    LIST_EACH(&stage->requests, link) {
        struct request *request = CONTAINER(link, struct request, link);
        if (request->head_passed) {
            struct buffer json = {0};
            request->head_passed = false;
            buffer_printf(&json, "%.*s,\"passed\":%.*s}", (int)strlen(request->json) - 1, request->json,
                          SLICE_ARG(buffer_slice(&request->head)));
            free(request->json);
            request->json = buffer_take(&json, NULL);
            ask(stage, request, POLICY_ROUTE);
        }
    }
}

static void end_request(struct stage *stage, struct request *request) {
    policy_forget(stage->world.worker.scripts.policy, &request->call);
    list_remove(&request->link);
    buffer_done(&request->head);
    free(request->name);
    free(request->json);
    free(request->body);
    free(request);
}

static void request(struct stage *stage) {
    unsigned which = program_byte(&stage->program) % LEN(routes);
    struct request *asked = NEW(struct request);
    struct buffer json = {0};
    struct policy *policy = stage->world.worker.scripts.policy;
    asked->call.done = heard;
    asked->call.wants_answer = true;
    buffer_clear(&stage->text);
    buffer_append_str(&stage->text, routes[which].body);
    change(&stage->text, &stage->program);
    asked->body = buffer_take(&stage->text, NULL);
    asked->name = memory_copy(routes[which].name, strlen(routes[which].name));
    buffer_printf(&json,
                  "{\"method\":\"%.*s\",\"path\":\"%s\",\"query\":{\"limit\":\"9\"},\"address\":\"127.0.0.1\","
                  "\"headers\":{\"authorization\":\"Bearer %s\"}}",
                  (int)strcspn(asked->name, " "), asked->name, routes[which].path,
                  program_byte(&stage->program) == 255 ? "guess" : "key");
    asked->json = buffer_take(&json, NULL);
    list_append(&stage->requests, &asked->link);
    bool by_head = policy->ops->handles(policy, POLICY_ROUTE_HEAD, SLICE_NONE, slice_of(asked->name));
    ask(stage, asked, by_head ? POLICY_ROUTE_HEAD : POLICY_ROUTE);
}

static void forget_requests(struct stage *stage) {
    LIST_EACH(&stage->requests, link) end_request(stage, CONTAINER(link, struct request, link));
}

/* ---- the world ---- */

static bool reload(struct stage *stage, unsigned which) {
    if (!fuzz_world_reload(&stage->world, stage->configs[which % CONFIGS])) return false;
    router_reload(stage->wires.net.router);
    return true;
}

static void befall_others(struct stage *stage, unsigned action) {
    struct fuzz_world *world = &stage->world;
    struct program *program = &stage->program;
    if (action == 12) {
        unsigned what = program_byte(program);
        world->parts[what % FUZZ_PARTS] = (enum fuzz_part)(what / FUZZ_PARTS % PART_STATES);
    } else if (action == 13) {
        if (fuzz_operators_step(&stage->operators, program))
            fuzz_operators_answer(&stage->operators, reload(stage, program_byte(program)));
    } else if (world->redis) {
        fuzz_redis_step(world->redis, program);
    }
}

static void befall(struct stage *stage, unsigned action) {
    struct fuzz_world *world = &stage->world;
    if (action > 11) {
        befall_others(stage, action);
        return;
    }
    unsigned amount = program_byte(&stage->program);
    switch (action % 8) {
        case 0:
            fuzz_world_turn(world);
            break;
        case 1:
            fuzz_world_settle(world);
            break;
        case 2:
            fuzz_world_advance(world, amount * 8);
            break;
        case 3:
            fuzz_world_advance(world, amount % 16 * 1000);
            break;
        case 4:
            (void)reload(stage, amount);
            break;
        case 5:
            world->refuses = !world->refuses;
            break;
        case 6:
            forget_requests(stage);
            break;
        default:
            go_on(stage);
    }
}

static void step(struct stage *stage) {
    unsigned what = program_byte(&stage->program), who = what & 7, action = what >> 3 & 15;
    if (who == WORLD)
        befall(stage, action);
    else if (who == REST && action < 4)
        request(stage);
    else if (who == REST)
        wires_step(&stage->wires, action - 4);
    else
        act(stage, who, action);
    if (what & 128) return; /* the next one's step is within the same turn */
    fuzz_world_settle(&stage->world);
    go_on(stage);
    for (size_t i = 0; i < CLIENTS; i++) listen(stage, &stage->clients[i]);
    wires_listen(&stage->wires);
}

static struct config *read_config(unsigned kind, const char *const sets[2]) {
    static const char *const forms[] = {"redis.mode=standalone", "redis.mode=standalone", "redis.mode=cluster",
                                        "redis.socketio_adapter=both"};
    char certificate[64], key[64], nodes[64];
    const char *all[7] = {sets[0], sets[1], forms[kind / REDIS]};
    size_t len = 3;
    snprintf(certificate, sizeof certificate, "tls.certificate=%s", fuzz_tls_certificate());
    snprintf(key, sizeof key, "tls.key=%s", fuzz_tls_certificate());
    snprintf(nodes, sizeof nodes, "redis.nodes={\"%s\"}", fuzz_redis_address());
    if (kind & TLS) all[len++] = certificate, all[len++] = key;
    if (kind >= REDIS) all[len++] = nodes, all[len++] = "node.name=n1";
    return fuzz_config("session.lua", all, len);
}

/* Once each. */
static struct config *const *configs_of(unsigned kind) {
    static const char *const sets[CONFIGS][2] = {{"recovery.window_s=5", "session.inbox_bytes=1024"},
                                                 {"recovery.window_s=0", "session.inbox_bytes=4096"},
                                                 {"scripts={\"broken.lua\"}", "recovery.window_s=5"}};
    static struct config *configs[KINDS][CONFIGS];
    for (size_t i = 0; i < CONFIGS && !configs[kind][i]; i++) configs[kind][i] = read_config(kind, sets[i]);
    return configs[kind];
}

static void open_stage(struct stage *stage) {
    struct error error;
    list_init(&stage->requests);
    stage->configs = configs_of(program_byte(&stage->program) % KINDS);
    if (!fuzz_world_open(&stage->world, stage->configs[0], &error)) fprintf(stderr, "%s\n", error.text), abort();
    wires_open(&stage->wires, &stage->world, &stage->program);
    fuzz_operators_open(&stage->operators);
}

/* Redis stays as it is, because clients leave without it. */
static void close_stage(struct stage *stage) {
    for (size_t i = 0; i < CLIENTS; i++) go(&stage->clients[i]);
    forget_requests(stage);
    wires_leave(&stage->wires);
    stage->world.refuses = false;
    for (size_t i = 0; i < FUZZ_PARTS; i++) stage->world.parts[i] = PART_ANSWERS;
    for (unsigned i = 0; i < 4; i++) fuzz_world_advance(&stage->world, 10000);
    fuzz_operators_close(&stage->operators);
    wires_close(&stage->wires);
    fuzz_world_close(&stage->world);
    buffer_done(&stage->text);
    buffer_done(&stage->got);
}

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t len) {
    static struct stage stage;
    stage = (struct stage){.program.rest = {(const char *)bytes, len}};
    open_stage(&stage);
    for (unsigned i = 0; i < STEPS_MAX && !program_over(&stage.program); i++) step(&stage);
    close_stage(&stage);
    return 0;
}
