/* SPDX-License-Identifier: Apache-2.0 */
/* Connections break, scripts and the store answer at any time, sockets move, leave and end, in thousands of random
 * orders. In every order each client gets each channel without a gap or is told of the gap, and only connected users
 * are online.
 *
 * STOA_SEED=n repeats the sequence n alone. */
#include "base/log.h"
#include "channel/log.h"
#include "inside/inside.h"
#include "presence/presence.h"
#include "presence/presence_sight.h"
#include "session/channel_follow.h"
#include "session/online.h"
#include "session/session_internal.h"
#include "session/socket_rooms.h"
#include "support/any_order.h"
#include "support/hub_scene.h"
#include "wire/json.h"

enum { SEQUENCES = 2000, STEPS = 250, PEOPLE = 3, GRACE_MS = 50, WINDOW_MS = 60000 };

static const char *const users[PEOPLE] = {"alice", "alice", "bob"};

static struct any_order_store fake;
static struct channel_log *channel_log;
static struct presence *presence;

static void commit(unsigned channel) {
    struct buffer event = {0};
    write_event(&event, channel, ++fake.heads[channel]);
    channel_log_committed(channel_log, slice_of(channels[channel]), fake.heads[channel], SLICE("1-a"),
                          buffer_slice(&event));
    buffer_done(&event);
}

/* The scripts: each hook and handler may wait. */

enum { WAITING_MAX = 256 };

struct waiting {
    struct policy_call *call; /* NULL: forgotten, or a hook that continues after its socket's end */
    enum policy_point point;
    bool reads; /* the store answers it */
    char socket_id[32];
};
static struct waiting *waiting[WAITING_MAX];
static unsigned waiting_len;

static void end_it(void *owner, struct socket *socket) {
    socket_disconnect(socket);
}

/* All sockets are in one room from the connect hook on. Its events have their own numbers. */

static int said;
static struct begun {
    char socket_id[32];
    int after;
} begun[1024];
static unsigned begun_len;

static void say(void) {
    char args[32];
    snprintf(args, sizeof args, "[\"n\",%d]", ++said);
    emit_to("all", args, PACKET_MESSAGE);
}

static void begin_to_hear(const char *id) {
    struct socket *socket = hub_find(hub, slice_of(id));
    if (socket_recovered(socket) || !slice_is(socket_namespace(socket), "/")) return;
    assert_true(begun_len < sizeof begun / sizeof *begun);
    begun[begun_len].after = said;
    strcpy(begun[begun_len++].socket_id, id);
    assert_true(socket_join(socket, SLICE("all")));
}

static int begun_after(const char *id) {
    for (unsigned i = 0; i < begun_len; i++)
        if (strcmp(begun[i].socket_id, id) == 0) return begun[i].after;
    fail();
    return 0;
}

/* What a script may do with a socket's id, even if the socket has ended. */
static void meddle(const struct waiting *task) {
    struct socket *socket = hub_find(hub, slice_of(task->socket_id));
    if (!socket) return;
    if (percent(50)) (void)!online_begin(socket, NULL);
    if (percent(10)) (void)socket_set_state(socket, SLICE("{\"x\":1}"));
    if (percent(10)) (void)socket_join(socket, SLICE("other"));
    if (percent(10)) socket_leave(socket, SLICE("other"));
    if (percent(10)) {
        char id[16];
        snprintf(id, sizeof id, "%.*s", SLICE_ARG(socket_user_id(socket)));
        hub_each_of_user(hub, slice_of(id), end_it, NULL);
    }
}

static void answer_call(struct policy_call *call, struct slice json) {
    call->task = NULL;
    call->done(call, &(struct policy_answer){.status = POLICY_OK, .json = json});
}

static void task_end(struct waiting *task, struct slice json) {
    for (unsigned i = 0; i < waiting_len; i++)
        if (waiting[i] == task) waiting[i--] = waiting[--waiting_len];
    if (task->point == POLICY_CONNECT || task->point == POLICY_DISCONNECT) meddle(task);
    if (task->call) answer_call(task->call, json);
    free(task);
}

static struct waiting *task_begin(struct policy_call *call) {
    struct waiting *task = NEW(struct waiting);
    assert_true(waiting_len < WAITING_MAX);
    waiting[waiting_len++] = task;
    *task = (struct waiting){.call = call, .point = call->point};
    snprintf(task->socket_id, sizeof task->socket_id, "%.*s", SLICE_ARG(call->socket_id));
    call->task = task;
    return task;
}

static void a_script_goes_on(void) {
    struct waiting *task = waiting_len ? waiting[below(waiting_len)] : NULL;
    if (task && !task->reads) task_end(task, task->point == POLICY_EVENT ? SLICE("[]") : SLICE_NONE);
}

static void followed(void *owner, const struct channel_follow_result *result) {
    struct buffer json = {0};
    if (result->status == STORE_OK)
        buffer_printf(&json, "[{\"seq\":%d,\"events\":%.*s}]", (int)result->seq, SLICE_ARG(result->events));
    else
        buffer_append_str(&json, "[{\"error\":1}]");
    task_end(owner, buffer_slice(&json));
    buffer_done(&json);
}

static void handle_event(struct policy_call *call) {
    struct json_walk walk;
    struct slice name, channel, since;
    int64_t channel_number, since_seq;
    json_walk_init(&walk, call->json);
    assert_true(json_walk_item(&walk, &name) && json_walk_item(&walk, &channel) && json_walk_item(&walk, &since));
    assert_true(json_integer(channel, &channel_number) && json_integer(since, &since_seq));
    struct slice id = slice_of(channels[channel_number]);
    struct waiting *task = task_begin(call);
    task->reads = slice_is(call->name, "join");
    if (task->reads) {
        channel_follow_channel(hub, channel_log, &fake.store, call->socket_id, id, since_seq, SLICE("1-a"), followed,
                               task);
    } else if (slice_is(call->name, "leave")) {
        char room[16];
        snprintf(room, sizeof room, "channel:%.*s", SLICE_ARG(id));
        socket_leave(hub_find(hub, call->socket_id), slice_of(room));
        task_end(task, SLICE("[{\"left\":1}]"));
    } else if (percent(50)) {
        task_end(task, SLICE("[]"));
    }
}

static void ask(struct policy *policy, struct policy_call *call) {
    char json[64];
    if (call->point == POLICY_AUTHENTICATE) {
        struct slice user = json_member(json_member(call->json, "auth"), "user");
        snprintf(json, sizeof json, "{\"id\":%.*s}", SLICE_ARG(user));
        answer_call(call, slice_of(json));
    } else if (call->point == POLICY_EVENT) {
        handle_event(call);
    } else {
        struct waiting *task = task_begin(call);
        if (call->point == POLICY_CONNECT) begin_to_hear(task->socket_id);
        meddle(task);
        if (task->call && percent(60)) task_end(task, SLICE_NONE);
    }
}

/* The script continues; its answer is dropped. */
static void forget(struct policy_call *call) {
    struct waiting *task = call->task;
    task->call = NULL;
    call->task = NULL;
}

static bool handles(struct policy *policy, enum policy_point point, struct slice namespace_name, struct slice name) {
    return true;
}

static const struct policy_ops scripts_ops = {.ask = ask, .forget = forget, .handles = handles};
static struct policy scripts = {.ops = &scripts_ops};

/* The clients: what each knows of each channel. */

static struct client {
    const char *user;
    struct local_client *wire, *before; /* before: an earlier connection that the server still has */
    bool is_in;                         /* in the namespace */
    bool was_told;                      /* got DISCONNECT: it must not come back */
    char sid[32], pid[32], offset[32];
    char ended[32], gone[32]; /* the socket that was ended while detached; the same before the last connect */
    unsigned asked;
    struct {
        bool joined;
        int64_t last;    /* -1: none yet */
        int64_t tail_to; /* a tail that a member requested again may also arrive as live events if it lags */
        unsigned join_asked, leave_asked;
        bool was_expelled;
    } channels[CHANNELS];
    int heard;           /* the last number of the common room */
    struct buffer early; /* events before CONNECT, one a line */
} clients[PEOPLE];

static bool follows_in_hub(const struct client *client, unsigned channel) {
    char room[16];
    struct socket *socket = hub_find(hub, slice_of(client->sid));
    snprintf(room, sizeof room, "channel:%s", channels[channel]);
    return socket && socket_is_in(socket, slice_of(room));
}

static void hear_event(struct client *client, const char *text) {
    int seq, channel, number;
    const char *comma = strrchr(text, ',');
    assert_int_equal(sscanf(comma, ",\"%31[^\"]", client->offset), 1);
    if (sscanf(text, "42[\"n\",%d", &number) == 1) assert_int_equal(number, ++client->heard);
    if (sscanf(text, "42[\"m\",{\"seq\":%d,\"channel\":%d}", &seq, &channel) != 2) return;
    if (!client->channels[channel].joined || seq <= client->channels[channel].tail_to) return;
    assert_int_equal(seq, client->channels[channel].last + 1);
    client->channels[channel].last = seq;
}

static void hear_tail(struct client *client, unsigned channel, const char *text, int64_t head) {
    int64_t *last = &client->channels[channel].last;
    if (*last < 0) *last = head;
    for (const char *at = text; (at = strstr(at, "{\"seq\":")) && strncmp(at, "{\"seq\":", 7) == 0; at++) {
        int seq, of;
        if (sscanf(at, "{\"seq\":%d,\"channel\":%d}", &seq, &of) != 2 || seq <= *last) continue;
        assert_int_equal(seq, *last + 1);
        *last = seq;
    }
    assert_true(*last >= head);
}

static void hear_ack(struct client *client, const char *text) {
    unsigned id;
    int seq;
    int len = 0;
    if (sscanf(text, "43%u%n", &id, &len) != 1) return;
    for (unsigned i = 0; i < CHANNELS; i++) {
        if (client->channels[i].leave_asked == id) {
            client->channels[i].joined = false;
            client->channels[i].leave_asked = 0;
        }
        if (client->channels[i].join_asked != id) continue;
        client->channels[i].join_asked = 0;
        if (sscanf(text + len, "[{\"seq\":%d", &seq) != 1 || client->channels[i].was_expelled) continue;
        hear_tail(client, i, text + len + 2, seq);
        client->channels[i].joined = true;
        client->channels[i].tail_to = seq;
    }
}

static void hear_connect(struct client *client, const char *text) {
    char pid[32];
    take_id(text, "pid", pid);
    bool is_recovered = pid[0] && strcmp(pid, client->pid) == 0;
    take_id(text, "sid", client->sid);
    strcpy(client->pid, pid);
    client->is_in = true;
    if (!is_recovered) assert_int_equal(client->early.len, 0);
    assert_string_not_equal(client->sid, client->gone);
    for (unsigned i = 0; i < CHANNELS; i++) {
        client->channels[i].joined = client->channels[i].joined && is_recovered;
        if (client->channels[i].was_expelled) assert_false(follows_in_hub(client, i));
    }
    if (!is_recovered) {
        client->offset[0] = 0;
        client->heard = begun_after(client->sid);
    }
    buffer_append_char(&client->early, 0);
    for (char *line = strtok(client->early.ptr, "\n"); line; line = strtok(NULL, "\n")) hear_event(client, line);
    buffer_clear(&client->early);
}

static void hear(struct client *client, const char *text) {
    if (strcmp(text, "2") == 0 && percent(90)) local_client_send(client->wire, SLICE("3"), false);
    if (strncmp(text, "40{", 3) == 0) hear_connect(client, text);
    if (strncmp(text, "43", 2) == 0) hear_ack(client, text);
    if (strcmp(text, "41") == 0) {
        client->is_in = false;
        client->was_told = true;
        for (unsigned i = 0; i < CHANNELS; i++) client->channels[i].joined = false;
    }
    if (strncmp(text, "42[", 3) != 0) return;
    if (client->is_in)
        hear_event(client, text);
    else
        buffer_printf(&client->early, "%s\n", text);
}

/* Reads at most max messages. */
static void reads(struct client *client, unsigned max) {
    struct buffer got = {0};
    for (; max > 0 && client->wire; max--) {
        buffer_clear(&got);
        if (!local_client_take(client->wire, &got, NULL)) break;
        buffer_append_char(&got, 0);
        hear(client, got.ptr);
    }
    buffer_done(&got);
}

static void asks(struct client *client, const char *what, unsigned channel, unsigned *asked_r) {
    char text[64];
    *asked_r = ++client->asked;
    snprintf(text, sizeof text, "42%u[\"%s\",%u,%d]", client->asked, what, channel,
             (int)client->channels[channel].last);
    local_client_send(client->wire, slice_of(text), false);
}

/* Messages still on their way to the client are lost. */
static void breaks(struct client *client) {
    if (!client->wire) return;
    reads(client, below(4));
    client->is_in = false;
    buffer_clear(&client->early);
    for (unsigned i = 0; i < CHANNELS; i++) {
        if (client->channels[i].leave_asked) client->channels[i].joined = false; /* it may have left */
        client->channels[i].join_asked = client->channels[i].leave_asked = 0;
    }
    if (client->before) local_client_free(&client->before);
    if (percent(20))
        client->before = client->wire; /* the server does not know yet */
    else
        local_client_free(&client->wire);
    client->wire = NULL;
}

static void comes(struct client *client) {
    char text[200];
    if (client->wire) return;
    client->wire = local_client_new(hub, &(struct local_client_options){0});
    int len = snprintf(text, sizeof text, "40{\"user\":\"%s\",\"recovery\":1", client->user);
    if (client->pid[0] && !client->was_told) {
        len += snprintf(text + len, sizeof text - (size_t)len, ",\"pid\":\"%s\"", client->pid);
        const char *offset = percent(5) ? "nonsense" : client->offset;
        if (offset[0]) len += snprintf(text + len, sizeof text - (size_t)len, ",\"offset\":\"%s\"", offset);
    }
    snprintf(text + len, sizeof text - (size_t)len, "}");
    client->was_told = false;
    strcpy(client->gone, client->ended);
    local_client_send(client->wire, slice_of(text), false);
    if (percent(20)) local_client_send(client->wire, SLICE("40/admin,{\"user\":\"x\"}"), false);
}

static void acts(struct client *client) {
    unsigned channel = below(CHANNELS), ignored;
    if (!client->wire || local_client_closed(client->wire, NULL, NULL)) {
        breaks(client);
        comes(client);
    } else if (!client->is_in) {
        reads(client, 100);
    } else if (percent(50) && !client->channels[channel].join_asked) {
        client->channels[channel].was_expelled = false;
        asks(client, "join", channel, &client->channels[channel].join_asked);
    } else if (percent(40) && !client->channels[channel].leave_asked) {
        asks(client, "leave", channel, &client->channels[channel].leave_asked);
    } else {
        asks(client, "wait", channel, &ignored);
    }
}

/* As by an operator or another server: the client is told, or asks. */
static void is_expelled(struct client *client) {
    unsigned channel = below(CHANNELS);
    char room[16];
    struct socket *socket = hub_find(hub, slice_of(client->sid));
    snprintf(room, sizeof room, "channel:%s", channels[channel]);
    if (!socket || client->channels[channel].join_asked || client->before) return; /* it may just be joining again */
    socket_leave(socket, slice_of(room));
    client->channels[channel].joined = false;
    client->channels[channel].was_expelled = true;
}

static void is_ended(struct client *client) {
    struct socket *socket = hub_find(hub, slice_of(client->sid));
    if (!socket) return;
    if (percent(50)) {
        if (!socket_is_connected(socket)) strcpy(client->ended, client->sid);
        socket_disconnect(socket);
    } else {
        socket_close(socket, CLOSE_FORCED);
    }
}

/* What must hold after each step. */

static size_t count_sockets(const char *user, const char *room_or_null) {
    size_t cursor = 0, count = 0;
    for (struct socket *socket; (socket = map_next(hub->sockets, &cursor));) {
        if (!socket->session || !socket->counts || strcmp(socket->user.of->id, user) != 0) continue;
        count += !room_or_null || room_membership(&socket->memberships, slice_of(room_or_null));
    }
    return count;
}

static void check_connections(void) {
    assert_int_equal(presence_connections(presence, SLICE("alice")), count_sockets("alice", NULL));
    assert_int_equal(presence_connections(presence, SLICE("bob")), count_sockets("bob", NULL));
}

static bool channels_agree(void) {
    bool agree = true;
    for (unsigned i = 0; i < CHANNELS; i++) {
        char room[16];
        struct buffer online = {0};
        snprintf(room, sizeof room, "channel:%s", channels[i]);
        size_t expected = (count_sockets("alice", room) > 0) + (size_t)(count_sockets("bob", room) > 0);
        agree = agree && presence_write_channel(presence, slice_of(channels[i]), 10, &online) == expected;
        buffer_done(&online);
    }
    return agree;
}

/* While no channel is being read, and no grace is running: a connection may have ended just now. */
static void check_channels(void) {
    for (int i = 0; i < 5 && !channels_agree(); i++) loop_advance(loop, 2 * GRACE_MS);
    assert_true(channels_agree());
}

static void step(void) {
    struct client *client = &clients[below(PEOPLE)];
    switch (below(12)) {
        case 0:
            breaks(client);
            break;
        case 1:
        case 2:
            acts(client);
            break;
        case 3:
            if (client->wire) local_client_stall(client->wire, percent(50));
            break;
        case 4:
            any_order_store_answer(&fake);
            break;
        case 5:
            a_script_goes_on();
            break;
        case 6:
            loop_advance(loop, below(8) ? below(400) : below(20000));
            break;
        case 7:
            if (percent(50)) is_expelled(client);
            break;
        case 8:
            if (percent(20)) is_ended(client);
            break;
        case 9:
            reads(client, below(8));
            break;
        case 10:
            say();
            break;
        default:
            commit(below(CHANNELS));
    }
    if (percent(70)) turn();
    check_connections();
}

/* Answers and reads everything that waits. */
static void settle(void) {
    for (int i = 0; i < 400; i++) {
        any_order_store_answer(&fake);
        a_script_goes_on();
        turn();
        for (unsigned j = 0; j < PEOPLE; j++) {
            if (clients[j].wire) local_client_stall(clients[j].wire, false);
            reads(&clients[j], 100);
        }
        if (i % 50 == 49) loop_advance(loop, 2 * GRACE_MS);
    }
    check_connections();
    check_channels();
}

static void assert_all_is_heard(void) {
    for (unsigned i = 0; i < PEOPLE; i++) {
        const struct client *client = &clients[i];
        if (!client->wire || !client->is_in || local_client_closed(client->wire, NULL, NULL)) continue;
        assert_int_equal(client->heard, said);
        for (unsigned j = 0; j < CHANNELS; j++)
            if (client->channels[j].joined) assert_int_equal(client->channels[j].last, fake.heads[j]);
    }
}

static void all_go(void) {
    for (unsigned i = 0; i < PEOPLE; i++) {
        struct client *client = &clients[i];
        if (client->wire) local_client_free(&client->wire);
        if (client->before) local_client_free(&client->before);
        buffer_done(&client->early);
    }
    settle();
    loop_advance(loop, WINDOW_MS + 50000);
    settle();
}

static void assert_nobody_is_left(void) {
    assert_int_equal(map_size(hub->sockets), 0);
    assert_int_equal(map_size(hub->sessions), 0);
    assert_int_equal(map_size(hub->users), 0);
    assert_int_equal(hub->records.len, 0);
    assert_int_equal(hub->records.bytes, 0);
    check_connections();
    check_channels();
}

static void changed(void *owner, struct slice channel_id, struct slice list, size_t online) {}

static void run(uint64_t number) {
    static const struct presence_settings presence_settings = {.grace_ms = GRACE_MS, .tick_ms = 200, .names_max = 10};
    static const struct presence_events presence_events = {.changed = changed};
    struct hub_settings settings = scene_settings();
    settings.recovery.window_ms = WINDOW_MS;
    settings.outbox_bytes = 150;
    settings.ping_interval_ms = 300;
    settings.ping_timeout_ms = 10000;
    chance_seed(number);
    scene_begin(loop_new_with_fake_clock(), &settings);
    any_order_store_init(&fake);
    presence = presence_new(loop, &presence_settings, &presence_events, NULL);
    channel_log = channel_log_new(loop, &fake.store, rooms, NULL);
    hub_set_presence(hub, presence);
    hub_set_policy(hub, &scripts);
    begun_len = 0;
    said = 0;
    for (unsigned i = 0; i < PEOPLE; i++) {
        clients[i] = (struct client){.user = users[i]};
        for (unsigned j = 0; j < CHANNELS; j++) clients[i].channels[j].last = -1;
    }
    for (unsigned i = 0; i < STEPS; i++) step();
    settle();
    assert_all_is_heard();
    all_go();
    assert_nobody_is_left();
    tear_down_hub();
    channel_log_free(&channel_log);
    while (fake.len > 0) any_order_store_answer(&fake);
    presence_free(&presence);
    tear_down(NULL);
}

static uint64_t seed; /* of the current sequence; 0: all have passed */

static int tell_seed(void **state) {
    if (seed) print_message("STOA_SEED=%llu repeats it\n", (unsigned long long)seed);
    return 0;
}

static void nothing_is_lost_and_nobody_is_left_in_whatever_order(void **state) {
    const char *one = getenv("STOA_SEED");
    log_set_level(LOG_ERROR);
    if (one) {
        run(seed = strtoull(one, NULL, 10));
    } else {
        for (seed = 1; seed <= SEQUENCES; seed++) run(seed);
    }
    seed = 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(nothing_is_lost_and_nobody_is_left_in_whatever_order, tell_seed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
