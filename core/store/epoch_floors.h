/* epoch_floors.h - for each shard the highest epoch that any worker of the fleet has met. core/store only.
 *
 * Whatever answers with a lower one is an old primary that has come back: what it takes will be lost. Shared in Redis
 * as the hash stoa:{epochs}, a shard's number each: it is read each second, and written by who knows of a higher one.
 * What was met or read is kept: when Redis is away, or was emptied, workers go on with what they know, and say it
 * again.
 */
#ifndef STORE_EPOCH_FLOORS_H
#define STORE_EPOCH_FLOORS_H

#include <stddef.h>
#include <stdint.h>

struct epoch_floors;
struct loop;
struct redis;

/* From the loop, not within the call that caused it. */
struct epoch_floors_events {
    void (*settled)(void *owner);                /* once: Redis has answered, or will not soon */
    void (*raised)(void *owner, unsigned shard); /* by another worker */
};

/* redis: NULL: this worker knows what it meets. It and events outlive the floors. secret: what is in Redis is sealed
 * with it, and else not believed; NULL: none. */
struct epoch_floors *epoch_floors_new(struct loop *loop, struct redis *redis, const char *secret, size_t shards,
                                      const struct epoch_floors_events *events, void *owner);
void epoch_floors_free(struct epoch_floors **floors);
/* 0: none is known. */
int64_t epoch_floors_of(const struct epoch_floors *floors, unsigned shard);
/* The shard's primary says that this is its epoch. */
void epoch_floors_meet(struct epoch_floors *floors, unsigned shard, int64_t epoch);

#endif
