/* SPDX-License-Identifier: Apache-2.0 */
/* coalesce.h - how long what leaves may wait for company: the frames of a fan-out for one write, appends for one
 * commit.
 *
 * A write costs its system call, a commit its transaction, and what leaves together shares one. The window weighs what
 * the writes would take if nothing waited: from the rate at which things arrive, not from what is being done, so that
 * what the window saves does not close it again. It says "write" and "client" for whatever costs, and whoever waits.
 * Pure: it knows numbers and the time that it is told, no clients and no loop.
 */
#ifndef BASE_COALESCE_H
#define BASE_COALESCE_H

#include <stdbool.h>
#include <stdint.h>

enum {
    COALESCE_AUTO = -1,
    COALESCE_REVIEW_MS = 100, /* between two decisions */
    COALESCE_MAX_MS = 1000,   /* of any setting */
    COALESCE_MEASURES = 8,    /* decisions between two measurements of what is usual */
    COALESCE_NEAR = 4         /* windows (of the most they may be): a client that got nothing for so long is not held */
};

/* Shares of the time that writing would take without a window: it opens above one, closes below the other, and is as
 * wide as brings it down to the third. */
struct coalesce_rule {
    double opens, closes, aim;
    double narrows;  /* so much of the way at a decision; it widens half way. Nothing has come: it closes at once */
    double write_ns; /* a write takes, until it is measured */
};

struct coalesce_settings {
    int fixed_ms;    /* COALESCE_AUTO, or always so long; 0: never */
    unsigned max_ms; /* of COALESCE_AUTO; 0: never */
};

/* What came since the last decision. */
struct coalesce_load {
    uint64_t writes;              /* clients and turns that had something for them */
    uint64_t followers;           /* of these: soon after the client's last */
    uint64_t gaps_ms;             /* the followers': time since that */
    uint64_t flushed, flushed_us; /* writes that were made, and the time they took */
    uint64_t gathered, squares;   /* frames in windows that passed to their end: their sum, the sum of their squares */
};

struct coalesce {
    const struct coalesce_rule *rule;
    struct coalesce_settings settings;
    struct coalesce_load load;
    uint64_t since_ms; /* of load */
    unsigned near_ms;
    double write_ns; /* a write takes */
    double width_ms; /* of COALESCE_AUTO */
    unsigned ms;     /* frames wait so long; 0: closed */
    unsigned usual;  /* so many gather in a whole window: none need wait for more; 0: not known, or being measured */
    unsigned measured, reviews;
};

/* The rule lives as long as the window. */
void coalesce_init(struct coalesce *window, const struct coalesce_rule *rule, const struct coalesce_settings *settings,
                   uint64_t now_ms);
void coalesce_set(struct coalesce *window, const struct coalesce_settings *settings);
/* Decides from the load since the last time. */
void coalesce_review(struct coalesce *window, uint64_t now_ms);

/* Something for a client has come. last_ms: the client's, 0 at first. So long may it wait. */
static inline unsigned coalesce_arrival(struct coalesce *window, uint64_t now_ms, uint32_t *last_ms) {
    uint32_t now = (uint32_t)now_ms, gap = now - *last_ms;
    if (window->settings.fixed_ms >= 0) return (unsigned)window->settings.fixed_ms;
    if (gap == 0) return window->ms; /* of the same turn */
    *last_ms = now;
    window->load.writes++;
    if (gap > window->near_ms) return 0;
    window->load.followers++;
    window->load.gaps_ms += gap;
    return window->ms;
}

/* A client with so many frames waiting is written to without waiting on: senders who wait for their own messages would
 * send no more. */
static inline bool coalesce_is_full(const struct coalesce *window, uint32_t frames) {
    return window->usual > 0 && frames >= window->usual;
}

/* A client's window has passed. */
static inline void coalesce_passed(struct coalesce *window, uint32_t frames) {
    window->load.gathered += frames;
    window->load.squares += (uint64_t)frames * frames;
}

static inline void coalesce_flushed(struct coalesce *window, unsigned writes, uint64_t us) {
    window->load.flushed += writes;
    window->load.flushed_us += us;
}

#endif
