/* SPDX-License-Identifier: Apache-2.0 */
/* gather.h - how long appends wait for others of their shard, to be one commit with them (coalesce.h has the rule).
 *
 * One that comes alone never waits. As commits get slow or thick, those that come close upon each other do. Pure: it is
 * told what comes, when, and how long commits took.
 */
#ifndef STORE_POSTGRES_GATHER_H
#define STORE_POSTGRES_GATHER_H

#include "base/coalesce.h"

enum { GATHER_AUTO = COALESCE_AUTO, GATHER_MAX_MS = 25 };

extern const struct coalesce_rule gather_rule;

struct gather {
    struct coalesce window;
    uint32_t last_ms; /* when one came last */
    unsigned len;     /* so many have come since the last batch left */
};

/* gather_ms: GATHER_AUTO, or always so long; 0: never. */
void gather_init(struct gather *gather, int gather_ms, uint64_t now_ms);
/* One has come. It, and all that came before it, may wait so long from when the first of them came; 0: no longer. full:
 * as many as a batch takes. */
unsigned gather_arrival(struct gather *gather, uint64_t now_ms, unsigned full);
/* All that have come leave; whole: when the time of the first was over. */
void gather_left(struct gather *gather, bool whole);
void gather_committed(struct gather *gather, uint64_t took_ms);

#endif
