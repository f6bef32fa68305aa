/* SPDX-License-Identifier: Apache-2.0 */
/* epoch_floors.h - for each database the highest epoch that any worker of the fleet has met, and how far its log had
 * got then. core/store only.
 *
 * Whatever answers with a lower one is an old primary that has come back: what it takes will be lost. Whatever is in
 * that epoch and not so far has gone back: a copy of its files was brought back. Shared in Redis as the hash
 * stoa:{epochs}, two fields a database: it is read each second, and written by who knows of more. What was met or read
 * is kept: when Redis is away, or was emptied, workers go on with what they know, and say it again. Who writes may lag,
 * and claims nothing that was not reached.
 */
#ifndef STORE_POSTGRES_EPOCH_FLOORS_H
#define STORE_POSTGRES_EPOCH_FLOORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

struct epoch_floors;
struct loop;
struct redis;

enum { INCARNATION_MAX = 20 };

struct epoch_floor {
    int64_t number;                    /* 0: none is known */
    char incarnation[INCARNATION_MAX]; /* "": not known */
    int64_t reached;                   /* in that epoch */
};

/* From the loop, not within the call that caused it. */
struct epoch_floors_events {
    void (*settled)(void *owner);                   /* once: Redis has answered, or will not soon */
    void (*raised)(void *owner, unsigned database); /* to another epoch, by another worker */
};

/* databases: shards by their numbers, then the global one. redis: NULL: this worker knows what it meets. It and events
 * outlive the floors. secret: what is in Redis is sealed with it, and else not believed; NULL: none. */
struct epoch_floors *epoch_floors_new(struct loop *loop, struct redis *redis, const char *secret, size_t databases,
                                      const struct epoch_floors_events *events, void *owner);
void epoch_floors_free(struct epoch_floors **floors);
/* Never NULL; valid while the floors are. */
const struct epoch_floor *epoch_floors_of(const struct epoch_floors *floors, unsigned database);
/* The database's primary says so, or someone who met it. */
void epoch_floors_meet(struct epoch_floors *floors, unsigned database, const struct epoch_floor *met);
/* Asks Redis now. */
void epoch_floors_read(struct epoch_floors *floors);
/* Has Redis told of them lately? */
bool epoch_floors_are_shared(const struct epoch_floors *floors);

/* "<number>-<incarnation>". False: it is none. */
bool epoch_floor_parse(struct epoch_floor *out, struct slice epoch);
/* Is b another epoch than a, and not an earlier one? */
bool epoch_floor_ends(const struct epoch_floor *a, const struct epoch_floor *b);

#endif
