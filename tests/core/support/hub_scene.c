/* SPDX-License-Identifier: Apache-2.0 */
#include "support/hub_scene.h"

#include "loop/loop_internal.h"
#include "session/script_connection.h"

struct loop *loop;
struct rooms *rooms;
struct hub *hub;
struct scene_policy script;

static const char *const scene_origins[] = {"*"};
static const char *const scene_namespaces[] = {"/admin"};

struct hub_settings scene_settings(void) {
    return (struct hub_settings){
        .path = "/socket.io/",
        .plain_path = "/ws",
        .websocket = true,
        .polling = true,
        .origins = scene_origins,
        .origins_len = 1,
        .ping_interval_ms = 25000,
        .ping_timeout_ms = 20000,
        .connect_timeout_ms = 45000,
        .upgrade_timeout_ms = 10000,
        .max_payload_bytes = 1000000,
        .recovery.window_ms = 120000,
        .recovery.events = 100,
        .recovery.bytes = 1 << 20,
        .outbox_bytes = 4096,
        .slow_close_ms = 30000,
        .inbox_bytes = 2048,
        .namespaces_max = 4,
        .rooms_max = 8,
    };
}

static void scene_reply(struct policy_call *call, enum policy_status status, struct slice json) {
    struct policy_answer answer = {.status = status, .json = json};
    call->task = NULL;
    call->done(call, &answer);
}

static void scene_wait(struct policy_call *call) {
    assert_null(script.waiting);
    call->task = &script;
    script.waiting = call;
}

void scene_answer(enum policy_status status, const char *json) {
    struct policy_call *call = script.waiting;
    assert_non_null(call);
    script.waiting = NULL;
    scene_reply(call, status, slice_of(json));
    loop_turn(loop);
}

static void scene_authenticate(struct policy_call *call) {
    struct slice user = json_member(json_member(call->json, "auth"), "user");
    char json[128];
    if (user.len == 0) {
        scene_reply(call, POLICY_REFUSED, SLICE("{\"message\":\"who are you\",\"data\":{\"hint\":1}}"));
        return;
    }
    snprintf(json, sizeof json, "{\"id\":%.*s}", SLICE_ARG(user));
    scene_reply(call, POLICY_OK, slice_of(json));
}

static void scene_connect(struct policy_call *call) {
    struct socket *socket = hub_find(hub, call->socket_id);
    assert_non_null(socket);
    if (script.on_connect) script.on_connect(socket);
    if (script.refuses_recovered && socket_recovered(socket)) {
        scene_reply(call, POLICY_REFUSED, SLICE("{\"message\":\"banned\"}"));
    } else if (script.defers_connects) {
        scene_wait(call);
    } else {
        scene_reply(call, POLICY_OK, SLICE_NONE);
    }
}

static void scene_disconnect(struct policy_call *call) {
    size_t len = strlen(script.parted);
    snprintf(script.parted + len, sizeof script.parted - len, "%.*s;", SLICE_ARG(call->name));
    if (script.on_disconnect) script.on_disconnect(hub_find(hub, call->socket_id));
    if (script.defers_disconnects)
        scene_wait(call);
    else
        scene_reply(call, POLICY_OK, SLICE_NONE);
}

static void scene_held(struct policy_call *call) {
    struct socket *socket = hub_find(hub, call->socket_id);
    socket_hold(socket);
    assert_true(socket_emit(socket, SLICE("[\"live\"]"), NULL, 0, PACKET_MESSAGE));
    scene_wait(call);
}

static void scene_event(struct policy_call *call) {
    struct json_walk walk;
    struct slice name, rest;
    char json[512];
    loop->clock.now_us += script.event_us;
    json_walk_init(&walk, call->json);
    assert_true(json_walk_item(&walk, &name));
    if (!json_walk_item(&walk, &rest)) rest = SLICE_NONE;
    if (slice_is(call->name, "echo")) {
        snprintf(json, sizeof json, "[%.*s]", SLICE_ARG(rest));
        scene_reply(call, POLICY_OK, slice_of(json));
    } else if (slice_is(call->name, "slow")) {
        size_t len = strlen(script.slow_seen);
        snprintf(script.slow_seen + len, sizeof script.slow_seen - len, "%.*s ", SLICE_ARG(rest));
        scene_wait(call);
    } else if (slice_is(call->name, "held")) {
        scene_held(call);
    } else if (slice_is(call->name, "limited")) {
        scene_reply(call, POLICY_OK, SLICE("[{\"ok\":false,\"error\":{\"code\":\"rate_limited\",\"retryAfter\":1}}]"));
    } else {
        scene_reply(call,
                    slice_is(call->name, "crash")  ? POLICY_SCRIPT_ERROR
                    : slice_is(call->name, "busy") ? POLICY_UNAVAILABLE
                                                   : POLICY_NO_HANDLER,
                    SLICE_NONE);
    }
}

static void scene_ask(struct policy *policy, struct policy_call *call) {
    script.asked[call->point]++;
    switch (call->point) {
        case POLICY_AUTHENTICATE:
            scene_authenticate(call);
            return;
        case POLICY_CONNECT:
            scene_connect(call);
            return;
        case POLICY_DISCONNECT:
            scene_disconnect(call);
            return;
        case POLICY_EVENT:
            scene_event(call);
            return;
        case POLICY_MESSAGE:
            assert_true(script_connection_send(hub, call->socket_id, call->data, call->binary));
            scene_reply(call, POLICY_OK, SLICE_NONE);
            return;
        default:
            scene_reply(call, POLICY_NO_HANDLER, SLICE_NONE);
    }
}

static void scene_forget(struct policy_call *call) {
    if (script.waiting == call) script.waiting = NULL;
    call->task = NULL;
}

static bool scene_handles(struct policy *policy, enum policy_point point, struct slice namespace_name,
                          struct slice name) {
    if (point == POLICY_AUTHENTICATE) return script.authenticates;
    if (point == POLICY_CONNECT) return script.connects;
    if (point == POLICY_DISCONNECT) return script.disconnects;
    return true;
}

static const struct policy_ops scene_policy_ops = {.ask = scene_ask, .forget = scene_forget, .handles = scene_handles};

void scene_begin(struct loop *on, const struct hub_settings *settings) {
    struct room_limits limits = {.window_ms = settings->recovery.window_ms, .max_events = 1000, .max_bytes = 1 << 20};
    loop = on;
    rooms = rooms_new(loop, &limits);
    hub = hub_new(loop, rooms, settings);
    hub_set_namespaces(hub, scene_namespaces, 1);
    script = (struct scene_policy){
        .policy.ops = &scene_policy_ops, .authenticates = true, .connects = true, .disconnects = true};
    hub_set_policy(hub, &script.policy);
}

int set_up(void **state) {
    struct hub_settings settings = scene_settings();
    scene_begin(loop_new_with_fake_clock(), &settings);
    return 0;
}

void tear_down_hub(void) {
    while (loop_turn(loop)) continue;
    hub_free(&hub);
    while (loop_turn(loop)) continue;
}

int tear_down(void **state) {
    tear_down_hub();
    rooms_free(&rooms);
    loop_free(&loop);
    return 0;
}

void turn(void) {
    for (int i = 0; i < 64 && loop_turn(loop); i++) continue;
}

void says(struct person *person, const char *text) {
    local_client_send(person->client, slice_of(text), false);
    turn();
}

const char *hears(struct person *person) {
    buffer_clear(&person->got);
    if (!local_client_take(person->client, &person->got, NULL)) return NULL;
    buffer_append_char(&person->got, 0);
    return person->got.ptr;
}

void assert_hears(struct person *person, const char *text) {
    const char *got = hears(person);
    assert_non_null(got);
    assert_string_equal(got, text);
}

void assert_hears_event(struct person *person, const char *text) {
    const char *got = hears(person);
    assert_non_null(got);
    char event[1024];
    snprintf(event, sizeof event, "%s", got);
    char *comma = strrchr(event, ',');
    assert_non_null(comma);
    assert_int_equal(sscanf(comma, ",\"%31[^\"]", person->offset), 1);
    strcpy(comma, "]");
    assert_string_equal(event, text);
}

void take_id(const char *text, const char *key, char *out) {
    char pattern[32], format[40];
    snprintf(pattern, sizeof pattern, "\"%s\":\"", key);
    snprintf(format, sizeof format, "%%31[^\"]");
    const char *at = strstr(text, pattern);
    out[0] = 0;
    if (at) assert_int_equal(sscanf(at + strlen(pattern), format, out), 1);
}

void arrives(struct person *person, const struct local_client_options *options) {
    struct local_client_options asking = *options;
    if (asking.query.len == 0) asking.query = SLICE("{\"recovery\":\"1\"}");
    person->client = local_client_new(hub, &asking);
    turn();
    if (!options->plain) assert_non_null(strstr(hears(person), "\"pingInterval\""));
}

void comes_as(struct person *person, const char *user) {
    char text[256];
    arrives(person, &(struct local_client_options){0});
    snprintf(text, sizeof text, "40{\"user\":\"%s\"}", user);
    says(person, text);
    const char *got = hears(person);
    assert_non_null(got);
    assert_int_equal(strncmp(got, "40{\"sid\":\"", 10), 0);
    take_id(got, "sid", person->sid);
    take_id(got, "pid", person->pid);
}

void comes_back_as(struct person *person, const char *user, bool with_offset) {
    char text[256];
    arrives(person, &(struct local_client_options){0});
    snprintf(text, sizeof text, "40{\"user\":\"%s\",\"pid\":\"%s\"%s%s%s}", user, person->pid,
             with_offset ? ",\"offset\":\"" : "", with_offset ? person->offset : "", with_offset ? "\"" : "");
    says(person, text);
}

void goes(struct person *person) {
    if (person->client) local_client_free(&person->client);
    turn();
    buffer_done(&person->got);
    person->got = (struct buffer){0};
}

bool is_closed(struct person *person, uint16_t *code) {
    return local_client_closed(person->client, code, NULL);
}

struct socket *socket_of(struct person *person) {
    return hub_find(hub, slice_of(person->sid));
}

void emit_to(const char *room, const char *args, enum packet_class class) {
    struct slice to = slice_of(room);
    struct room_emit emit = {.namespace_name = SLICE("/"),
                             .to = &to,
                             .to_len = 1,
                             .class = class,
                             .args = slice_of(args),
                             .unlogged = class == PACKET_VOLATILE};
    room_emit(rooms, &emit);
}
