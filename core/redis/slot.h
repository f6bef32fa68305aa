/* slot.h - where a key lives in a Cluster: CRC-16 of what its first {braces} enclose, else of all of it. */
#ifndef REDIS_SLOT_H
#define REDIS_SLOT_H

#include "base/slice.h"

enum { REDIS_SLOTS = 16384 };

struct redis;

/* 0 to REDIS_SLOTS - 1. */
unsigned redis_slot(struct slice key);
/* fn for each primary of now, with a short tag whose slot it has: "{tag}" in a key or a sharded topic leads there (for
 * probes through every server). Every process that sees the same slots gets the same tags. Without a Cluster: once. */
void redis_each_tag(const struct redis *redis, void (*fn)(void *owner, struct slice tag), void *owner);

#endif
