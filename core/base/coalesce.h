/* SPDX-License-Identifier: Apache-2.0 */
/* coalesce.h - how long output waits so that it can share a system call: frames of a fan-out share a write, appends
 * share a commit.
 *
 * A write costs a system call, a commit a transaction; output that leaves together pays once. The window estimates the
 * cost of writes without waiting. It uses the arrival rate, not the writes made, so that its own savings do not close
 * it. "write" means any costly operation, "client" anything that waits. Pure: it knows numbers and the time passed in,
 * no clients and no loop.
 */
#ifndef BASE_COALESCE_H
#define BASE_COALESCE_H

#include <stdbool.h>
#include <stdint.h>

enum {
    COALESCE_AUTO = -1,
    COALESCE_REVIEW_MS = 100, /* between two decisions */
    COALESCE_MAX_MS = 1000,   /* upper limit of any setting */
    COALESCE_MEASURES = 8,    /* decisions between two measurements of the usual number */
    COALESCE_NEAR = 4         /* windows of maximum width: a client that got nothing for so long does not wait */
};

/* Shares of time spent writing. The window opens when the share without a window is above opens and closes when it is
 * below closes; its width aims at the share aim. */
struct coalesce_rule {
    double opens, closes, aim;
    double narrows;  /* fraction of the way per decision (widening: one half). Nothing arrived: closes at once */
    double write_ns; /* assumed time of a write until one is measured */
};

struct coalesce_settings {
    int fixed_ms;    /* COALESCE_AUTO, or a fixed width; 0: never waits */
    unsigned max_ms; /* upper limit for COALESCE_AUTO; 0: never waits */
};

/* What arrived since the last decision. */
struct coalesce_load {
    uint64_t writes;              /* pairs of client and turn with output */
    uint64_t followers;           /* of these: soon after the client's previous one */
    uint64_t gaps_ms;             /* sum of the followers' times since the previous one */
    uint64_t flushed, flushed_us; /* writes made, and their total time */
    uint64_t gathered, squares;   /* frames in windows that ran full length: sum, sum of squares */
};

struct coalesce {
    const struct coalesce_rule *rule;
    struct coalesce_settings settings;
    struct coalesce_load load;
    uint64_t since_ms; /* start of load */
    unsigned near_ms;
    double write_ns; /* measured time of a write */
    double width_ms; /* with COALESCE_AUTO */
    unsigned ms;     /* how long frames wait; 0: closed */
    unsigned usual;  /* usual frames per full window: no need to wait for more; 0: unknown, or being measured */
    unsigned measured, reviews;
};

/* The rule must outlive the window. */
void coalesce_init(struct coalesce *window, const struct coalesce_rule *rule, const struct coalesce_settings *settings,
                   uint64_t now_ms);
void coalesce_set(struct coalesce *window, const struct coalesce_settings *settings);
/* Decides from the load since the last decision. */
void coalesce_review(struct coalesce *window, uint64_t now_ms);

/* Output for a client has arrived. last_ms belongs to the client, 0 at first. Returns how long it may wait. */
static inline unsigned coalesce_arrival(struct coalesce *window, uint64_t now_ms, uint32_t *last_ms) {
    uint32_t now = (uint32_t)now_ms, gap = now - *last_ms;
    if (window->settings.fixed_ms >= 0) return (unsigned)window->settings.fixed_ms;
    if (gap == 0) return window->ms; /* same turn */
    *last_ms = now;
    window->load.writes++;
    if (gap > window->near_ms) return 0;
    window->load.followers++;
    window->load.gaps_ms += gap;
    return window->ms;
}

/* A client with that many waiting frames is written to at once: senders who wait for their own messages would send no
 * more. */
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
