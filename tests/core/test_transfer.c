/* SPDX-License-Identifier: Apache-2.0 */
/* Several workers: a connection to one breaks, and the client comes back to another. */
#include "session/transfers.h"

#include "channel/log.h"
#include "channel/relay.h"
#include "channel/topic.h"
#include "session/session_internal.h"
#include "session/socket_rooms.h"
#include "support/fake_bus.h"
#include "support/fake_log_store.h"
#include "support/hub_scene.h"

enum { SOON_MS = 500 };

static struct person alice, again, third;
static struct fake_ether ether;
static struct fake_log_store store;

static struct worker {
    struct rooms *rooms;
    struct hub *hub;
    struct bus *bus;
    struct channel_log *log;
    struct relay *relay;
    struct transfers *transfers;
    unsigned malformed;
} here, there, far;

static void received(void *owner, struct slice topic, const struct bus_message *message) {
    struct worker *worker = owner;
    bool is_sound = true;
    if (message->kind == BUS_EMIT) is_sound = relay_take(worker->relay, topic, message);
    if (message->kind == BUS_TRANSFER) is_sound = transfers_take(worker->transfers, topic, message);
    if (message->kind == BUS_EVENT)
        channel_log_committed(worker->log, topic_channel(topic), message->seq, message->epoch, message->body);
    worker->malformed += !is_sound;
}
static void subscribed(void *owner, struct slice topic) {
    struct worker *worker = owner;
    if (topic_channel(topic).len > 0) channel_log_check(worker->log, topic_channel(topic));
}
static void degraded(void *owner, bool is_degraded) {}
static const struct bus_events events = {received, subscribed, degraded};

static void worker_begin(struct worker *worker, struct rooms *its_rooms, struct hub *its_hub, const char *name) {
    *worker = (struct worker){.rooms = its_rooms, .hub = its_hub};
    hub_name_sessions(its_hub, name);
    worker->bus = fake_bus_new(&ether, "node", &events, worker);
    worker->log = channel_log_new(loop, &store.store, its_rooms, worker->bus);
    worker->relay = relay_new(its_rooms, worker->log, worker->bus, NULL);
    worker->transfers = transfers_new(its_hub, worker->log, worker->bus);
}

static void worker_end(struct worker *worker) {
    transfers_free(&worker->transfers);
    relay_free(&worker->relay);
    channel_log_free(&worker->log);
    bus_free(&worker->bus);
    assert_int_equal(worker->malformed, 0);
}

static int begin(void **state) {
    struct hub_settings settings = scene_settings();
    struct room_limits limits = {.window_ms = settings.recovery.window_ms, .max_events = 1000, .max_bytes = 1 << 20};
    struct person *const people[] = {&alice, &again, &third};
    for (size_t i = 0; i < sizeof people / sizeof *people; i++) *people[i] = (struct person){0};
    set_up(state);
    fake_ether_init(&ether, loop);
    fake_log_store_init(&store, loop);
    worker_begin(&here, rooms, hub, "here-0");
    rooms = rooms_new(loop, &limits);
    worker_begin(&there, rooms, hub_new(loop, rooms, &settings), "there1");
    rooms = rooms_new(loop, &limits);
    worker_begin(&far, rooms, hub_new(loop, rooms, &settings), "far_-2");
    hub_set_policy(there.hub, &script.policy);
    hub_set_policy(far.hub, &script.policy);
    hub = here.hub;
    rooms = here.rooms;
    loop_advance(loop, 10);
    return 0;
}

static void at(struct worker *worker) {
    hub = worker->hub;
    rooms = worker->rooms;
}

static int end(void **state) {
    at(&here);
    goes(&alice);
    goes(&again);
    goes(&third);
    worker_end(&here);
    worker_end(&there);
    worker_end(&far);
    hub_free(&there.hub);
    hub_free(&far.hub);
    fake_log_store_done(&store);
    while (loop_turn(loop)) continue;
    rooms_free(&there.rooms);
    rooms_free(&far.rooms);
    fake_ether_done(&ether);
    return tear_down(state);
}

static void say_to_room(struct worker *worker, const char *args) {
    struct slice room = SLICE("room");
    relay_emit(
        worker->relay,
        &(struct room_emit){
            .namespace_name = SLICE("/"), .to = &room, .to_len = 1, .class = PACKET_MESSAGE, .args = slice_of(args)});
}

/* alice connects to one worker and joins the room. */
static void alice_comes(void) {
    comes_as(&alice, "alice");
    assert_true(socket_join(socket_of(&alice), SLICE("room")));
    assert_true(socket_set_state(socket_of(&alice), SLICE("{\"mood\":1}")));
    loop_advance(loop, 10);
}

/* The heir connects to that worker with the old person's pid and offset. */
static void inherit(struct worker *worker, struct person *heir, const struct person *old, const char *user) {
    at(worker);
    snprintf(heir->pid, sizeof heir->pid, "%s", old->pid);
    snprintf(heir->offset, sizeof heir->offset, "%s", old->offset);
    comes_back_as(heir, user, old->offset[0] != 0);
}

static void assert_recovered(struct person *person, const struct person *old) {
    const char *got = hears(person);
    assert_non_null(got);
    assert_non_null(strstr(got, "40{\"sid\":"));
    assert_non_null(strstr(got, old->sid));
    assert_non_null(strstr(got, old->pid));
    take_id(got, "sid", person->sid);
    take_id(got, "pid", person->pid);
    assert_true(socket_recovered(socket_of(person)));
}

static void assert_fresh(struct person *person, const struct person *old) {
    const char *got = hears(person);
    assert_non_null(got);
    assert_non_null(strstr(got, "40{\"sid\":"));
    assert_null(strstr(got, old->sid));
    take_id(got, "sid", person->sid);
    assert_false(socket_recovered(socket_of(person)));
}

static void a_socket_continues_on_another_worker_with_all_that_it_missed(void **state) {
    alice_comes();
    say_to_room(&here, "[\"one\"]");
    turn();
    assert_hears_event(&alice, "42[\"one\"]");
    local_client_leave(alice.client);
    say_to_room(&there, "[\"two\"]");
    loop_advance(loop, 10);
    say_to_room(&here, "[\"three\"]");
    loop_advance(loop, 10);
    inherit(&there, &again, &alice, "alice");
    loop_advance(loop, SOON_MS);
    assert_hears_event(&again, "42[\"two\"]");
    assert_hears_event(&again, "42[\"three\"]");
    assert_recovered(&again, &alice);
    assert_string_equal(socket_state(socket_of(&again)).ptr, "{\"mood\":1}");
    say_to_room(&here, "[\"four\"]");
    loop_advance(loop, 10);
    assert_hears_event(&again, "42[\"four\"]");
    assert_null(hears(&again));
    assert_null(hub_find(here.hub, slice_of(again.sid)));
}

static void the_old_connection_ends_without_a_word(void **state) {
    uint16_t code;
    alice_comes();
    inherit(&there, &again, &alice, "alice");
    loop_advance(loop, SOON_MS);
    assert_recovered(&again, &alice);
    assert_true(is_closed(&alice, &code));
    assert_null(hears(&alice));
    assert_int_equal(hub_user_sessions(here.hub, SLICE("alice")), 0);
    assert_int_equal(hub_user_sessions(there.hub, SLICE("alice")), 1);
    loop_advance(loop, 30000); /* and nothing of the old connection touches the new one */
    assert_non_null(hub_find(there.hub, slice_of(again.sid)));
}

/* A client whose first attempt was slow tries again: one socket, not two with one id. */
static void of_two_who_claim_it_at_once_one_gets_it(void **state) {
    alice_comes();
    local_client_leave(alice.client);
    inherit(&there, &again, &alice, "alice");
    inherit(&there, &third, &alice, "alice");
    loop_advance(loop, SOON_MS);
    const char *first = hears(&again), *second = hears(&third);
    assert_non_null(first);
    assert_non_null(second);
    assert_int_equal((strstr(first, alice.sid) != NULL) + (strstr(second, alice.sid) != NULL), 1);
}

static void it_moves_there_and_back_also_without_an_event(void **state) {
    alice_comes();
    say_to_room(&here, "[\"one\"]");
    turn();
    assert_hears_event(&alice, "42[\"one\"]");
    local_client_leave(alice.client);
    inherit(&there, &again, &alice, "alice");
    loop_advance(loop, SOON_MS);
    assert_recovered(&again, &alice);
    local_client_leave(again.client);
    say_to_room(&here, "[\"two\"]");
    loop_advance(loop, 10);
    inherit(&here, &third, &again, "alice");
    loop_advance(loop, SOON_MS);
    assert_hears_event(&third, "42[\"two\"]");
    assert_recovered(&third, &alice);
    say_to_room(&there, "[\"three\"]");
    loop_advance(loop, 10);
    assert_hears_event(&third, "42[\"three\"]");
    assert_null(hears(&third));
}

/* The pid names its first worker, which redirects the third one. */
static void it_moves_on_from_worker_to_worker(void **state) {
    alice_comes();
    local_client_leave(alice.client);
    say_to_room(&here, "[\"one\"]");
    inherit(&there, &again, &alice, "alice");
    loop_advance(loop, SOON_MS);
    assert_hears_event(&again, "42[\"one\"]");
    assert_recovered(&again, &alice);
    local_client_leave(again.client);
    say_to_room(&far, "[\"two\"]");
    loop_advance(loop, 10);
    inherit(&far, &third, &again, "alice");
    loop_advance(loop, SOON_MS);
    assert_hears_event(&third, "42[\"two\"]");
    assert_recovered(&third, &alice);
}

/* The connection breaks in the middle of the replay. */
static void what_was_handed_over_and_not_heard_is_missed_again(void **state) {
    alice_comes();
    local_client_leave(alice.client);
    say_to_room(&here, "[\"one\"]");
    say_to_room(&here, "[\"two\"]");
    inherit(&there, &again, &alice, "alice");
    loop_advance(loop, SOON_MS);
    assert_hears_event(&again, "42[\"one\"]");
    const char *offset = again.offset;
    char kept[32];
    snprintf(kept, sizeof kept, "%s", offset);
    assert_hears_event(&again, "42[\"two\"]");
    assert_recovered(&again, &alice);
    local_client_leave(again.client);
    snprintf(again.offset, sizeof again.offset, "%s", kept);
    inherit(&there, &third, &again, "alice");
    loop_advance(loop, SOON_MS);
    assert_hears_event(&third, "42[\"two\"]");
    const char *got = hears(&third);
    assert_non_null(strstr(got, alice.sid));
}

/* The next message; notes its offset if it has one. */
static const char *hears_on(struct person *person) {
    const char *got = hears(person);
    const char *comma = got && strncmp(got, "42", 2) == 0 ? strrchr(got, ',') : NULL;
    if (comma) assert_int_equal(sscanf(comma, ",\"%31[^\"]", person->offset), 1);
    return got;
}

/* All send all the time, so that in every phase of the move there are events that are live, missed, and heard by both
 * workers. */
static void nothing_is_missing_and_nothing_comes_twice_whenever_it_is_said(void **state) {
    unsigned next = 0;
    ether.subscribe_ms = 120;
    ether.delay_ms = 20;
    alice_comes();
    loop_advance(loop, 200);
    char args[32];
    for (int i = 0; i < 300; i++) {
        if (i == 100) local_client_leave(alice.client);
        if (i == 120) inherit(&there, &again, &alice, "alice");
        snprintf(args, sizeof args, "[\"n\",%d]", i);
        say_to_room(i % 2 ? &here : &there, args);
        loop_advance(loop, 5);
        const char *got;
        while (i < 100 && (got = hears_on(&alice)))
            if (strchr(got, 'n')) next++;
    }
    loop_advance(loop, SOON_MS);
    bool seen[300] = {false}, recovered = false;
    unsigned count = 0;
    for (const char *got; (got = hears(&again));) {
        int number;
        if (sscanf(got, "42[\"n\",%d", &number) == 1) {
            assert_false(seen[number]);
            seen[number] = true;
            count++;
        } else if (strncmp(got, "40", 2) == 0) {
            recovered = strstr(got, alice.sid) != NULL;
        }
    }
    assert_true(recovered);
    assert_int_equal(count, 300 - next);
}

static void follow(struct worker *worker, struct person *person) {
    channel_log_follow(worker->log, SLICE("lobby"), 0, SLICE("1-a"));
    assert_true(socket_join(socket_of(person), SLICE("channel:lobby")));
    loop_advance(loop, 10);
}

static void commit(struct worker *worker) {
    struct buffer event = {0};
    int64_t seq = fake_log_store_commit(&store, SLICE("lobby"));
    fake_log_store_write_event(&store, seq, &event);
    channel_log_committed(worker->log, SLICE("lobby"), seq, SLICE("1-a"), buffer_slice(&event));
    const struct bus_message message = {
        .kind = BUS_EVENT, .seq = seq, .epoch = SLICE("1-a"), .body = buffer_slice(&event)};
    assert_true(bus_publish(worker->bus, SLICE("/#channel:lobby"), &message));
    buffer_done(&event);
}

/* is_followed: the other worker follows the channel already, and is ahead in it or behind. */
static void a_channel_goes_on_with_the_next_number(bool is_followed) {
    ether.delay_ms = 30;
    alice_comes();
    follow(&here, &alice);
    if (is_followed) {
        at(&there);
        comes_as(&third, "bob");
        follow(&there, &third);
        at(&here);
    }
    int64_t last = 0;
    for (int i = 0; i < 300; i++) {
        if (i == 100) local_client_leave(alice.client);
        if (i == 110) inherit(&there, &again, &alice, "alice");
        if (i % 3 == 0) commit(i % 2 ? &here : &there);
        loop_advance(loop, 1);
        for (const char *got; i < 100 && (got = hears_on(&alice));)
            (void)sscanf(got, "42[\"message:new\",{\"seq\":%ld", (long *)&last);
    }
    loop_advance(loop, 5000);
    bool recovered = false;
    for (const char *got; (got = hears(&again));) {
        int64_t seq;
        if (sscanf(got, "42[\"message:new\",{\"seq\":%ld", (long *)&seq) == 1) assert_int_equal(seq, ++last);
        if (strncmp(got, "40", 2) == 0) recovered = strstr(got, alice.sid) != NULL;
    }
    assert_true(recovered);
    assert_int_equal(last, 100);
}

static void a_channel_that_is_new_there_goes_on_with_the_next_number(void **state) {
    a_channel_goes_on_with_the_next_number(false);
}

static void a_channel_that_is_followed_there_goes_on_with_the_next_number(void **state) {
    a_channel_goes_on_with_the_next_number(true);
}

static void nobody_takes_the_socket_of_another_user(void **state) {
    alice_comes();
    local_client_leave(alice.client);
    inherit(&there, &again, &alice, "mallory");
    loop_advance(loop, SOON_MS);
    assert_fresh(&again, &alice);
    inherit(&here, &third, &alice, "alice"); /* its own user still recovers it */
    loop_advance(loop, SOON_MS);
    assert_non_null(strstr(hears(&third), alice.sid));
}

static void an_owner_who_is_gone_is_not_waited_for_long(void **state) {
    alice_comes();
    local_client_leave(alice.client);
    ether.drop_percent = 100;
    inherit(&there, &again, &alice, "alice");
    loop_advance(loop, TRANSFER_CLAIM_MS - 100);
    assert_null(hears(&again));
    loop_advance(loop, 200);
    assert_fresh(&again, &alice);
}

/* The taker dies during the transfer; the client connects a third time. */
static void a_claim_that_came_to_nothing_leaves_the_socket_where_it_was(void **state) {
    alice_comes();
    say_to_room(&here, "[\"one\"]");
    turn();
    assert_hears_event(&alice, "42[\"one\"]");
    local_client_leave(alice.client);
    say_to_room(&here, "[\"two\"]");
    inherit(&there, &again, &alice, "alice");
    loop_advance(loop, 5);
    local_client_leave(again.client);
    ether.drop_percent = 100;
    loop_advance(loop, TRANSFER_MS + SOON_MS);
    ether.drop_percent = 0;
    inherit(&there, &third, &alice, "alice");
    loop_advance(loop, SOON_MS);
    assert_hears_event(&third, "42[\"two\"]");
    assert_recovered(&third, &alice);
}

/* More than recovery may replay. */
static void too_much_is_not_recovered_and_said_so(void **state) {
    alice_comes();
    local_client_leave(alice.client);
    for (unsigned i = 0; i <= scene_settings().recovery.events; i++) say_to_room(&here, "[\"n\"]");
    inherit(&there, &again, &alice, "alice");
    loop_advance(loop, SOON_MS);
    assert_fresh(&again, &alice);
    assert_null(hears(&again));
}

static void who_may_no_longer_come_in_does_not(void **state) {
    alice_comes();
    local_client_leave(alice.client);
    script.refuses_recovered = true;
    inherit(&there, &again, &alice, "alice");
    loop_advance(loop, SOON_MS);
    assert_hears(&again, "44{\"message\":\"banned\"}");
}

/* The rooms change while the offer that lists them is on its way. */
static void a_room_left_during_a_transfer_stays_left(void **state) {
    ether.delay_ms = 20;
    alice_comes();
    local_client_leave(alice.client);
    inherit(&there, &again, &alice, "alice");
    loop_advance(loop, 50);
    socket_leave(hub_find(here.hub, slice_of(alice.sid)), SLICE("room"));
    loop_advance(loop, SOON_MS);
    assert_fresh(&again, &alice);
    assert_false(socket_is_in(socket_of(&again), SLICE("room")));
}

static void a_disconnect_during_a_transfer_ends_the_session(void **state) {
    ether.delay_ms = 20;
    alice_comes();
    local_client_leave(alice.client);
    inherit(&there, &again, &alice, "alice");
    loop_advance(loop, 50);
    local_client_leave(again.client); /* so that the transfer would fail and leave it where it is */
    socket_disconnect(hub_find(here.hub, slice_of(alice.sid)));
    loop_advance(loop, TRANSFER_MS + SOON_MS);
    assert_null(hub_find(here.hub, slice_of(alice.sid)));
    inherit(&here, &third, &alice, "alice");
    loop_advance(loop, SOON_MS);
    assert_fresh(&third, &alice);
}

static void what_came_along_is_remembered_as_long_as_a_copy_may_come(void **state) {
    alice_comes();
    local_client_leave(alice.client);
    say_to_room(&here, "[\"one\"]");
    loop_advance(loop, 10);
    inherit(&there, &again, &alice, "alice");
    loop_advance(loop, SOON_MS);
    assert_hears_event(&again, "42[\"one\"]");
    assert_recovered(&again, &alice);
    assert_non_null(socket_of(&again)->record.had);
    for (int i = 0; i < 5; i++) {
        loop_advance(loop, 25000);
        assert_hears(&again, "2");
        says(&again, "3");
    }
    say_to_room(&here, "[\"two\"]");
    loop_advance(loop, 10);
    assert_hears_event(&again, "42[\"two\"]");
    assert_null(socket_of(&again)->record.had);
}

static void messages_without_sense_are_dropped(void **state) {
    static const struct slice bodies[] = {
        {"", 0},
        {"\0", 1},
        {"\7\0\0\0\0\0\0\0\1", 9},
        {"\1\0\0\0\0\0\0\0\1", 9},
        {"\1\0\0\0\0\0\0\0\1\0\0\0\5abcde", 18},
        {"\4\0\0\0\0\0\0\0\1more", 13},
    };
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        const struct bus_message forged = {.kind = BUS_TRANSFER, .origin = SLICE("evil"), .body = bodies[i]};
        assert_false(transfers_take(here.transfers, SLICE("!here-0"), &forged));
    }
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(a_socket_continues_on_another_worker_with_all_that_it_missed),
        TEST(the_old_connection_ends_without_a_word),
        TEST(of_two_who_claim_it_at_once_one_gets_it),
        TEST(it_moves_there_and_back_also_without_an_event),
        TEST(it_moves_on_from_worker_to_worker),
        TEST(what_was_handed_over_and_not_heard_is_missed_again),
        TEST(nothing_is_missing_and_nothing_comes_twice_whenever_it_is_said),
        TEST(a_channel_that_is_new_there_goes_on_with_the_next_number),
        TEST(a_channel_that_is_followed_there_goes_on_with_the_next_number),
        TEST(nobody_takes_the_socket_of_another_user),
        TEST(an_owner_who_is_gone_is_not_waited_for_long),
        TEST(a_claim_that_came_to_nothing_leaves_the_socket_where_it_was),
        TEST(too_much_is_not_recovered_and_said_so),
        TEST(who_may_no_longer_come_in_does_not),
        TEST(a_room_left_during_a_transfer_stays_left),
        TEST(a_disconnect_during_a_transfer_ends_the_session),
        TEST(what_came_along_is_remembered_as_long_as_a_copy_may_come),
        TEST(messages_without_sense_are_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
