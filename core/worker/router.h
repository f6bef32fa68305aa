/* SPDX-License-Identifier: Apache-2.0 */
/* router.h - which part of a worker answers which socket and which HTTP request.
 *
 * In this order: health and metrics, the hub's paths, the scripts' routes, static files, 404. It asks admission for
 * each accepted socket; while the worker drains, it accepts nothing new.
 */
#ifndef WORKER_ROUTER_H
#define WORKER_ROUTER_H

#include "net/server.h"

struct health;
struct router;
struct worker;

/* What net_server_new gets; its owner is the router. */
extern const struct net_events router_events;

/* The same for the net_server of metrics.listen: answers only health and metrics, without admission. */
extern const struct net_events router_metrics_events;

struct router *router_new(struct worker *worker, struct health *health);
/* Call before the worker's policy is freed. Pending script routes are answered with 503. */
void router_free(struct router **router);
/* Call after a reload: the folder of static files may have changed. */
void router_reload(struct router *router);

#endif
