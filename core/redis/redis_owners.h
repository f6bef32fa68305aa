/* SPDX-License-Identifier: Apache-2.0 */
/* redis_owners.h - which server owns which slot. Without a Cluster one server owns all of them. */
#ifndef REDIS_REDIS_OWNERS_H
#define REDIS_REDIS_OWNERS_H

#include "base/slice.h"

struct redis;
struct redis_node;

struct slot_range {
    unsigned first, last;
    struct redis_node *node;
};
/* The whole truth: primaries are the nodes of these ranges, and no others. */
void redis_owners_set(struct redis *redis, const struct slot_range *ranges, size_t len);
/* One slot's (MOVED). */
void redis_owners_move(struct redis *redis, unsigned slot, struct redis_node *node);
/* ANY_SLOT: one that is ready, if there is. NULL: not known. */
struct redis_node *redis_owners_find(const struct redis *redis, unsigned slot);
/* The node that MOVED or ASK names; without a host it is the one that was asked, at another port. NULL: it names none.
 */
struct redis_node *redis_owners_redirected(struct redis *redis, const char *asked, struct slice error,
                                           unsigned *slot_r);
/* fn for each primary of now, with a short tag whose slot it has: "{tag}" in a key or a sharded topic leads there (for
 * probes through every server). Every process that sees the same slots gets the same tags. Without a Cluster: once. */
void redis_owners_each_tag(const struct redis *redis, void (*fn)(void *owner, struct slice tag), void *owner);

#endif
