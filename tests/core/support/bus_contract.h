/* SPDX-License-Identifier: Apache-2.0 */
/* bus_contract.h - the contract for every driver of the bus. A driver's test provides a constructor and runs these
 * tests. */
#ifndef TESTS_BUS_CONTRACT_H
#define TESTS_BUS_CONTRACT_H

#include "bus/bus.h"
#include "support/redis_stage.h"

/* On stage_loop. settings: a node name, and perhaps a secret. */
extern struct bus *(*contract_new)(const struct bus_settings *settings, const struct bus_events *events, void *owner);

/* A worker, and what its bus reported. */
enum { HEARD_MAX = 4096 };
struct listener {
    struct bus *bus;
    struct heard {
        enum bus_kind kind;
        int64_t seq;
        char *topic, *epoch, *body, *origin;
        size_t body_len;
    } heard[HEARD_MAX];
    size_t len;
    unsigned subscriptions; /* `subscribed` calls */
    char subscribed[BUS_TOPIC_MAX + 1];
    bool is_degraded;
};
void listener_begin(struct listener *listener, const char *node, const char *secret);
void listener_end(struct listener *listener);
/* Subscribes and waits for the confirmation. */
void listener_subscribe(struct listener *listener, struct slice topic);
void listener_say(struct listener *listener, struct slice topic, const char *body);

/* For a program's list of tests, with stage_set_up and stage_tear_down. */
void contract_a_subscription_is_told_of_in_a_later_turn(void **state);
void contract_nobody_hears_themselves(void **state);
void contract_worker_ids_are_unique(void **state);
void contract_bodies_that_are_too_large_are_refused(void **state);
void contract_a_bus_may_end_at_any_time(void **state);
#define CONTRACT_TESTS(TEST)                                                                          \
    TEST(contract_a_subscription_is_told_of_in_a_later_turn), TEST(contract_nobody_hears_themselves), \
        TEST(contract_worker_ids_are_unique), TEST(contract_bodies_that_are_too_large_are_refused),   \
        TEST(contract_a_bus_may_end_at_any_time)

/* For drivers with several workers. */
void contract_others_hear_what_was_said_in_order(void **state);
void contract_only_subscribers_hear(void **state);
void contract_topics_are_any_bytes(void **state);
void contract_large_events_travel_without_their_body(void **state);
void contract_without_the_secret_nobody_is_heard(void **state);
#define CONTRACT_TESTS_AMONG_OTHERS(TEST)                                                           \
    TEST(contract_others_hear_what_was_said_in_order), TEST(contract_only_subscribers_hear),        \
        TEST(contract_topics_are_any_bytes), TEST(contract_large_events_travel_without_their_body), \
        TEST(contract_without_the_secret_nobody_is_heard)

#endif
