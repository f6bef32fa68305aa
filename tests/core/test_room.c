/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "base/metrics.h"
#include "channel/room.h"
#include "inside/inside.h"
#include "loop/loop.h"
#include "wire/json.h"

static const struct room_limits LIMITS = {.window_ms = 120000, .max_events = 1000, .max_bytes = 1 << 20};

static struct loop *loop;
static struct rooms *rooms;

/* A socket as the rooms see it. got: the names of its events, in order: "a b c". */
struct person {
    struct receiver receiver;
    struct list memberships;
    char got[256];
    uint64_t offset; /* of the last event that has one */
    bool last_has_offset;
    const struct packet *last; /* for comparison only; may be freed */
};

static void person_deliver(struct receiver *receiver, const struct room *room, struct packet *packet) {
    struct person *person = CONTAINER(receiver, struct person, receiver);
    struct slice text = packet_bytes(packet_with_offset(packet), PACKET_POLL), item;
    const char *open = memchr(text.ptr, '[', text.len), *end = memchr(text.ptr, 0x1e, text.len);
    struct json_walk walk;
    assert_non_null(open);
    json_walk_init(&walk, (struct slice){open, (size_t)((end ? end : text.ptr + text.len) - open)});
    struct buffer name = {0}, offset = {0};
    assert_true(json_walk_item(&walk, &item));
    json_string(item, &name);
    struct slice last = item;
    while (json_walk_item(&walk, &item)) last = item;
    /* Events here have an object as their last argument: a string after it is the offset. */
    person->last_has_offset = json_type_of(last) == JSON_STRING;
    if (person->last_has_offset) {
        json_string(last, &offset);
        assert_true(room_offset_read(rooms, buffer_slice(&offset), &person->offset));
    }
    size_t len = strlen(person->got);
    snprintf(person->got + len, sizeof person->got - len, "%s%.*s", len ? " " : "", SLICE_ARG(buffer_slice(&name)));
    buffer_done(&name);
    buffer_done(&offset);
    person->last = packet;
}

static const struct receiver_ops person_ops = {person_deliver};

static void person_init(struct person *person, uint64_t identity) {
    *person = (struct person){.receiver = {.ops = &person_ops, .identity = identity}};
    list_init(&person->memberships);
}

static struct membership *join(struct person *person, const char *name) {
    return room_join(rooms, SLICE("/"), slice_of(name), &person->receiver, &person->memberships, rooms_offset(rooms));
}

static void leave(struct person *person, const char *name) {
    struct membership *membership = room_membership(&person->memberships, slice_of(name));
    room_leave(rooms, &membership);
}

static void leave_all(struct person *person) {
    while (!list_empty(&person->memberships)) {
        struct membership *membership = CONTAINER(person->memberships.next, struct membership, link);
        room_leave(rooms, &membership);
    }
}

/* emit(event, {.to = "general"}) */
struct emission {
    const char *to, *and_to, *except;
    struct receiver *without;
    bool unlogged;
};

static size_t emit_event(const char *event, struct emission emission) {
    char args[128];
    snprintf(args, sizeof args, "[\"%s\",{\"n\":1}]", event);
    struct slice to[2] = {slice_of(emission.to), slice_of(emission.and_to)}, except = slice_of(emission.except);
    struct room_emit emit = {
        .namespace_name = SLICE("/"),
        .to = to,
        .to_len = (emission.to != NULL) + (size_t)(emission.and_to != NULL),
        .except = &except,
        .except_len = emission.except != NULL,
        .except_receiver = emission.without,
        .class = emission.unlogged ? PACKET_VOLATILE : PACKET_MESSAGE,
        .args = slice_of(args),
        .unlogged = emission.unlogged,
    };
    return room_emit(rooms, &emit);
}
#define EMIT(event, ...) emit_event(event, (struct emission){__VA_ARGS__})

/* The connection is lost; the session comes back as another receiver with the same rooms. */
static bool come_back_within(struct person *person, uint64_t lost_ms, void (*meanwhile)(void), unsigned max_events) {
    struct {
        char name[32];
        uint64_t since_offset;
    } kept[8];
    size_t len = 0;
    while (!list_empty(&person->memberships)) {
        struct membership *membership = CONTAINER(person->memberships.next, struct membership, link);
        snprintf(kept[len].name, sizeof kept[len].name, "%.*s", SLICE_ARG(room_name(membership->room)));
        kept[len++].since_offset = membership->since_offset;
        room_leave(rooms, &membership);
    }
    uint64_t offset = person->offset;
    if (meanwhile) meanwhile();
    loop_advance(loop, lost_ms);
    person_init(person, person->receiver.identity);
    person->offset = offset;
    for (size_t i = 0; i < len; i++)
        room_join(rooms, SLICE("/"), slice_of(kept[i].name), &person->receiver, &person->memberships,
                  kept[i].since_offset);
    return rooms_replay(rooms, &person->memberships, &person->receiver, offset, max_events, 1 << 20);
}

static bool come_back(struct person *person, void (*meanwhile)(void)) {
    return come_back_within(person, 1000, meanwhile, 1000);
}

static struct person alice, bob, carol;

static int set_up(void **state) {
    loop = loop_new_with_fake_clock();
    rooms = rooms_new(loop, &LIMITS);
    person_init(&alice, 1);
    person_init(&bob, 2);
    person_init(&carol, 3);
    return 0;
}

static int tear_down(void **state) {
    rooms_free(&rooms);
    loop_free(&loop);
    return 0;
}

static void members_get_what_is_sent_to_their_room(void **state) {
    join(&alice, "general");
    join(&bob, "general");
    join(&carol, "random");
    assert_int_equal(EMIT("a", .to = "general"), 2);
    assert_int_equal(EMIT("b", .to = "random"), 1);
    assert_int_equal(EMIT("c", .to = "nowhere"), 0);
    assert_string_equal(alice.got, "a");
    assert_string_equal(bob.got, "a");
    assert_string_equal(carol.got, "b");
    leave(&bob, "general");
    assert_int_equal(EMIT("d", .to = "general"), 1);
    assert_string_equal(alice.got, "a d");
    assert_string_equal(bob.got, "a");
}

static void joining_twice_is_joining_once(void **state) {
    struct membership *first = join(&alice, "general");
    EMIT("a", .to = "general");
    assert_ptr_equal(join(&alice, "general"), first);
    assert_int_equal(first->since_offset, 0);
    assert_int_equal(room_size(first->room), 1);
    assert_ptr_equal(room_member(first->room, 0), &alice.receiver);
}

static void leaving_keeps_the_others_in_their_places(void **state) {
    enum { PEOPLE = 100 };
    static struct person people[PEOPLE];
    for (int i = 0; i < PEOPLE; i++) {
        person_init(&people[i], 0);
        join(&people[i], "general");
    }
    for (int i = 0; i < PEOPLE; i += 3) leave(&people[i], "general");
    EMIT("a", .to = "general");
    for (int i = 0; i < PEOPLE; i++) assert_string_equal(people[i].got, i % 3 ? "a" : "");
    for (int i = PEOPLE - 1; i >= 0; i--) leave_all(&people[i]);
    assert_int_equal(room_size(room_find(rooms, SLICE("/"), SLICE("general"))), 0);
}

static void namespaces_are_apart(void **state) {
    room_join(rooms, SLICE("/admin"), SLICE("general"), &alice.receiver, &alice.memberships, 0);
    join(&bob, "general");
    EMIT("a", .to = "general");
    assert_string_equal(alice.got, "");
    assert_string_equal(bob.got, "a");
    assert_null(room_find(rooms, SLICE("/adm"), SLICE("ingeneral")));
}

static void no_room_is_all_of_the_namespace(void **state) {
    join(&alice, "");
    join(&bob, "");
    join(&bob, "general");
    assert_int_equal(EMIT("a", .except = "general"), 1);
    assert_int_equal(EMIT("b"), 2);
    assert_string_equal(alice.got, "a b");
    assert_string_equal(bob.got, "b");
}

static void each_receiver_gets_it_once_and_the_excluded_not(void **state) {
    for (int i = 0; i < 2; i++) {
        join(&alice, i ? "one" : "two");
        join(&bob, i ? "one" : "two");
    }
    join(&carol, "two");
    join(&carol, "muted");
    assert_int_equal(EMIT("a", .to = "one", .and_to = "two"), 3);
    assert_int_equal(EMIT("b", .to = "one", .and_to = "two", .except = "muted"), 2);
    assert_int_equal(EMIT("c", .to = "two", .and_to = "two", .without = &alice.receiver), 2);
    assert_int_equal(EMIT("d", .to = "one", .without = &carol.receiver), 2);
    assert_string_equal(alice.got, "a b d");
    assert_string_equal(bob.got, "a b c d");
    assert_string_equal(carol.got, "a c");
}

static void gather(const struct room_emit *emit, const char *expected) {
    struct buffer receivers = {0};
    room_gather(rooms, emit, &receivers);
    char got[4] = "";
    for (size_t at = 0; at < receivers.len; at += sizeof(struct receiver *)) {
        struct receiver *receiver;
        memcpy(&receiver, receivers.ptr + at, sizeof receiver);
        got[at / sizeof receiver] = receiver == &alice.receiver ? 'a' : receiver == &bob.receiver ? 'b' : 'c';
    }
    assert_string_equal(got, expected);
    buffer_done(&receivers);
}

static void whom_an_emit_would_reach_can_be_told_without_one(void **state) {
    struct slice to[] = {SLICE("general"), SLICE("random"), SLICE("nowhere")}, except = SLICE("muted");
    struct room_emit emit = {.namespace_name = SLICE("/"), .to = to, .except = &except, .unlogged = true};
    struct person *people[] = {&alice, &bob, &carol};
    for (size_t i = 0; i < 3; i++) join(people[i], "");
    join(&alice, "general");
    join(&alice, "random");
    join(&bob, "random");
    join(&bob, "muted");
    gather(&emit, "abc");
    emit.to_len = 1;
    gather(&emit, "a");
    emit.to_len = 3;
    gather(&emit, "ab");
    emit.except_len = 1;
    gather(&emit, "a");
    emit.to_len = 0;
    gather(&emit, "ac");
    emit.namespace_name = SLICE("/news");
    gather(&emit, "");
    assert_string_equal(alice.got, "");
    EMIT("x", .to = "general", .and_to = "random");
    assert_string_equal(bob.got, "x"); /* room_gather left no mark */
}

static void the_rooms_of_a_namespace_are_those_with_members(void **state) {
    size_t cursor = 0;
    join(&alice, "");
    join(&alice, "general");
    join(&bob, "general");
    join(&bob, "left");
    leave(&bob, "left");
    room_join(rooms, SLICE("/news"), SLICE("elsewhere"), &bob.receiver, &bob.memberships, 0);
    const struct room *room = rooms_next(rooms, SLICE("/"), &cursor);
    assert_non_null(room);
    assert_true(slice_is(room_name(room), "general"));
    assert_null(rooms_next(rooms, SLICE("/"), &cursor));
}

static void all_share_one_packet(void **state) {
    join(&alice, "one");
    join(&bob, "two");
    join(&carol, "two");
    EMIT("a", .to = "one", .and_to = "two");
    assert_non_null(alice.last);
    assert_ptr_equal(alice.last, bob.last);
    EMIT("b", .to = "two");
    assert_ptr_not_equal(bob.last, alice.last);
    assert_ptr_equal(bob.last, carol.last);
}

/* Stock clients close their connection at such a packet. */
static void what_clients_would_choke_on_is_refused(void **state) {
    static const char *const refused[] = {
        "[\"connect\"]",
        "[\"disconnect\",1]",
        "[\"connect_error\"]",
        "[\"disconnecting\"]",
        "[\"newListener\"]",
        "[\"removeListener\"]",
        "[]",
        "[null]",
        "[\"\\u0063onnect\"]",
        "{\"a\":1}",
    };
    join(&alice, "general");
    int64_t before = metric_get(METRIC_REJECTED, "reserved_event");
    struct slice to = SLICE("general"), attachments[11];
    struct room_emit emit = {.namespace_name = SLICE("/"), .to = &to, .to_len = 1};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        emit.args = slice_of(refused[i]);
        assert_int_equal(room_emit(rooms, &emit), 0);
    }
    for (size_t i = 0; i < 11; i++) attachments[i] = SLICE("bytes");
    emit.attachments = attachments;
    emit.attachments_len = 11;
    emit.args = SLICE("[\"eleven\"]");
    assert_int_equal(room_emit(rooms, &emit), 0);
    assert_int_equal(metric_get(METRIC_REJECTED, "reserved_event") - before, sizeof refused / sizeof *refused + 1);
    assert_string_equal(alice.got, "");
    assert_int_equal(rooms_offset(rooms), 0);
    assert_int_equal(EMIT("connection", .to = "general"), 1);
}

static void offsets_are_read_back_by_their_own_process_only(void **state) {
    struct rooms *restarted = rooms_new(loop, &LIMITS);
    char text[ROOM_OFFSET_LEN + 1];
    uint64_t offset;
    join(&alice, "general");
    for (int i = 0; i < 300; i++) EMIT("a", .to = "general");
    for (uint64_t i = 0; i <= 300; i++) {
        struct slice written = {text, room_offset_write(rooms, i, text)};
        assert_true(room_offset_read(rooms, written, &offset));
        assert_int_equal(offset, i);
        assert_false(room_offset_read(restarted, written, &offset));
        written.len--;
        assert_true(!room_offset_read(rooms, written, &offset) || offset == i >> 4);
    }
    assert_int_equal(room_offset_write(rooms, (1ULL << 60) - 1, text), ROOM_OFFSET_LEN);
    static const char *const strange[] = {"", "hello", "12345678.1", ".", "\xff\xff\xff\xff\xff\xff\xff\xff.1"};
    for (size_t i = 0; i < sizeof strange / sizeof *strange; i++)
        assert_false(room_offset_read(rooms, slice_of(strange[i]), &offset));
    size_t len = room_offset_write(rooms, 301, text);
    assert_false(room_offset_read(rooms, (struct slice){text, len}, &offset));
    len = room_offset_write(rooms, 16, text);
    static const char *const tails[] = {"010", "0x10", "-10", "10 ", "A", "ffffffffffffffff"};
    for (size_t i = 0; i < sizeof tails / sizeof *tails; i++) {
        len = (size_t)snprintf(text + 9, sizeof text - 9, "%s", tails[i]) + 9;
        assert_false(room_offset_read(rooms, (struct slice){text, len < sizeof text ? len : sizeof text}, &offset));
    }
    rooms_free(&restarted);
}

static void two_rooms_while_away(void) {
    EMIT("b", .to = "one");
    EMIT("c", .to = "two");
    EMIT("d", .to = "one", .and_to = "two");
    EMIT("e", .to = "three");
    EMIT("f", .to = "one");
}

/* Needs only the rooms' logs: no member need be connected while the packets are sent. */
static void a_socket_that_comes_back_gets_what_it_missed_once(void **state) {
    join(&alice, "one");
    join(&alice, "two");
    EMIT("a", .to = "one");
    assert_true(come_back(&alice, two_rooms_while_away));
    assert_string_equal(alice.got, "b c d f");
    EMIT("g", .to = "two");
    assert_true(come_back(&alice, NULL));
    assert_string_equal(alice.got, "");
}

static void nothing_of_before_a_join_is_replayed(void **state) {
    join(&bob, "two");
    join(&alice, "one");
    EMIT("a", .to = "one");
    EMIT("secret", .to = "two");
    EMIT("secret", .to = "two");
    join(&alice, "two");
    assert_true(come_back(&alice, two_rooms_while_away));
    assert_string_equal(alice.got, "b c d f");
}

static void volatile_while_away(void) {
    emit_event("typing", (struct emission){.to = "one", .unlogged = true});
    EMIT("b", .to = "one");
}

/* A volatile event moves the client's offset too, but is not kept. */
static void a_volatile_event_has_an_offset_and_is_not_replayed(void **state) {
    join(&alice, "one");
    EMIT("a", .to = "one");
    EMIT("typing", .to = "one", .unlogged = true);
    assert_true(alice.last_has_offset);
    assert_int_equal(alice.offset, rooms_offset(rooms));
    assert_true(come_back(&alice, volatile_while_away));
    assert_string_equal(alice.got, "b");
}

static void long_silence(void) {
    join(&bob, "busy");
    for (int i = 0; i < 5000; i++) EMIT("x", .to = "busy");
    leave_all(&bob);
}

/* The offset is a bound, not an entry that must still exist. */
static void a_quiet_client_with_an_old_offset_recovers(void **state) {
    join(&alice, "quiet");
    EMIT("a", .to = "quiet");
    loop_advance(loop, 3600000);
    assert_true(come_back(&alice, long_silence));
    assert_string_equal(alice.got, "");
}

static void a_thousand_and_two(void) {
    for (int i = 0; i < 1002; i++) EMIT("x", .to = "one");
}

/* A trimmed log makes the recovery fail; a replay that is too large is not begun. */
static void what_is_trimmed_or_too_much_is_not_recovered(void **state) {
    join(&alice, "one");
    EMIT("a", .to = "one");
    assert_false(come_back(&alice, a_thousand_and_two));
    assert_string_equal(alice.got, "");
    person_init(&bob, 2);
    join(&bob, "one");
    EMIT("a", .to = "one");
    assert_false(come_back_within(&bob, 1000, two_rooms_while_away, 2));
    assert_string_equal(bob.got, "");
    join(&carol, "one");
    EMIT("a", .to = "one");
    assert_true(come_back_within(&carol, 1000, two_rooms_while_away, 3));
    assert_string_equal(carol.got, "b d f");
}

static void emit_large(const char *room) {
    static char args[600000];
    memset(args, 'x', sizeof args);
    memcpy(args, "[\"large\",\"", 10);
    memcpy(args + sizeof args - 2, "\"]", 2);
    struct slice to = slice_of(room);
    struct room_emit emit = {.namespace_name = SLICE("/"), .to = &to, .to_len = 1, .args = {args, sizeof args}};
    room_emit(rooms, &emit);
}

static void one_large(void) {
    emit_large("one");
}

static void two_large(void) {
    one_large();
    one_large();
}

static void bytes_are_bounded_too(void **state) {
    join(&alice, "one");
    assert_true(come_back(&alice, one_large));
    assert_string_equal(alice.got, "large");
    assert_false(come_back(&alice, two_large));
}

static void many_rooms_share_a_bound(void **state) {
    struct room_limits limits = LIMITS;
    limits.total_bytes = 1000000;
    rooms_set_limits(rooms, &limits);
    join(&alice, "one");
    join(&bob, "two");
    emit_large("one");
    assert_true(rooms_replay(rooms, &alice.memberships, &alice.receiver, 0, 1000, 1 << 20));
    emit_large("two");
    assert_false(rooms_replay(rooms, &alice.memberships, &alice.receiver, 0, 1000, 1 << 20));
    assert_true(rooms_replay(rooms, &bob.memberships, &bob.receiver, 0, 1000, 1 << 20));
}

static void what_is_past_the_window_is_gone(void **state) {
    join(&bob, "one");
    join(&alice, "one");
    EMIT("a", .to = "one");
    uint64_t offset = alice.offset;
    EMIT("b", .to = "one");
    loop_advance(loop, LIMITS.window_ms - 1);
    assert_true(rooms_replay(rooms, &alice.memberships, &alice.receiver, offset, 1000, 1 << 20));
    loop_advance(loop, 200);
    assert_false(rooms_replay(rooms, &alice.memberships, &alice.receiver, offset, 1000, 1 << 20));
    assert_true(rooms_replay(rooms, &alice.memberships, &alice.receiver, rooms_offset(rooms), 1000, 1 << 20));
}

/* Nobody was connected when it was sent: the room waits for members that may come back, then ends. */
static void an_empty_room_is_kept_for_the_window(void **state) {
    join(&alice, "one");
    join(&alice, "two");
    assert_true(come_back_within(&alice, LIMITS.window_ms - 1, two_rooms_while_away, 1000));
    assert_string_equal(alice.got, "b c d f");
    assert_false(come_back_within(&alice, LIMITS.window_ms + 1000, two_rooms_while_away, 1000));
    leave_all(&alice);
    loop_advance(loop, LIMITS.window_ms + 1000);
    assert_null(room_find(rooms, SLICE("/"), SLICE("one")));
}

static void without_a_window_nothing_is_kept(void **state) {
    struct room_limits limits = LIMITS;
    limits.window_ms = 0;
    rooms_set_limits(rooms, &limits);
    join(&alice, "one");
    EMIT("a", .to = "one");
    assert_string_equal(alice.got, "a");
    assert_false(alice.last_has_offset);
    assert_true(rooms_replay(rooms, &alice.memberships, &alice.receiver, rooms_offset(rooms), 1000, 1 << 20));
    assert_false(rooms_replay(rooms, &alice.memberships, &alice.receiver, 0, 1000, 1 << 20));
    leave_all(&alice);
    loop_turn(loop);
    assert_null(room_find(rooms, SLICE("/"), SLICE("one")));
}

static void except_while_away(void) {
    emit_event("b", (struct emission){.to = "one", .except = "muted"});
    EMIT("c", .to = "one");
}

static void who_was_left_out_is_left_out_of_the_replay(void **state) {
    join(&alice, "one");
    join(&alice, "muted");
    join(&bob, "one");
    EMIT("a", .to = "one");
    assert_true(come_back(&alice, except_while_away));
    assert_string_equal(alice.got, "c");
    /* Excluded as a member of a room that alice left since, and as a receiver: a replay must not bring the packets. */
    uint64_t offset = alice.offset;
    EMIT("d", .to = "one", .except = "muted");
    EMIT("e", .to = "one", .without = &alice.receiver);
    EMIT("f", .to = "one");
    leave(&alice, "muted");
    alice.offset = offset;
    assert_true(come_back(&alice, NULL));
    assert_string_equal(alice.got, "f");
    /* Joined the excluded room later: still gets what was due. */
    offset = alice.offset;
    EMIT("g", .to = "one", .except = "muted");
    join(&alice, "muted");
    alice.offset = offset;
    assert_true(come_back(&alice, NULL));
    assert_string_equal(alice.got, "g");
}

static void attachments_go_along(void **state) {
    join(&alice, "one");
    struct slice to = SLICE("one"), bytes = SLICE("\x01\x02");
    struct room_emit emit = {.namespace_name = SLICE("/"),
                             .to = &to,
                             .to_len = 1,
                             .args = SLICE("[\"image\",{\"_placeholder\":true,\"num\":0}]"),
                             .attachments = &bytes,
                             .attachments_len = 1};
    assert_int_equal(room_emit(rooms, &emit), 1);
    assert_string_equal(alice.got, "image");
    assert_int_equal(alice.offset, 1);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(members_get_what_is_sent_to_their_room),
        TEST(joining_twice_is_joining_once),
        TEST(leaving_keeps_the_others_in_their_places),
        TEST(namespaces_are_apart),
        TEST(no_room_is_all_of_the_namespace),
        TEST(each_receiver_gets_it_once_and_the_excluded_not),
        TEST(whom_an_emit_would_reach_can_be_told_without_one),
        TEST(the_rooms_of_a_namespace_are_those_with_members),
        TEST(all_share_one_packet),
        TEST(what_clients_would_choke_on_is_refused),
        TEST(offsets_are_read_back_by_their_own_process_only),
        TEST(a_socket_that_comes_back_gets_what_it_missed_once),
        TEST(nothing_of_before_a_join_is_replayed),
        TEST(a_volatile_event_has_an_offset_and_is_not_replayed),
        TEST(a_quiet_client_with_an_old_offset_recovers),
        TEST(what_is_trimmed_or_too_much_is_not_recovered),
        TEST(bytes_are_bounded_too),
        TEST(many_rooms_share_a_bound),
        TEST(what_is_past_the_window_is_gone),
        TEST(an_empty_room_is_kept_for_the_window),
        TEST(without_a_window_nothing_is_kept),
        TEST(who_was_left_out_is_left_out_of_the_replay),
        TEST(attachments_go_along),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
