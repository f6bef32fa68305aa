/* SPDX-License-Identifier: Apache-2.0 */
/* fake_bus.h - buses connected within a test: on the loop's clock, with the faults that the test sets. */
#ifndef TESTS_FAKE_BUS_H
#define TESTS_FAKE_BUS_H

#include "base/list.h"
#include "bus/bus.h"

/* The medium between the buses. */
struct fake_ether {
    struct loop *loop;
    struct list buses, flying;
    unsigned seed;
    unsigned drop_percent, double_percent; /* per receiver */
    unsigned delay_ms;                     /* each message takes 0 to delay_ms, so messages may overtake each other */
    unsigned subscribe_ms;                 /* until a subscription is confirmed */
    bool is_down;                          /* delivers and subscribes nothing */
};

void fake_ether_init(struct fake_ether *ether, struct loop *loop);
/* Call after freeing the buses. */
void fake_ether_done(struct fake_ether *ether);
/* Down: all buses are degraded at once. Up: all topics are subscribed again. */
void fake_ether_set_down(struct fake_ether *ether, bool is_down);

struct bus *fake_bus_new(struct fake_ether *ether, const char *node, const struct bus_events *events, void *owner);
/* place as in bus_settings. */
struct bus *fake_bus_new_at(struct fake_ether *ether, const char *node, const char *place,
                            const struct bus_events *events, void *owner);
/* How many messages of any kind it received. */
unsigned fake_bus_received(const struct bus *bus);
/* How many topics it has subscribed to. */
size_t fake_bus_topics(const struct bus *bus);

#endif
