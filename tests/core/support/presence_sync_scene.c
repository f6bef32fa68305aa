/* SPDX-License-Identifier: Apache-2.0 */
#include "support/presence_sync_scene.h"

#include <string.h>

#include "bus/bus_local.h"
#include "channel/topic.h"
#include "presence/presence_sight.h"

struct loop *scene_loop;
struct fake_ether ether;
struct sync_worker workers[WORKERS];

static void note_users(struct sync_worker *worker, struct slice users) {
    static const char key[] = "{\"userId\":\"";
    for (const char *at = users.ptr, *end = slice_end(users);
         at && (at = memmem(at, (size_t)(end - at), key, strlen(key)));) {
        at += strlen(key);
        const char *quote = memchr(at, '"', (size_t)(end - at));
        bool is_offline = strncmp(quote, "\",\"status\":\"offline\"", 20) == 0;
        buffer_printf(&worker->told, "%.*s%c ", (int)(quote - at), at, is_offline ? '-' : '+');
    }
}

static void changed(void *owner, struct slice channel_id, struct slice users, size_t online) {
    struct sync_worker *worker = owner;
    if (users.len > 0)
        note_users(worker, users);
    else
        buffer_printf(&worker->told, "=%zu ", online);
}
static void offline(void *owner, struct slice user_id) {
    buffer_printf(&((struct sync_worker *)owner)->lost, "%.*s ", SLICE_ARG(user_id));
}
static void moved(void *owner, struct slice channel_id, struct slice user_id) {
    presence_sync_moved(((struct sync_worker *)owner)->presence_sync, channel_id, user_id);
}
static void said(void *owner, struct slice user_id) {
    presence_sync_said(((struct sync_worker *)owner)->presence_sync, user_id);
}
static const struct presence_events presence_events = {changed, offline, moved, said};

static void received(void *owner, struct slice topic, const struct bus_message *message) {
    struct sync_worker *worker = owner;
    worker->compared += message->body.ptr[0] == PRESENCE_SYNC_COMPARE;
    worker->malformed += !presence_sync_take(worker->presence_sync, topic, message);
}
static void subscribed(void *owner, struct slice topic) {
    presence_sync_subscribed(((struct sync_worker *)owner)->presence_sync, topic);
}
static void degraded(void *owner, bool is_degraded) {}
static const struct bus_events bus_events = {received, subscribed, degraded};

void worker_begin(struct sync_worker *worker) {
    static const struct presence_settings presence = {
        .grace_ms = GRACE_MS, .tick_ms = TICK_MS, .settle_ms = PRESENCE_SYNC_SETTLE_MS, .names_max = 10};
    static const char *const places[] = {"one", "two", "three"};
    *worker = (struct sync_worker){.presence = presence_new(scene_loop, &presence, &presence_events, worker)};
    worker->bus = fake_bus_new_at(&ether, "node", places[worker - workers], &bus_events, worker);
    worker->presence_sync = presence_sync_new(scene_loop, worker->presence, worker->bus, &presence);
    bus_subscribe(worker->bus, SLICE(""));
}

void worker_end(struct sync_worker *worker) {
    bus_free(&worker->bus);
    struct bus *nobody = worker->bus = bus_local_new(scene_loop, &bus_events, worker);
    presence_sync_free(&worker->presence_sync);
    presence_free(&worker->presence);
    bus_free(&nobody);
    buffer_done(&worker->told);
    buffer_done(&worker->lost);
}

int presence_sync_set_up(void **state) {
    scene_loop = loop_new_with_fake_clock();
    fake_ether_init(&ether, scene_loop);
    for (size_t i = 0; i < WORKERS; i++) worker_begin(&workers[i]);
    loop_advance(scene_loop, 10);
    return 0;
}

int presence_sync_tear_down(void **state) {
    for (size_t i = 0; i < WORKERS; i++) {
        assert_int_equal(workers[i].malformed, 0);
        worker_end(&workers[i]);
    }
    fake_ether_done(&ether);
    loop_free(&scene_loop);
    return 0;
}

void come_to(struct sync_worker *worker, const char *user, const char *connection, const char *channel) {
    struct buffer topic = {0};
    topic_write_user(&topic, slice_of(user));
    bus_subscribe(worker->bus, buffer_slice(&topic));
    buffer_clear(&topic);
    topic_write_channel(&topic, slice_of(channel));
    bus_subscribe(worker->bus, buffer_slice(&topic));
    buffer_done(&topic);
    presence_connected(worker->presence, slice_of(user), slice_of(connection), NULL);
    presence_joined(worker->presence, slice_of(channel), slice_of(user), slice_of(connection));
}

void come(struct sync_worker *worker, const char *user) {
    come_to(worker, user, user, "lobby");
}

void go(struct sync_worker *worker, const char *user) {
    presence_disconnected(worker->presence, slice_of(user), slice_of(user));
}

bool say_status(struct sync_worker *worker, const char *user, const char *status) {
    return presence_update(worker->presence, slice_of(user), &(struct presence_said){.status = slice_of(status)});
}

const char *news(struct sync_worker *worker) {
    static char text[4096];
    snprintf(text, sizeof text, "%.*s", SLICE_ARG(buffer_slice(&worker->told)));
    buffer_clear(&worker->told);
    return text;
}

size_t count(struct sync_worker *worker) {
    struct buffer out = {0};
    size_t online = presence_write_channel(worker->presence, SLICE("lobby"), 100, &out);
    buffer_done(&out);
    return online;
}

bool sees(struct sync_worker *worker, const char *user, const char *status) {
    struct buffer out = {0};
    char wanted[64];
    snprintf(wanted, sizeof wanted, "\"status\":\"%s\"", status);
    struct presence_sight sight = presence_see(worker->presence, slice_of(user));
    presence_write_sight(slice_of(user), &sight, &out);
    buffer_append_char(&out, 0);
    bool found = strstr(out.ptr, wanted) != NULL;
    buffer_done(&out);
    return found;
}

void forget_news(void) {
    for (size_t i = 0; i < WORKERS; i++) (void)news(&workers[i]);
}

void all_come(void) {
    come(&workers[0], "alice");
    come(&workers[1], "bob");
    come(&workers[2], "carol");
    loop_advance(scene_loop, SOON_MS);
    for (size_t i = 0; i < WORKERS; i++) assert_int_equal(count(&workers[i]), 3);
    forget_news();
}
