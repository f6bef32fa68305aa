/* SPDX-License-Identifier: Apache-2.0 */
/* gather_window.h - how long appends wait for others of their shard, to share one commit (rule: coalesce.h).
 *
 * A lone append never waits. As commits get slow or appends frequent, appends that come close together wait. Pure: the
 * caller reports arrivals, their times, and how long commits took.
 */
#ifndef STORE_POSTGRES_GATHER_WINDOW_H
#define STORE_POSTGRES_GATHER_WINDOW_H

#include "base/coalesce.h"

enum { GATHER_WINDOW_AUTO = COALESCE_AUTO, GATHER_WINDOW_MAX_MS = 25 };

extern const struct coalesce_rule gather_rule;

struct gather_window {
    struct coalesce window;
    uint32_t last_ms; /* when the last append came */
    unsigned len;     /* appends since the last batch left */
};

/* gather_ms: GATHER_WINDOW_AUTO, or a fixed wait; 0: never wait. */
void gather_window_init(struct gather_window *gather, int gather_ms, uint64_t now_ms);
/* An append has come. Returns how long it and those before it may wait, counted from when the first of them came; 0:
 * send now. full: how many a batch takes. */
unsigned gather_window_arrival(struct gather_window *gather, uint64_t now_ms, unsigned full);
/* All waiting appends leave. whole: the first one's waiting time had run out. */
void gather_window_left(struct gather_window *gather, bool whole);
void gather_window_committed(struct gather_window *gather, uint64_t took_ms);

#endif
