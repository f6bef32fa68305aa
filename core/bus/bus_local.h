/* SPDX-License-Identifier: Apache-2.0 */
/* bus_local.h - the bus of a single worker: there is nobody to reach. */
#ifndef BUS_BUS_LOCAL_H
#define BUS_BUS_LOCAL_H

struct bus;
struct bus_events;
struct loop;

struct bus *bus_local_new(struct loop *loop, const struct bus_events *events, void *owner);

#endif
