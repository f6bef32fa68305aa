/* SPDX-License-Identifier: Apache-2.0 */
/* The hot functions on fixed inputs, counted by callgrind (check.py runs it). Each case warms up, then its count starts
 * at zero and is dumped under its name. Outside of callgrind it only runs. */
#include <valgrind/callgrind.h>

#include "cache/cache.h"
#include "config/config.h"
#include "limit/gcra.h"
#include "lua/config_reader.h"
#include "lua/script_policy.h"
#include "support/hub_scene.h"
#include "wire/socketio.h"
#include "wire/websocket_writer.h"
#include "worker/worker.h"

enum { CROWD = 1000, TIMES = 100, EVENTS = 2000 /* many rounds of the collector */ };

#define COUNTED(name, statement)       \
    do {                               \
        CALLGRIND_ZERO_STATS;          \
        statement;                     \
        CALLGRIND_DUMP_STATS_AT(name); \
    } while (0)

static const char event_text[] =
    "212[\"message:send\",{\"channelId\":\"lobby\",\"clientId\":\"c-7f3a9b\",\"content\":\"See you at the stoa, then: "
    "half past nine, by the painted columns. Bring Zeno.\",\"threadId\":null}]";
static const char broadcast_args[] =
    "[\"message:new\",{\"channelId\":\"lobby\",\"seq\":4711,\"userId\":\"alice\",\"content\":\"See you at the stoa, "
    "then: half "
    "past nine, by the painted columns. Bring Zeno.\"}]";

static void count_wire(void) {
    struct slice text = slice_of(event_text), json = slice_from(text, 3), args = slice_of(broadcast_args);
    struct socketio_packet packet;
    struct buffer out = {0};
    bool good = true;
    for (int i = 0; i < TIMES; i++) good &= socketio_decode(text, &packet) && json_valid(json);
    COUNTED("socketio_decode", for (int i = 0; i < TIMES; i++) good &= socketio_decode(text, &packet));
    COUNTED("json_valid", for (int i = 0; i < TIMES; i++) good &= json_valid(json));
    COUNTED(
        "websocket_writer_write", for (int i = 0; i < TIMES; i++) {
            buffer_clear(&out);
            websocket_writer_write(&out, FRAME_TEXT, false, args);
        });
    struct socketio_packet parts = {.type = SOCKETIO_EVENT, .namespace_name = SLICE("/"), .json = args};
    COUNTED(
        "packet_encode", for (int i = 0; i < TIMES; i++) {
            struct packet *made = packet_new(&parts, NULL, SLICE("abcdefgh.1f"), PACKET_MESSAGE);
            packet_bytes(made, PACKET_FRAME);
            packet_unref(&made);
        });
    buffer_done(&out);
    if (!good) abort();
}

static void count_limit_and_cache(void) {
    struct limiter *limiter = limiter_new(loop, 1 << 20);
    struct cache *cache = cache_new(loop, 1 << 20);
    struct limit_ask asks[] = {
        {.name = SLICE("user_messages"), .key = SLICE("alice"), .rate = {1000000, 1000}, .cost = 1},
        {.name = SLICE("channel_messages"), .key = SLICE("lobby"), .rate = {1000000, 1000}, .cost = 1}};
    struct cache_waiter waiter = {0};
    struct cache_flight *flight;
    struct slice value;
    bool good = limiter_take(limiter, asks, 2).allowed && cache_put(cache, SLICE("lobby"), SLICE("{}"), 1, 60000);
    COUNTED("gcra_take_two", for (int i = 0; i < TIMES; i++) good &= limiter_take(limiter, asks, 2).allowed);
    COUNTED(
        "cache_hit", for (int i = 0; i < TIMES;
                          i++) { good &= cache_get(cache, SLICE("lobby"), &value, &flight, &waiter) == CACHE_HIT; });
    cache_free(&cache);
    limiter_free(&limiter);
    if (!good) abort();
}

static void broadcast(void) {
    struct room_emit emit = {.namespace_name = SLICE("/"), .class = PACKET_MESSAGE, .args = slice_of(broadcast_args)};
    if (room_emit(rooms, &emit) != CROWD) abort();
}

static void settle(void) {
    while (loop_turn(loop)) continue;
}

/* Empties the buffers of the clients, which keep their room, so that they do not grow during the count. */
static void hear_all(struct local_client *clients[CROWD]) {
    struct buffer heard = {0};
    for (int i = 0; i < CROWD; i++)
        while (local_client_take(clients[i], &heard, NULL)) buffer_clear(&heard);
    buffer_done(&heard);
}

static void count_fanout(void) {
    struct local_client *clients[CROWD];
    for (int i = 0; i < CROWD; i++) {
        clients[i] = local_client_new(hub, &(struct local_client_options){0});
        local_client_send(clients[i], SLICE("40{\"user\":\"alice\"}"), false);
    }
    settle();
    for (int i = 0; i < 20; i++) broadcast();
    settle();
    hear_all(clients);
    COUNTED("fanout_1000", broadcast());
    COUNTED("flush_1000", settle());
    hear_all(clients);
    for (int i = 0; i < 10; i++) broadcast();
    COUNTED("flush_1000_of_10", settle());
    for (int i = 0; i < CROWD; i++) local_client_free(&clients[i]);
    settle();
}

static void answered(struct policy_call *call, const struct policy_answer *answer) {
    if (answer->status != POLICY_OK) abort();
}

static void ask(struct worker *worker) {
    struct policy_call call = {.point = POLICY_EVENT,
                               .namespace_name = SLICE("/"),
                               .socket_id = SLICE("AAAAAAAAAAAAAAAAAAAA"),
                               .name = SLICE("ping"),
                               .json = SLICE("[\"ping\",{\"channelId\":\"lobby\",\"n\":1}]"),
                               .wants_answer = true,
                               .done = answered};
    policy_ask(worker->scripts.policy, &call);
    loop_turn(worker->loop);
}

static void count_lua(const char *config_file) {
    struct error error;
    struct worker worker;
    struct loop *own = loop_new_with_fake_clock(); /* so that no timer fires */
    struct config *config = config_reader_read(config_file, NULL, 0, &error);
    if (!config || !worker_init(&worker, own, config, &script_policy_source, 1, NULL, NULL, &error)) {
        fprintf(stderr, "%s\n", error.text);
        exit(2);
    }
    for (int i = 0; i < EVENTS; i++) ask(&worker);
    COUNTED("lua_event", for (int i = 0; i < EVENTS; i++) ask(&worker));
    worker_done(&worker, 1000);
    config_unref(&config);
    loop_free(&own);
}

int main(int argc, char **argv) {
    struct hub_settings settings = scene_settings();
    if (argc < 2) return 64;
    settings.outbox_bytes = 1 << 20;
    scene_begin(loop_new_with_fake_clock(), &settings);
    count_wire();
    count_limit_and_cache();
    count_fanout();
    tear_down(NULL);
    count_lua(argv[1]);
    return 0;
}
