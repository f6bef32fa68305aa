/* SPDX-License-Identifier: Apache-2.0 */
/* bus_internal.h - the interface that drivers of the bus implement, and what bus.c does for all of them. */
#ifndef BUS_BUS_INTERNAL_H
#define BUS_BUS_INTERNAL_H

#include "bus/bus.h"

struct bus_ops {
    bool is_alone;
    void (*free)(struct bus *bus);
    void (*subscribe)(struct bus *bus, struct slice topic);
    void (*unsubscribe)(struct bus *bus, struct slice topic);
    /* The body is within its bound. */
    void (*publish)(struct bus *bus, struct slice topic, const struct bus_message *message);
    void (*write_detail)(const struct bus *bus, struct buffer *out);
};
struct bus {
    const struct bus_ops *ops;
    const struct bus_events *events;
    void *owner;
    bool is_degraded;
    char worker_id[BUS_WORKER_ID_MAX + 1];
};

/* Fills the fields above; of settings, reads node and place only. */
void bus_init(struct bus *bus, const struct bus_ops *ops, const struct bus_settings *settings,
              const struct bus_events *events, void *owner);
/* Tells the owner if the value has changed. */
void bus_set_degraded(struct bus *bus, bool is_degraded);

#endif
