/* SPDX-License-Identifier: Apache-2.0 */
/* Workers that share a store and a bus, with a clock that only the test advances: what reaches whom when the bus loses,
 * doubles or delays messages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/metrics.h"
#include "channel/log.h"
#include "channel/relay.h"
#include "channel/room.h"
#include "channel/tail_check.h"
#include "channel/topic.h"
#include "loop/loop.h"
#include "support/fake_bus.h"
#include "support/fake_log_store.h"

enum { NODES = 3, SEEN_MAX = 4096, TAIL_MS = 2000 };

static struct loop *loop;
static struct fake_ether ether;
static struct fake_log_store store;

struct node {
    struct rooms *rooms;
    struct bus *bus;
    struct channel_log *log;
    struct relay *relay;
    unsigned malformed;
} nodes[NODES];

/* A person on a node: the texts and the seqs of the events that they received. */
struct person {
    struct receiver receiver;
    struct node *node;
    struct list memberships;
    char *seen[SEEN_MAX];
    enum packet_class classes[SEEN_MAX];
    size_t len;
};

static void person_deliver(struct receiver *receiver, const struct room *room, struct packet *packet) {
    struct person *person = CONTAINER(receiver, struct person, receiver);
    struct slice text = packet_bytes(packet, PACKET_POLL);
    assert_true(person->len < SEEN_MAX);
    person->classes[person->len] = packet_class_of(packet);
    person->seen[person->len++] = memory_copy(text.ptr, text.len);
}
static const struct receiver_ops person_ops = {person_deliver};

static struct person alice, bob, carol;
static struct person *const people[] = {&alice, &bob, &carol};

/* Handles bus messages as core/worker/fleet.c does. */
static void received(void *owner, struct slice topic, const struct bus_message *message) {
    struct node *node = owner;
    if (message->kind == BUS_EMIT)
        node->malformed += !relay_take(node->relay, topic, message);
    else
        channel_log_committed(node->log, topic_channel(topic), message->seq, message->epoch, message->body);
}

static void subscribed(void *owner, struct slice topic) {
    struct node *node = owner;
    channel_log_check(node->log, topic_channel(topic));
}

static void degraded(void *owner, bool is_degraded) {
    struct node *node = owner;
    channel_log_set_degraded(node->log, is_degraded);
}
static const struct bus_events node_events = {received, subscribed, degraded};

static int set_up(void **state) {
    static const struct room_limits limits = {.window_ms = 5000, .max_events = 10000, .max_bytes = 10 << 20};
    loop = loop_new_with_fake_clock();
    fake_ether_init(&ether, loop);
    fake_log_store_init(&store, loop);
    for (struct node *node = nodes; node < nodes + NODES; node++) {
        *node = (struct node){.rooms = rooms_new(loop, &limits)};
        node->bus = fake_bus_new(&ether, "node", &node_events, node);
        node->log = channel_log_new(loop, &store.store, node->rooms, node->bus);
        node->relay = relay_new(node->rooms, node->log, node->bus, NULL);
    }
    for (size_t i = 0; i < NODES; i++) {
        *people[i] = (struct person){.receiver = {.ops = &person_ops}, .node = &nodes[i]};
        list_init(&people[i]->memberships);
    }
    return 0;
}

static void forget_seen(struct person *person) {
    while (person->len > 0) free(person->seen[--person->len]);
}

static int tear_down(void **state) {
    for (size_t i = 0; i < NODES; i++) {
        struct node *node = &nodes[i];
        relay_free(&node->relay);
        channel_log_free(&node->log);
        bus_free(&node->bus);
        forget_seen(people[i]);
    }
    fake_log_store_done(&store);
    for (size_t i = 0; i < NODES; i++) rooms_free(&nodes[i].rooms);
    fake_ether_done(&ether);
    loop_free(&loop);
    return 0;
}

static void enter(struct person *person, struct slice room) {
    room_join(person->node->rooms, SLICE("/"), room, &person->receiver, &person->memberships,
              rooms_offset(person->node->rooms));
}

static void leave(struct person *person, struct slice room) {
    struct membership *membership = room_membership(&person->memberships, room);
    room_leave(person->node->rooms, &membership);
}

static void connect_all(void) {
    for (size_t i = 0; i < NODES; i++) enter(people[i], SLICE(""));
    loop_advance(loop, 10);
}

static void follow(struct person *person, struct slice channel) {
    struct buffer room = {0};
    channel_room_name(&room, channel);
    channel_log_follow(person->node->log, channel, 0, SLICE("1-a"));
    enter(person, buffer_slice(&room));
    buffer_done(&room);
}

static void sent(struct store_request *request) {}

static void send_as(struct node *node, struct slice channel, struct slice client_id) {
    struct store_request *request = store_request_new(STORE_APPEND, sent, NULL);
    request->channel_id = store_request_copy(request, channel);
    request->append.client_id = store_request_copy(request, client_id);
    channel_log_append(node->log, &request);
}

static void send_to(struct node *node, struct slice channel) {
    send_as(node, channel, SLICE_NONE);
}

/* Asserts that 1 to last arrived in order, each once. */
static void assert_saw_all(const struct person *person, int64_t last) {
    assert_int_equal(person->len, last);
    for (size_t i = 0; i < person->len; i++) {
        const char *seq = strstr(person->seen[i], "\"seq\":");
        assert_non_null(seq);
        assert_int_equal(strtoll(seq + 6, NULL, 10), i + 1);
    }
}

static void say(struct node *node, const struct slice *to, size_t to_len, const struct slice *except, size_t except_len,
                const char *args) {
    relay_emit(node->relay, &(struct room_emit){.namespace_name = SLICE("/"),
                                                .to = to,
                                                .to_len = to_len,
                                                .except = except,
                                                .except_len = except_len,
                                                .class = PACKET_MESSAGE,
                                                .args = slice_of(args)});
}

static void every_worker_hands_out_one_order_whatever_the_bus_does(void **state) {
    enum { MESSAGES = 1000 };
    ether.drop_percent = 20;
    ether.double_percent = 20;
    ether.delay_ms = 40;
    for (size_t i = 0; i < NODES; i++) follow(people[i], SLICE("general"));
    loop_advance(loop, 10);
    for (unsigned i = 0; i < MESSAGES; i++) {
        send_to(&nodes[(unsigned)rand_r(&ether.seed) % NODES], SLICE("general"));
        if (i % 3 == 0) loop_advance(loop, 1 + i % 7);
    }
    loop_advance(loop, TAIL_MS);
    for (size_t i = 0; i < NODES; i++) assert_saw_all(people[i], MESSAGES);
}

static void nothing_is_read_when_nothing_is_lost(void **state) {
    follow(&alice, SLICE("general"));
    follow(&bob, SLICE("general"));
    loop_advance(loop, 10);
    for (int i = 0; i < 100; i++) {
        send_to(&nodes[i % 2], SLICE("general"));
        loop_advance(loop, 3);
    }
    assert_saw_all(&alice, 100);
    assert_saw_all(&bob, 100);
    assert_int_equal(store.event_reads, 0);
}

/* G9: no event follows the lost one, so no gap is visible. */
static void a_lost_tail_is_found_within_two_seconds(void **state) {
    follow(&bob, SLICE("general"));
    loop_advance(loop, 10);
    ether.drop_percent = 100;
    send_to(&nodes[0], SLICE("general"));
    loop_advance(loop, TAIL_MS);
    assert_saw_all(&bob, 1);
    loop_advance(loop, 10 * 60 * 1000); /* the same after a long quiet time, if few channels are idle */
    fake_log_store_commit(&store, SLICE("general"));
    loop_advance(loop, TAIL_MS);
    assert_saw_all(&bob, 2);
}

/* Guarantees, 2.4: the worker that committed it may have died before it published. */
static void a_retry_publishes_again(void **state) {
    follow(&bob, SLICE("general"));
    loop_advance(loop, 10);
    ether.drop_percent = 100;
    send_as(&nodes[0], SLICE("general"), SLICE("client-1"));
    loop_advance(loop, 10);
    assert_int_equal(bob.len, 0);
    ether.drop_percent = 0;
    send_as(&nodes[2], SLICE("general"), SLICE("client-1"));
    loop_advance(loop, 10);
    assert_saw_all(&bob, 1);
    assert_int_equal(store.event_reads, 0);
}

static void a_large_event_travels_as_its_number(void **state) {
    follow(&bob, SLICE("general"));
    loop_advance(loop, 10);
    store.padding = BUS_EVENT_BODY_MAX;
    send_to(&nodes[0], SLICE("general"));
    send_to(&nodes[0], SLICE("general"));
    loop_advance(loop, 10);
    assert_saw_all(&bob, 2);
    assert_true(strlen(bob.seen[0]) > BUS_EVENT_BODY_MAX);
}

/* Messages before the confirmation of a subscription are missed: the confirmation triggers a check. */
static void what_passes_before_a_subscription_holds_is_not_missed(void **state) {
    ether.subscribe_ms = 100;
    follow(&bob, SLICE("general"));
    loop_advance(loop, 50);
    send_to(&nodes[0], SLICE("general"));
    loop_advance(loop, 49);
    assert_int_equal(bob.len, 0);
    loop_advance(loop, 100);
    assert_saw_all(&bob, 1);
}

/* Guarantees, 2.6. */
static void without_a_bus_messages_come_from_the_store_within_half_a_second(void **state) {
    follow(&alice, SLICE("general"));
    follow(&bob, SLICE("general"));
    follow(&bob, SLICE("random"));
    loop_advance(loop, 10);
    fake_ether_set_down(&ether, true);
    for (int i = 1; i <= 20; i++) {
        send_to(&nodes[0], SLICE("general"));
        loop_advance(loop, 500);
        assert_saw_all(&bob, i);
    }
    fake_ether_set_down(&ether, false);
    loop_advance(loop, 10);
    unsigned reads = store.event_reads;
    send_to(&nodes[0], SLICE("general"));
    loop_advance(loop, 10);
    assert_saw_all(&bob, 21);
    assert_int_equal(store.event_reads, reads);
}

/* The promoted replica lost the last event: only the head shows the fork, no event does. */
static void a_fork_that_only_a_head_shows_is_followed(void **state) {
    follow(&bob, SLICE("general"));
    loop_advance(loop, 10);
    for (int i = 0; i < 3; i++) send_to(&nodes[0], SLICE("general"));
    loop_advance(loop, 10);
    assert_saw_all(&bob, 3);
    store.epoch = "2-b";
    store.fork = 2;
    loop_advance(loop, TAIL_MS);
    assert_int_equal(bob.len, 4);
    assert_non_null(strstr(bob.seen[3], "\"seq\":3,\"epoch\":\"2-b\""));
    send_to(&nodes[2], SLICE("general"));
    loop_advance(loop, 10);
    assert_int_equal(bob.len, 5);
    assert_int_equal(channel_log_delivered(nodes[1].log, SLICE("general")), 4);
}

/* The first event of an epoch is lost on the way to bob: the second must not be taken for the first. */
static void a_new_epoch_begins_where_the_store_says(void **state) {
    follow(&alice, SLICE("general"));
    follow(&bob, SLICE("general"));
    loop_advance(loop, 10);
    for (int i = 0; i < 3; i++) send_to(&nodes[0], SLICE("general"));
    loop_advance(loop, 10);
    store.epoch = "2-b";
    store.fork = 3;
    ether.drop_percent = 100;
    send_to(&nodes[0], SLICE("general"));
    loop_advance(loop, 5);
    ether.drop_percent = 0;
    for (int i = 0; i < 5; i++) {
        send_to(&nodes[i % 3], SLICE("general"));
        loop_advance(loop, i % 2);
    }
    loop_advance(loop, TAIL_MS);
    assert_saw_all(&alice, 9);
    assert_saw_all(&bob, 9);
}

/* During a resubscription messages are missed: afterwards each channel is compared with the store. */
static void what_an_interruption_swallowed_is_found_when_it_ends(void **state) {
    enum { CHANNELS = 2500 };
    char id[16];
    for (int i = 0; i < CHANNELS; i++) {
        snprintf(id, sizeof id, "c%d", i);
        follow(&bob, slice_of(id));
        fake_log_store_commit(&store, slice_of(id));
    }
    store.head_queries = 0;
    loop_advance(loop, 20);
    assert_int_equal(bob.len, 0); /* found, but the bus still has time to bring it */
    loop_advance(loop, CHANNEL_HOLD_MS);
    assert_int_equal(bob.len, CHANNELS);
    assert_int_equal(store.head_queries, 3);
}

static void a_worker_without_members_of_a_channel_gets_none_of_its_traffic(void **state) {
    follow(&alice, SLICE("general"));
    follow(&bob, SLICE("general"));
    follow(&carol, SLICE("random"));
    loop_advance(loop, 10);
    for (int i = 0; i < 50; i++) send_to(&nodes[0], SLICE("general"));
    const struct slice room = SLICE("channel:general");
    say(&nodes[0], &room, 1, NULL, 0, "[\"typing\"]");
    loop_advance(loop, 100);
    assert_int_equal(bob.len, 51);
    assert_int_equal(fake_bus_received(nodes[1].bus), 51);
    assert_int_equal(fake_bus_received(nodes[2].bus), 0);
    /* A member who left may come back within the window and miss nothing; not afterwards. */
    leave(&bob, room);
    send_to(&nodes[0], SLICE("general"));
    loop_advance(loop, 10);
    assert_int_equal(fake_bus_received(nodes[1].bus), 52);
    loop_advance(loop, 10000);
    send_to(&nodes[0], SLICE("general"));
    loop_advance(loop, 10);
    assert_int_equal(fake_bus_received(nodes[1].bus), 52);
    assert_int_equal(fake_bus_topics(nodes[1].bus), 0);
}

/* An old cursor would be behind by all events since. */
static void a_channel_that_nobody_followed_for_a_while_is_followed_anew(void **state) {
    follow(&bob, SLICE("general"));
    loop_advance(loop, 10);
    leave(&bob, SLICE("channel:general"));
    loop_advance(loop, 6000);
    assert_int_equal(channel_log_delivered(nodes[1].log, SLICE("general")), -1);
}

static void emits_reach_the_members_on_every_worker_once(void **state) {
    const struct slice rooms[] = {SLICE("lobby"), SLICE("hall")};
    connect_all();
    enter(&alice, rooms[0]);
    enter(&bob, rooms[0]);
    enter(&bob, rooms[1]);
    loop_advance(loop, 10);
    say(&nodes[0], rooms, 1, NULL, 0, "[\"one\"]");
    loop_advance(loop, 10);
    say(&nodes[2], rooms, 2, NULL, 0, "[\"two\"]");
    say(&nodes[1], NULL, 0, NULL, 0, "[\"all\"]");
    loop_advance(loop, 10);
    assert_int_equal(alice.len, 3);
    assert_int_equal(bob.len, 3);
    assert_int_equal(carol.len, 1);
    assert_non_null(strstr(bob.seen[0], "42[\"one\""));
    assert_non_null(strstr(carol.seen[0], "42[\"all\""));
}

/* socket:to(): the sender's own room is left out, wherever the sender is. */
static void exceptions_travel(void **state) {
    const struct slice lobby = SLICE("lobby"), own = SLICE("0123456789_ABCDEF-ab");
    connect_all();
    for (size_t i = 0; i < NODES; i++) enter(people[i], lobby);
    enter(&alice, own);
    loop_advance(loop, 10);
    say(&nodes[1], &lobby, 1, &own, 1, "[\"but not alice\"]");
    loop_advance(loop, 10);
    assert_int_equal(alice.len, 0);
    assert_int_equal(bob.len, 1);
    assert_int_equal(carol.len, 1);
}

static void a_socket_is_reached_from_every_worker_and_has_no_topic(void **state) {
    const struct slice own = SLICE("0123456789_ABCDEF-ab");
    connect_all();
    size_t topics = fake_bus_topics(nodes[0].bus);
    enter(&alice, own);
    assert_int_equal(fake_bus_topics(nodes[0].bus), topics);
    say(&nodes[2], &own, 1, NULL, 0, "[\"for you\"]");
    loop_advance(loop, 10);
    assert_int_equal(alice.len, 1);
    assert_int_equal(bob.len, 0);
}

static void classes_and_attachments_travel(void **state) {
    static const struct slice attachment = {"\0\xff\1", 3}, lobby = {"lobby", 5};
    enter(&alice, lobby);
    enter(&bob, lobby);
    loop_advance(loop, 10);
    relay_emit(nodes[0].relay, &(struct room_emit){.namespace_name = SLICE("/"),
                                                   .to = &lobby,
                                                   .to_len = 1,
                                                   .class = PACKET_VOLATILE,
                                                   .args = SLICE("[\"bytes\",{\"_placeholder\":true,\"num\":0}]"),
                                                   .attachments = &attachment,
                                                   .attachments_len = 1,
                                                   .unlogged = true});
    loop_advance(loop, 10);
    assert_int_equal(bob.len, 1);
    assert_int_equal(bob.classes[0], PACKET_VOLATILE);
    assert_non_null(strstr(bob.seen[0],
                           "\x1e"
                           "bAP8B"));
}

/* The events of one emitter reach a room in the order of its emits. */
static void emits_of_one_worker_keep_their_order(void **state) {
    const struct slice lobby = SLICE("lobby");
    enter(&bob, lobby);
    loop_advance(loop, 10);
    for (int i = 0; i < 100; i++) {
        char args[32];
        snprintf(args, sizeof args, "[\"n\",{\"seq\":%d}]", i + 1);
        say(&nodes[0], &lobby, 1, NULL, 0, args);
    }
    loop_advance(loop, 10);
    assert_saw_all(&bob, 100);
}

static void malformed_emits_are_dropped(void **state) {
    static const struct slice bodies[] = {
        {"", 0},
        {"\1\0\1\0", 4},
        {"\1\0\1\0\0", 5},
        {"\x09\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1/\0\0\0\4[\"a\"", 26},               /* no such class */
        {"\1\2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1/\0\0\0\5[\"a\"]", 27},                /* no such flag */
        {"\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1/\0\0\0\4[\"a\"", 26},                 /* not JSON */
        {"\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1/\0\0\0\5[\"a\"]more", 31},            /* extra bytes at the end */
        {"\1\0\0\0\0\0\0\0\0\0\0\0\0\xff\xff\xff\xff/\0\0\0\5[\"a\"]", 27},        /* a length beyond the end */
        {"\1\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0\1/\0\0\0\5other\0\0\0\5[\"a\"]", 36},   /* another room than the topic's */
        {"\1\0\xff\0\0\0\0\0\0\0\0\0\0\0\0\0\1/\0\0\0\5other\0\0\0\5[\"a\"]", 36}, /* too many rooms */
        {"\1\0\0\0\x0b\0\0\0\0\0\0\0\0\0\0\0\1/\0\0\0\1a\0\0\0\5[\"a\"]", 32},     /* too many attachments */
    };
    connect_all();
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        const struct bus_message forged = {.kind = BUS_EMIT, .origin = SLICE("evil"), .body = bodies[i]};
        assert_false(relay_take(nodes[0].relay, SLICE("/#"), &forged));
    }
    const struct bus_message fine = {
        .kind = BUS_EMIT, .origin = SLICE("evil"), .body = {"\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1/\0\0\0\5[\"a\"]", 27}};
    assert_true(relay_take(nodes[0].relay, SLICE("/#"), &fine));
    assert_int_equal(alice.len, 1);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(every_worker_hands_out_one_order_whatever_the_bus_does),
        TEST(nothing_is_read_when_nothing_is_lost),
        TEST(a_lost_tail_is_found_within_two_seconds),
        TEST(a_retry_publishes_again),
        TEST(a_large_event_travels_as_its_number),
        TEST(what_passes_before_a_subscription_holds_is_not_missed),
        TEST(without_a_bus_messages_come_from_the_store_within_half_a_second),
        TEST(a_fork_that_only_a_head_shows_is_followed),
        TEST(a_new_epoch_begins_where_the_store_says),
        TEST(what_an_interruption_swallowed_is_found_when_it_ends),
        TEST(a_worker_without_members_of_a_channel_gets_none_of_its_traffic),
        TEST(a_channel_that_nobody_followed_for_a_while_is_followed_anew),
        TEST(emits_reach_the_members_on_every_worker_once),
        TEST(exceptions_travel),
        TEST(a_socket_is_reached_from_every_worker_and_has_no_topic),
        TEST(classes_and_attachments_travel),
        TEST(emits_of_one_worker_keep_their_order),
        TEST(malformed_emits_are_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
