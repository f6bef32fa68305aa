/* SPDX-License-Identifier: Apache-2.0 */
/* router.h - which part of a worker answers which socket and which HTTP request.
 *
 * In this order: health and metrics, the hub's paths, the scripts' routes, static files, 404. It asks admission for
 * each accepted socket; while the worker drains it begins nothing new.
 */
#ifndef WORKER_ROUTER_H
#define WORKER_ROUTER_H

#include "net/server.h"

struct health;
struct router;
struct worker;

/* What net_server_new gets; its owner is the router. */
extern const struct net_events router_events;

/* The same of a net_server for metrics.listen: it answers health and metrics, and asks admission for nobody. */
extern const struct net_events router_metrics_events;

struct router *router_new(struct worker *worker, struct health *health);
/* Before the worker's policy goes. Script routes that are under way are answered with 503. */
void router_free(struct router **router);
/* After a reload: the folder of static files may be another. */
void router_reload(struct router *router);

#endif
