/* SPDX-License-Identifier: Apache-2.0 */
/* fake_bus.h - buses that hear each other within a test: on the loop's clock, with the faults that a test wants. */
#ifndef TESTS_FAKE_BUS_H
#define TESTS_FAKE_BUS_H

#include "base/list.h"
#include "bus/bus.h"

/* What lies between the buses. */
struct fake_ether {
    struct loop *loop;
    struct list buses, flying;
    unsigned seed;
    unsigned drop_percent, double_percent; /* of what each receiver gets */
    unsigned delay_ms;                     /* each message takes 0 to so long: they overtake each other */
    unsigned subscribe_ms;                 /* until a subscription holds */
    bool is_down;                          /* nothing passes, nothing is subscribed */
};

void fake_ether_init(struct fake_ether *ether, struct loop *loop);
/* After the buses. */
void fake_ether_done(struct fake_ether *ether);
/* Down: all buses are degraded at once. Up: every topic is subscribed anew. */
void fake_ether_set_down(struct fake_ether *ether, bool is_down);

struct bus *fake_bus_new(struct fake_ether *ether, const char *node, const struct bus_events *events, void *owner);
/* With a place, as bus_settings have it. */
struct bus *fake_bus_new_at(struct fake_ether *ether, const char *node, const char *place,
                            const struct bus_events *events, void *owner);
/* Messages that it received, of all kinds. */
unsigned fake_bus_received(const struct bus *bus);
/* Topics that it wants. */
size_t fake_bus_topics(const struct bus *bus);

#endif
