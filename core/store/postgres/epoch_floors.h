/* SPDX-License-Identifier: Apache-2.0 */
/* epoch_floors.h - for each database, the highest epoch that any worker of the fleet has seen, and how far its log had
 * got in that epoch. core/store only.
 *
 * A database that answers with a lower epoch is an old primary that has come back: what it accepts will be lost. A
 * database in that epoch but less far was restored from a copy of its files. Redis shares the floors as the hash
 * stoa:{epochs}, two fields a database. Workers read it each second, and write when they know a higher floor. Each
 * worker keeps what it has seen or read: while Redis is away, or after it was emptied, workers go on with that and
 * write it again. What is written may lag behind, but never exceeds what was reached.
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
    int64_t number;                    /* 0: unknown */
    char incarnation[INCARNATION_MAX]; /* "": unknown */
    int64_t reached;                   /* highest log position known in that epoch */
};

/* Called from the loop, not within the call that caused it. */
struct epoch_floors_events {
    void (*settled)(void *owner);                   /* once: Redis has answered, or will not answer soon */
    void (*raised)(void *owner, unsigned database); /* another worker has seen a newer epoch */
};

/* databases: the shards by number, then the global one. redis NULL: this worker knows only what it sees itself. redis
 * and events must outlive the floors. secret: entries in Redis are sealed with it, and unsealed ones are ignored;
 * NULL: no sealing. */
struct epoch_floors *epoch_floors_new(struct loop *loop, struct redis *redis, const char *secret, size_t databases,
                                      const struct epoch_floors_events *events, void *owner);
void epoch_floors_free(struct epoch_floors **floors);
/* Never NULL; valid while the floors are. */
const struct epoch_floor *epoch_floors_of(const struct epoch_floors *floors, unsigned database);
/* Records what the database's primary, or someone who saw it, has reported. */
void epoch_floors_meet(struct epoch_floors *floors, unsigned database, const struct epoch_floor *met);
/* Reads Redis now. */
void epoch_floors_read(struct epoch_floors *floors);
/* Has Redis answered lately? */
bool epoch_floors_are_shared(const struct epoch_floors *floors);

/* Parses "<number>-<incarnation>". False: malformed. */
bool epoch_floor_parse(struct epoch_floor *out, struct slice epoch);
/* True: b is a different epoch than a, and not an earlier one. */
bool epoch_floor_ends(const struct epoch_floor *a, const struct epoch_floor *b);

#endif
