/* SPDX-License-Identifier: Apache-2.0 */
/* Two workers: alice and bob are connected to one; the other acts on them. */
#include "worker/fleet.h"

#include "cache/cache.h"
#include "cache/shared_cache.h"
#include "channel/expulsions.h"
#include "channel/log.h"
#include "channel/relay.h"
#include "presence/presence.h"
#include "presence/presence_sight.h"
#include "presence/presence_sync.h"
#include "session/session_internal.h"
#include "session/socket_rooms.h"
#include "state/state_driver.h"
#include "state/state_local.h"
#include "support/fake_bus.h"
#include "support/fake_log_store.h"
#include "support/hub_scene.h"
#include "worker/presence_broadcast.h"
#include "worker/repeated_messages.h"
#include "worker/worker.h"

static struct person alice, bob;
static struct fake_ether ether;
static struct fake_log_store store;
static struct worker here, there;

static void worker_begin(struct worker *worker, struct rooms *its_rooms, struct hub *its_hub) {
    static const struct presence_settings presence = {.grace_ms = 5000, .tick_ms = 200, .names_max = 10};
    *worker = (struct worker){.loop = loop, .channels.rooms = its_rooms, .hub = its_hub};
    worker->caches.own = cache_new(loop, 1 << 20);
    worker->presence.online = presence_new(loop, &presence, &announce_events, worker);
    worker->channels.expulsions = expulsions_new(loop);
    worker->fleet.state = state_local_new(loop);
    worker->fleet.bus = fake_bus_new(&ether, "node", &fleet_events, worker);
    worker->presence.sync = presence_sync_new(loop, worker->presence.online, worker->fleet.bus, &presence);
    worker->channels.log = channel_log_new(loop, &store.store, its_rooms, worker->fleet.bus);
    worker->channels.relay = relay_new(its_rooms, worker->channels.log, worker->fleet.bus, NULL);
    worker->fleet.repeated = repeated_messages_new(loop, worker->fleet.bus);
    fleet_join(worker);
}

static void worker_end(struct worker *worker) {
    hub_set_user_events(worker->hub, NULL, NULL);
    repeated_messages_free(&worker->fleet.repeated);
    relay_free(&worker->channels.relay);
    channel_log_free(&worker->channels.log);
    presence_sync_free(&worker->presence.sync);
    state_free(&worker->fleet.state);
    bus_free(&worker->fleet.bus);
    presence_free(&worker->presence.online);
    expulsions_free(&worker->channels.expulsions);
    cache_free(&worker->caches.own);
}

static int begin(void **state) {
    static const struct room_limits limits = {.window_ms = 1000, .max_events = 100, .max_bytes = 1 << 20};
    set_up(state);
    fake_ether_init(&ether, loop);
    fake_log_store_init(&store, loop);
    struct hub_settings settings = scene_settings();
    struct rooms *other_rooms = rooms_new(loop, &limits);
    worker_begin(&here, rooms, hub);
    worker_begin(&there, other_rooms, hub_new(loop, other_rooms, &settings));
    comes_as(&alice, "alice");
    comes_as(&bob, "bob");
    loop_advance(loop, 10);
    return 0;
}

static int end(void **state) {
    goes(&alice);
    goes(&bob);
    worker_end(&here);
    worker_end(&there);
    hub_free(&there.hub);
    fake_log_store_done(&store);
    rooms_free(&there.channels.rooms);
    fake_ether_done(&ether);
    return tear_down(state);
}

static void pass(void) {
    loop_advance(loop, 10);
}

static const struct fleet_news mention = {.user_id = {"alice", 5}, .args = {"[\"mention\",7]", 13}};

static void an_event_to_a_user_reaches_them_on_any_worker(void **state) {
    static const struct slice attachment = {"\1\2", 2};
    fleet_emit_to_user(&there, &mention);
    fleet_emit_to_user(&there, &(struct fleet_news){.user_id = SLICE("alice"),
                                                    .args = SLICE("[\"file\",{\"_placeholder\":true,\"num\":0}]"),
                                                    .attachments = &attachment,
                                                    .attachments_len = 1});
    pass();
    assert_hears_event(&alice, "42[\"mention\",7]");
    assert_non_null(strstr(hears(&alice), "451-[\"file\""));
    assert_non_null(hears(&alice));
    assert_null(hears(&bob));
}

static void a_worker_without_a_user_hears_nothing_of_them(void **state) {
    unsigned before = fake_bus_received(there.fleet.bus);
    assert_int_equal(fleet_emit_to_user(&here, &mention), 1);
    fleet_disconnect_user(&here, SLICE("bob"), &(struct fleet_ending){.stays_away = true});
    pass();
    assert_int_equal(fake_bus_received(there.fleet.bus), before);
}

static void a_user_is_disconnected_on_every_worker(void **state) {
    uint16_t code;
    assert_int_equal(fleet_disconnect_user(&there, SLICE("alice"), &(struct fleet_ending){.stays_away = true}), 0);
    assert_int_equal(fleet_disconnect_user(&there, SLICE("bob"), &(struct fleet_ending){.stays_away = false}), 0);
    pass();
    assert_hears(&alice, "41");
    assert_true(is_closed(&bob, &code));
}

/* DELETE /api/sessions/{token} ends the sockets that the token opened, and no others. */
static void only_the_sockets_of_a_session_end(void **state) {
    struct fleet_ending ending = {.session = SLICE("another"), .stays_away = true};
    fleet_disconnect_user(&there, SLICE("alice"), &ending);
    pass();
    assert_null(hears(&alice));
    socket_set_user(socket_of(&alice), SLICE("alice"), SLICE("{\"id\":\"alice\",\"session\":\"another\"}"));
    fleet_disconnect_user(&there, SLICE("alice"), &ending);
    pass();
    assert_hears(&alice, "41");
}

/* The token is deleted while the workers cannot reach each other. */
static void a_session_ends_as_soon_as_the_workers_hear_each_other_again(void **state) {
    socket_set_user(socket_of(&alice), SLICE("alice"), SLICE("{\"id\":\"alice\",\"session\":\"deleted\"}"));
    fake_ether_set_down(&ether, true);
    fleet_disconnect_user(&there, SLICE("alice"),
                          &(struct fleet_ending){.session = SLICE("deleted"), .stays_away = true});
    loop_advance(loop, 5000);
    assert_null(hears(&alice));
    fake_ether_set_down(&ether, false);
    loop_advance(loop, REPEATED_MESSAGES_EVERY_MS + 10);
    assert_hears(&alice, "41");
    loop_advance(loop, 2 * REPEATED_MESSAGES_FOR_MS);
    unsigned before = fake_bus_received(here.fleet.bus);
    loop_advance(loop, 2 * REPEATED_MESSAGES_FOR_MS);
    assert_int_equal(fake_bus_received(here.fleet.bus), before);
}

static void an_expelled_user_follows_no_more_on_any_worker(void **state) {
    struct fleet_news news = {
        .user_id = SLICE("alice"), .channel_id = SLICE("lobby"), .reach = FLEET_ABSENT, .args = SLICE("[\"news\"]")};
    assert_true(socket_join(socket_of(&alice), SLICE("channel:lobby")));
    fleet_emit_to_user(&there, &news);
    pass();
    assert_null(hears(&alice));
    news.reach = FLEET_EXPELLED;
    fleet_emit_to_user(&there, &news);
    pass();
    assert_hears_event(&alice, "42[\"news\"]");
    assert_int_equal(room_size(room_find(rooms, SLICE("/"), SLICE("channel:lobby"))), 0);
    news.reach = FLEET_ABSENT;
    fleet_emit_to_user(&there, &news);
    pass();
    assert_hears_event(&alice, "42[\"news\"]");
}

static size_t in_the_lobby(void) {
    const struct room *room = room_find(rooms, SLICE("/"), SLICE("channel:lobby"));
    return room ? room_size(room) : 0;
}

static void an_expulsion_takes_effect_though_the_bus_loses_it(void **state) {
    const struct fleet_news news = {
        .user_id = SLICE("alice"), .channel_id = SLICE("lobby"), .reach = FLEET_EXPELLED, .args = SLICE("[\"left\"]")};
    assert_true(socket_join(socket_of(&alice), SLICE("channel:lobby")));
    ether.drop_percent = 100;
    fleet_emit_to_user(&there, &news);
    loop_advance(loop, REPEATED_MESSAGES_EVERY_MS + 10);
    assert_int_equal(in_the_lobby(), 1);
    ether.drop_percent = 0;
    loop_advance(loop, REPEATED_MESSAGES_EVERY_MS);
    assert_int_equal(in_the_lobby(), 0);
    assert_hears_event(&alice, "42[\"left\"]");
    assert_true(socket_join(socket_of(&alice), SLICE("channel:lobby")));
    loop_advance(loop, 2 * REPEATED_MESSAGES_FOR_MS);
    assert_int_equal(in_the_lobby(), 1);
    assert_null(hears(&alice));
}

/* An event of the user may still wait on another worker. */
static void all_workers_hear_of_an_expulsion(void **state) {
    const struct fleet_news news = {
        .user_id = SLICE("bob"), .channel_id = SLICE("lobby"), .reach = FLEET_EXPELLED, .args = SLICE("[\"left\"]")};
    says(&bob, "41");
    loop_advance(loop, scene_settings().recovery.window_ms + 1000);
    assert_null(hub_find(hub, slice_of(bob.sid)));
    fleet_emit_to_user(&there, &news);
    pass();
    assert_true(expulsions_has(here.channels.expulsions, SLICE("bob"), SLICE("lobby")));
}

static void a_broadcast_reaches_everybody(void **state) {
    fleet_broadcast(&there, SLICE("[\"maintenance\"]"));
    pass();
    assert_hears_event(&alice, "42[\"maintenance\"]");
    assert_hears_event(&bob, "42[\"maintenance\"]");
    assert_null(hears(&alice));
}

static bool remembers(struct worker *worker, struct slice key) {
    struct slice value;
    struct cache_flight *flight;
    struct cache_waiter waiter = {.done = NULL};
    if (cache_get(worker->caches.own, key, &value, &flight, &waiter) == CACHE_HIT) return true;
    cache_land(worker->caches.own, &flight, SLICE_NONE, 0);
    return false;
}

/* The worker missed what others forgot during the gap. */
static void after_a_gap_of_the_bus_nothing_is_remembered(void **state) {
    const struct slice key = SLICE("roles\nlobby alice");
    cache_put(here.caches.own, key, SLICE("\"owner\""), 0, 60000);
    fleet_events.subscribed(&here, SLICE("/#channel:lobby"));
    assert_true(remembers(&here, key));
    fleet_events.subscribed(&here, SLICE(""));
    assert_false(remembers(&here, key));
    cache_put(here.caches.own, key, SLICE("\"owner\""), 0, 60000);
    fleet_events.degraded(&here, true);
    assert_false(remembers(&here, key));
    fleet_events.degraded(&here, false);
}

static void what_one_worker_forgets_no_other_remembers(void **state) {
    struct slice value;
    struct cache_flight *flight;
    struct cache_waiter waiter = {.done = NULL};
    cache_put(here.caches.own, SLICE("roles\nlobby alice"), SLICE("\"owner\""), 7, 60000);
    fleet_invalidate(&there, SLICE("roles\nlobby alice"), 6);
    pass();
    assert_int_equal(cache_get(here.caches.own, SLICE("roles\nlobby alice"), &value, &flight, &waiter), CACHE_HIT);
    fleet_invalidate(&there, SLICE("roles\nlobby alice"), 0);
    pass();
    assert_int_equal(cache_get(here.caches.own, SLICE("roles\nlobby alice"), &value, &flight, &waiter), CACHE_MISS);
    cache_land(here.caches.own, &flight, SLICE_NONE, 0);
}

/* Messages without meaning, correctly sealed or not sealed. */
static void messages_without_sense_are_dropped(void **state) {
    static const struct {
        enum bus_kind kind;
        struct slice topic, body;
    } wrongs[] = {
        {BUS_EVENT, {"/#channel:lobby", 15}, {"not json", 8}},
        {BUS_EVENT, {"/#channel:lobby", 15}, {"{}", 2}},
        {BUS_EVENT, {"/#channel:lobby", 15}, {"[\"message:new\",{\"seq\":2}]", 25}}, /* the header says 1 */
        {BUS_EVENT, {"/#channel:lobby", 15}, {"[\"message:new\",{}]", 18}},
        {BUS_EVENT, {"/#channel:lobby", 15}, {"[7,{\"seq\":1}]", 13}},
        {BUS_EVENT, {"/#lobby", 7}, {"[\"message:new\",{\"seq\":1}]", 25}},
        {BUS_EMIT, {"/#", 2}, {"", 0}},
        {BUS_BROADCAST, {"", 0}, {"[\"a\"", 4}},
        {BUS_BROADCAST, {"/#", 2}, {"[\"a\"]", 5}},
        {BUS_USER_EMIT, {"", 0}, {"\0\0\0\1\0\0\0\0\0\0\0\0\5[\"a\"]", 18}},
        {BUS_USER_EMIT, {"@alice", 6}, {"\0\0\0\1\0\0\0\0\0\0\0\0\4[\"a\"", 17}},
        {BUS_EXPULSION, {"", 0}, {"\0\0\0\0\0\0\0\1\0\0\0\5alice\0\0\0\0\0\0\0\4[\"a\"", 29}},
        {BUS_EXPULSION, {"", 0}, {"\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0\5[\"a\"]", 25}}, /* no user */
        {BUS_EXPULSION, {"@alice", 6}, {"\0\0\0\0\0\0\0\1\0\0\0\5alice\0\0\0\0\0\0\0\5[\"a\"]", 30}},
        {BUS_USER_EMIT, {"@alice", 6}, {"\0\0\0\1\2\0\0\0\0\0\0\0\5[\"a\"]", 18}}, /* an expulsion */
        {BUS_USER_EMIT, {"@alice", 6}, {"\0\0\0\1\3\0\0\0\0\0\0\0\5[\"a\"]", 18}}, /* no such reach */
        {BUS_USER_EMIT, {"@alice", 6}, {"\0\0\0\1\0\0\0\0\0\0\0\0\x09[\"a\"]", 18}},
        {BUS_USER_EMIT, {"@alice", 6}, {"\0\0\0\1\0\0\0\0\0\0\0\0\5[\"a\"]\0\0\0\1", 22}},
        {BUS_DISCONNECT, {"@alice", 6}, {"", 0}},
        {BUS_DISCONNECT, {"@alice", 6}, {"\0\0\0\0", 4}},
        {BUS_DISCONNECT, {"@alice", 6}, {"\0\0\0\2!!\0\0\0\0", 10}},
        {BUS_DISCONNECT, {"@alice", 6}, {"\0\0\0\0\0\0\0\0more", 12}},
        {BUS_DISCONNECT, {"", 0}, {"\0\0\0\0\0\0\0\0", 8}},
        {BUS_INVALIDATE, {"", 0}, {"\0\0\0\0\0\0\0\1k", 9}},
        {BUS_PRESENCE, {"", 0}, {"", 0}},
        {BUS_PRESENCE, {"", 0}, {"\6", 1}},
        {BUS_PRESENCE, {"", 0}, {"\4more", 5}},
        {BUS_PRESENCE, {"/#lobby", 7}, {"\4", 1}},              /* a hello belongs on the topic of all workers */
        {BUS_PRESENCE, {"/#channel:lobby", 15}, {"\2\0\0", 3}}, /* a tell that is cut off */
        {BUS_PRESENCE, {"@alice", 6}, {"\3\0\0\0\0\0\0\0\1\4\0\0\0\0", 14}}, /* no such status */
    };
    for (size_t i = 0; i < sizeof wrongs / sizeof *wrongs; i++) {
        int64_t before = metric_get(METRIC_BUS_DROPPED, "malformed");
        const struct bus_message message = {.kind = wrongs[i].kind,
                                            .origin = SLICE("evil"),
                                            .seq = wrongs[i].kind == BUS_EVENT,
                                            .epoch = wrongs[i].kind == BUS_EVENT ? SLICE("1-a") : SLICE_NONE,
                                            .body = wrongs[i].body};
        fleet_events.received(&here, wrongs[i].topic, &message);
        pass();
        assert_int_equal(metric_get(METRIC_BUS_DROPPED, "malformed"), before + 1);
        assert_null(hears(&alice));
    }
}

/* Is the user said to be online at that worker? */
static bool shows(const struct worker *worker, const char *user) {
    struct buffer out = {0};
    struct presence_sight sight = presence_see(worker->presence.online, slice_of(user));
    presence_write_sight(slice_of(user), &sight, &out);
    buffer_append_char(&out, 0);
    bool is_online = strstr(out.ptr, "\"status\":\"online\"") != NULL;
    buffer_done(&out);
    return is_online;
}

static void note_nobody(struct state *state, struct slice worker_id) {}

static bool all_are_gone(const struct state *state, struct slice worker_id) {
    return true;
}

/* A worker that was declared dead resumes: its users are back on other workers, or offline. */
static void what_a_dead_worker_still_says_is_not_heard(void **state) {
    static const struct state_ops roll = {.note_worker = note_nobody, .is_gone = all_are_gone};
    struct state burial = {.ops = &roll}, *alive = here.fleet.state;
    assert_true(socket_join(socket_of(&alice), SLICE("channel:lobby")));
    loop_advance(loop, 1000);
    here.fleet.state = &burial;
    presence_joined(there.presence.online, SLICE("lobby"), SLICE("carol"), SLICE("c"));
    loop_advance(loop, 1000);
    here.fleet.state = alive;
    assert_false(shows(&here, "carol"));
    presence_joined(there.presence.online, SLICE("lobby"), SLICE("dave"), SLICE("d"));
    loop_advance(loop, 5000);
    assert_true(shows(&here, "dave"));
    presence_disconnected(there.presence.online, SLICE("carol"), SLICE("c"));
    presence_disconnected(there.presence.online, SLICE("dave"), SLICE("d"));
}

/* Redis confirmed the removal to one worker; the others change only their own memory. */
static void what_is_removed_from_redis_no_worker_remembers(void **state) {
    const struct slice key = SLICE("members\nlobby"), other = SLICE("members\nden");
    cache_put(here.caches.own, key, SLICE("[\"alice\"]"), 0, 60000);
    cache_put(here.caches.own, other, SLICE("[\"bob\"]"), 0, 60000);
    fleet_removals.removed(&there, key);
    pass();
    assert_false(remembers(&here, key));
    assert_true(remembers(&here, other));
}

/* alice's connection breaks; changes to the session meanwhile hold when alice is back. */

static void comes_again(struct person *again) {
    snprintf(again->pid, sizeof again->pid, "%s", alice.pid);
    comes_back_as(again, "alice", false);
}

static void a_user_removed_while_away_does_not_come_back_to_the_channel(void **state) {
    struct person again = {0};
    assert_true(socket_join(socket_of(&alice), SLICE("channel:lobby")));
    local_client_leave(alice.client);
    turn();
    fleet_emit_to_user(&there, &(struct fleet_news){.user_id = SLICE("alice"),
                                                    .channel_id = SLICE("lobby"),
                                                    .reach = FLEET_EXPELLED,
                                                    .args = SLICE("[\"removed\"]")});
    pass();
    comes_again(&again);
    assert_hears_event(&again, "42[\"removed\"]"); /* and alice is told */
    assert_non_null(strstr(hears(&again), alice.sid));
    assert_false(socket_is_in(socket_of(&alice), SLICE("channel:lobby")));
    goes(&again);
}

static void what_a_user_is_told_while_away_comes_with_the_recovery(void **state) {
    struct person again = {0};
    const struct fleet_news news = {.user_id = SLICE("alice"), .args = SLICE("[\"news\"]")};
    assert_int_equal(fleet_emit_to_user(&here, &news), 1);
    turn();
    assert_hears_event(&alice, "42[\"news\"]");
    local_client_leave(alice.client);
    turn();
    assert_int_equal(fleet_emit_to_user(&here, &news), 0);
    snprintf(again.offset, sizeof again.offset, "%s", alice.offset);
    comes_again(&again);
    assert_hears_event(&again, "42[\"news\"]");
    goes(&again);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(an_event_to_a_user_reaches_them_on_any_worker),
        TEST(a_worker_without_a_user_hears_nothing_of_them),
        TEST(a_user_is_disconnected_on_every_worker),
        TEST(only_the_sockets_of_a_session_end),
        TEST(a_session_ends_as_soon_as_the_workers_hear_each_other_again),
        TEST(an_expelled_user_follows_no_more_on_any_worker),
        TEST(an_expulsion_takes_effect_though_the_bus_loses_it),
        TEST(all_workers_hear_of_an_expulsion),
        TEST(a_broadcast_reaches_everybody),
        TEST(after_a_gap_of_the_bus_nothing_is_remembered),
        TEST(what_one_worker_forgets_no_other_remembers),
        TEST(what_a_dead_worker_still_says_is_not_heard),
        TEST(what_is_removed_from_redis_no_worker_remembers),
        TEST(messages_without_sense_are_dropped),
        TEST(a_user_removed_while_away_does_not_come_back_to_the_channel),
        TEST(what_a_user_is_told_while_away_comes_with_the_recovery),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
