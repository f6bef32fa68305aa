/* SPDX-License-Identifier: Apache-2.0 */
/* health.h - can this worker do its work? Probes the store each second, and serves the health pages of the whole server
 * from any worker.
 *
 * /health/live: the loop turns. /health/ready, /health: sends can be acknowledged. /metrics: Prometheus; needs the
 * token; without a token, only loopback gets it.
 */
#ifndef WORKER_HEALTH_H
#define WORKER_HEALTH_H

#include "loop/loop.h"
#include "net/http.h"

struct worker;

struct health {
    struct worker *worker;
    struct loop_timer timer;
    void (*settled)(void *owner); /* called once, when the first probe has ended */
    void *owner;
    bool probing, probed, store_works, store_is_damaged;
    uint64_t asked_ms;
    unsigned parts; /* databases of the store; 0: a single one */
    bool *parts_away;
};

/* Outlives the worker's store. */
void health_init(struct health *health, struct worker *worker, void (*settled)(void *owner), void *owner);
void health_done(struct health *health);
/* Call after a change: publishes the state to the other workers (worker_slots.h). */
void health_show(struct health *health);
/* False: the path is none of these. */
bool health_request(struct health *health, struct http_request *request);

#endif
