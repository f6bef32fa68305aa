/* SPDX-License-Identifier: Apache-2.0 */
/* rollout.h - a reload of all workers: each prepares the new generation; when all have, all enact it, otherwise none
 * does.
 *
 * It knows children and their messages. The owner keeps the configuration and is told of the decision before the
 * workers, so that a worker started later gets the new configuration.
 */
#ifndef MASTER_ROLLOUT_H
#define MASTER_ROLLOUT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/memory.h"

enum { ROLLOUT_PREPARE_MS = 60000, ROLLOUT_ENACT_MS = 10000 };

struct child;
struct master_message;

struct rollout_events {
    /* All are prepared: the generation will be enacted. */
    void (*decided)(void *owner);
    /* All remaining workers have enacted it. */
    void (*done)(void *owner);
    /* All keep the old generation. */
    void (*failed)(void *owner, const char *reason);
};

struct rollout {
    enum { ROLLOUT_IDLE, ROLLOUT_PREPARING, ROLLOUT_ENACTING } state;
    struct child *children;
    unsigned children_len;
    unsigned generation;
    uint64_t until_ms;
    const struct rollout_events *events;
    void *owner;
};

void rollout_init(struct rollout *rollout, struct child *children, unsigned len, const struct rollout_events *events,
                  void *owner);
/* Asks all children that run; all of them are ready. fingerprint: the workers must read the same configuration. May
 * call failed within the call. */
void rollout_begin(struct rollout *rollout, unsigned generation, const char *fingerprint, uint64_t now_ms);
/* Passes a message about a reload. */
void rollout_heard(struct rollout *rollout, struct child *child, const struct master_message *message, uint64_t now_ms);
/* Call when a child has ended, before it is reset. */
void rollout_ended(struct rollout *rollout, struct child *child, uint64_t now_ms);
/* Enforces the deadlines. */
void rollout_check(struct rollout *rollout, uint64_t now_ms);
/* UINT64_MAX: nothing is due. */
uint64_t rollout_due_ms(const struct rollout *rollout);

#endif
