/* SPDX-License-Identifier: Apache-2.0 */
/* gather.h - how long appends wait for others of their shard, to share one commit (rule: coalesce.h).
 *
 * A lone append never waits. As commits get slow or appends frequent, appends that come close together wait. Pure: the
 * caller reports arrivals, their times, and how long commits took.
 */
#ifndef STORE_POSTGRES_GATHER_H
#define STORE_POSTGRES_GATHER_H

#include "base/coalesce.h"

enum { GATHER_AUTO = COALESCE_AUTO, GATHER_MAX_MS = 25 };

extern const struct coalesce_rule gather_rule;

struct gather {
    struct coalesce window;
    uint32_t last_ms; /* when the last append came */
    unsigned len;     /* appends since the last batch left */
};

/* gather_ms: GATHER_AUTO, or a fixed wait; 0: never wait. */
void gather_init(struct gather *gather, int gather_ms, uint64_t now_ms);
/* An append has come. Returns how long it and those before it may wait, counted from when the first of them came; 0:
 * send now. full: how many a batch takes. */
unsigned gather_arrival(struct gather *gather, uint64_t now_ms, unsigned full);
/* All waiting appends leave. whole: the first one's waiting time had run out. */
void gather_left(struct gather *gather, bool whole);
void gather_committed(struct gather *gather, uint64_t took_ms);

#endif
