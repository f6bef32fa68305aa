/* SPDX-License-Identifier: Apache-2.0 */
#include "support/bus_contract.h"

#include "base/metrics.h"

struct bus *(*contract_new)(const struct bus_settings *settings, const struct bus_events *events, void *owner);

static void received(void *owner, struct slice topic, const struct bus_message *message) {
    struct listener *listener = owner;
    assert_true(listener->len < HEARD_MAX);
    struct heard *heard = &listener->heard[listener->len++];
    *heard = (struct heard){.kind = message->kind, .seq = message->seq, .body_len = message->body.len};
    heard->topic = memory_copy(topic.ptr, topic.len);
    heard->epoch = memory_copy(message->epoch.ptr, message->epoch.len);
    heard->origin = memory_copy(message->origin.ptr, message->origin.len);
    heard->body = memory_copy(message->body.ptr, message->body.len);
}

static void subscribed(void *owner, struct slice topic) {
    struct listener *listener = owner;
    listener->subscriptions++;
    snprintf(listener->subscribed, sizeof listener->subscribed, "%.*s", SLICE_ARG(topic));
}

static void degraded(void *owner, bool is_degraded) {
    ((struct listener *)owner)->is_degraded = is_degraded;
}

static const struct bus_events listener_events = {received, subscribed, degraded};

void listener_begin(struct listener *listener, const char *node, const char *secret) {
    const struct bus_settings settings = {.node = node, .secret = secret};
    *listener = (struct listener){.bus = NULL};
    listener->bus = contract_new(&settings, &listener_events, listener);
}

void listener_end(struct listener *listener) {
    bus_free(&listener->bus);
    for (size_t i = 0; i < listener->len; i++) {
        struct heard *heard = &listener->heard[i];
        free(heard->topic);
        free(heard->epoch);
        free(heard->origin);
        free(heard->body);
    }
    listener->len = 0;
}

void listener_subscribe(struct listener *listener, struct slice topic) {
    unsigned before = listener->subscriptions;
    bus_subscribe(listener->bus, topic);
    stage_until(listener->subscriptions > before);
}

void listener_say(struct listener *listener, struct slice topic, const char *body) {
    const struct bus_message message = {.kind = BUS_EMIT, .body = slice_of(body)};
    assert_true(bus_publish(listener->bus, topic, &message));
}

static struct listener ours, theirs;

static void begin(void) {
    listener_begin(&ours, "ours", NULL);
    listener_begin(&theirs, "theirs", NULL);
}

static void end(void) {
    listener_end(&ours);
    listener_end(&theirs);
}

/* Earlier messages have then arrived, or are lost: a topic's messages come in order. */
static void settle(struct listener *from, struct listener *to, struct slice topic) {
    size_t before = to->len;
    listener_say(from, topic, "settled");
    stage_until(to->len > before && strcmp(to->heard[to->len - 1].body, "settled") == 0);
}

void contract_a_subscription_is_told_of_in_a_later_turn(void **state) {
    begin();
    bus_subscribe(ours.bus, SLICE("lobby"));
    assert_int_equal(ours.subscriptions, 0);
    stage_until(ours.subscriptions == 1);
    assert_string_equal(ours.subscribed, "lobby");
    bus_subscribe(ours.bus, SLICE("lobby")); /* already subscribed */
    assert_int_equal(ours.subscriptions, 1);
    stage_until(ours.subscriptions == 2);
    bus_unsubscribe(ours.bus, SLICE("lobby"));
    bus_unsubscribe(ours.bus, SLICE("never"));
    bus_subscribe(ours.bus, SLICE("lobby"));
    stage_until(ours.subscriptions == 3);
    bus_subscribe(ours.bus, SLICE("hall"));
    bus_unsubscribe(ours.bus, SLICE("hall"));
    listener_subscribe(&ours, SLICE("end"));
    assert_string_equal(ours.subscribed, "end");
    assert_int_equal(ours.subscriptions, 4);
    end();
}

void contract_nobody_hears_themselves(void **state) {
    begin();
    listener_subscribe(&ours, SLICE("lobby"));
    for (int i = 0; i < 10; i++) listener_say(&ours, SLICE("lobby"), "hello?");
    stage_pass(100); /* an echo would have come by then */
    assert_int_equal(ours.len, 0);
    end();
}

void contract_worker_ids_are_unique(void **state) {
    begin();
    struct listener again;
    listener_begin(&again, "ours", NULL);
    assert_false(slice_equal(bus_worker_id(ours.bus), bus_worker_id(again.bus)));
    assert_false(slice_equal(bus_worker_id(ours.bus), bus_worker_id(theirs.bus)));
    assert_in_range(bus_worker_id(ours.bus).len, 1, BUS_WORKER_ID_MAX);
    listener_end(&again);
    end();
}

void contract_bodies_that_are_too_large_are_refused(void **state) {
    begin();
    char *huge = calloc(1, BUS_BODY_MAX + 1);
    const struct bus_message message = {.kind = BUS_EMIT, .body = {huge, BUS_BODY_MAX + 1}};
    int64_t before = metric_get(METRIC_BUS_DROPPED, "too_large");
    assert_false(bus_publish(ours.bus, SLICE("lobby"), &message));
    assert_int_equal(metric_get(METRIC_BUS_DROPPED, "too_large"), before + 1);
    free(huge);
    end();
}

void contract_a_bus_may_end_at_any_time(void **state) {
    begin();
    bus_subscribe(ours.bus, SLICE("lobby"));
    listener_say(&ours, SLICE("lobby"), "hello");
    end();
    begin();
    listener_subscribe(&ours, SLICE("lobby"));
    bus_subscribe(ours.bus, SLICE("lobby"));
    bus_subscribe(ours.bus, SLICE("hall"));
    end();
    stage_pass(10); /* an event would use it after its end */
}

void contract_others_hear_what_was_said_in_order(void **state) {
    enum { MESSAGES = 1000 };
    begin();
    listener_subscribe(&theirs, SLICE("lobby"));
    for (int i = 0; i < MESSAGES; i++) {
        char body[32];
        snprintf(body, sizeof body, "[\"n\",{\"seq\":%d}]", i + 1);
        const struct bus_message message = {
            .kind = BUS_EVENT, .seq = i + 1, .epoch = SLICE("1-x"), .body = slice_of(body)};
        assert_true(bus_publish(ours.bus, SLICE("lobby"), &message));
        if (i % 100 == 0) stage_turn();
    }
    stage_until(theirs.len == MESSAGES);
    for (int i = 0; i < MESSAGES; i++) {
        const struct heard *heard = &theirs.heard[i];
        assert_int_equal(heard->kind, BUS_EVENT);
        assert_int_equal(heard->seq, i + 1);
        assert_string_equal(heard->topic, "lobby");
        assert_string_equal(heard->epoch, "1-x");
        assert_true(slice_is(bus_worker_id(ours.bus), heard->origin));
    }
    assert_string_equal(theirs.heard[MESSAGES - 1].body, "[\"n\",{\"seq\":1000}]");
    end();
}

void contract_only_subscribers_hear(void **state) {
    begin();
    listener_subscribe(&theirs, SLICE("lobby"));
    listener_say(&ours, SLICE("hall"), "elsewhere");
    listener_say(&ours, SLICE("lobby"), "here");
    settle(&ours, &theirs, SLICE("lobby"));
    assert_int_equal(theirs.len, 2);
    assert_string_equal(theirs.heard[0].body, "here");
    listener_subscribe(&theirs, SLICE("end"));
    bus_unsubscribe(theirs.bus, SLICE("lobby"));
    listener_say(&ours, SLICE("lobby"), "too late");
    stage_pass(50); /* it would have come by then */
    settle(&ours, &theirs, SLICE("end"));
    assert_int_equal(theirs.len, 3);
    end();
}

void contract_topics_are_any_bytes(void **state) {
    char longest[BUS_TOPIC_MAX];
    memset(longest, '{', sizeof longest);
    const struct slice topics[] = {
        SLICE(""), SLICE("/#"), SLICE("}{*?[a]\\ \n"), {"\0\xff", 2}, {longest, sizeof longest}};
    begin();
    for (size_t i = 0; i < sizeof topics / sizeof *topics; i++) {
        listener_subscribe(&theirs, topics[i]);
        listener_say(&ours, topics[i], "hello");
        stage_until(theirs.len == i + 1);
        assert_memory_equal(theirs.heard[i].topic, topics[i].ptr, topics[i].len);
    }
    end();
}

void contract_large_events_travel_without_their_body(void **state) {
    begin();
    listener_subscribe(&theirs, SLICE("lobby"));
    char *large = calloc(1, BUS_EVENT_BODY_MAX + 1);
    struct bus_message message = {
        .kind = BUS_EVENT, .seq = 7, .epoch = SLICE("1-x"), .body = {large, BUS_EVENT_BODY_MAX}};
    assert_true(bus_publish(ours.bus, SLICE("lobby"), &message));
    message.body.len++;
    assert_true(bus_publish(ours.bus, SLICE("lobby"), &message));
    stage_until(theirs.len == 2);
    assert_int_equal(theirs.heard[0].body_len, BUS_EVENT_BODY_MAX);
    assert_int_equal(theirs.heard[1].body_len, 0);
    assert_int_equal(theirs.heard[1].seq, 7);
    free(large);
    end();
}

void contract_without_the_secret_nobody_is_heard(void **state) {
    struct listener member, other;
    begin();
    listener_begin(&member, "member", "the secret");
    listener_begin(&other, "other", "the secret");
    listener_subscribe(&other, SLICE("lobby"));
    listener_subscribe(&theirs, SLICE("lobby"));
    int64_t before = metric_get(METRIC_BUS_DROPPED, "seal");
    listener_say(&ours, SLICE("lobby"), "forged");
    listener_say(&member, SLICE("lobby"), "genuine");
    stage_until(other.len == 1 && theirs.len == 1 && metric_get(METRIC_BUS_DROPPED, "seal") == before + 2);
    assert_string_equal(other.heard[0].body, "genuine");
    assert_string_equal(theirs.heard[0].body, "forged");
    listener_end(&member);
    listener_end(&other);
    end();
}
