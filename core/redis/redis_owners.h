/* SPDX-License-Identifier: Apache-2.0 */
/* redis_owners.h - maps slots to servers. Without a Cluster one server owns all slots. */
#ifndef REDIS_REDIS_OWNERS_H
#define REDIS_REDIS_OWNERS_H

#include "base/slice.h"

struct redis;
struct redis_node;

struct slot_range {
    unsigned first, last;
    struct redis_node *node;
};
/* Replaces all owners: exactly the nodes of these ranges are primaries. */
void redis_owners_set(struct redis *redis, const struct slot_range *ranges, size_t len);
/* Changes the owner of one slot (MOVED). */
void redis_owners_move(struct redis *redis, unsigned slot, struct redis_node *node);
/* ANY_SLOT: a ready primary, if there is one. NULL: unknown. */
struct redis_node *redis_owners_find(const struct redis *redis, unsigned slot);
/* The node named by MOVED or ASK; without a host it is the host that was asked, at another port. NULL: none is named.
 */
struct redis_node *redis_owners_redirected(struct redis *redis, const char *asked, struct slice error,
                                           unsigned *slot_r);
/* Calls fn for each current primary, with a short tag that hashes to one of its slots: "{tag}" in a key or a sharded
 * topic leads there (for probes through every server). Processes that see the same slots get the same tags. Without a
 * Cluster: once. */
void redis_owners_each_tag(const struct redis *redis, void (*fn)(void *owner, struct slice tag), void *owner);

#endif
