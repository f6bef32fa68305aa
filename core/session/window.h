/* window.h - how long the frames of a fan-out wait for company: the adaptive delivery window.
 *
 * A delivery costs its system call, and frames that leave together share one. The window weighs what the deliveries
 * would cost if each client were written to in each turn that has something for it: from the rate at which they
 * arrive, not from how busy the loop is, so that what the window saves does not close it again. Pure: it knows numbers
 * and the time that it is told, no clients and no loop.
 */
#ifndef SESSION_WINDOW_H
#define SESSION_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

enum {
    WINDOW_AUTO = -1,
    WINDOW_REVIEW_MS = 100, /* between two decisions */
    WINDOW_MAX_MS = 1000,   /* of any setting */
    WINDOW_MEASURES = 8,    /* decisions between two measurements of what is usual */
    WINDOW_NEAR = 4         /* windows (of the most they may be): a client that got nothing for so long is not held */
};

struct window_settings {
    int fixed_ms;    /* WINDOW_AUTO, or always so long; 0: never */
    unsigned max_ms; /* of WINDOW_AUTO; 0: never */
};

/* What came since the last decision. */
struct window_load {
    uint64_t writes;              /* clients and turns that had something for them */
    uint64_t followers;           /* of these: soon after the client's last */
    uint64_t gaps_ms;             /* the followers': time since that */
    uint64_t flushed, flushed_us; /* writes that were made, and the time they took */
    uint64_t gathered, squares;   /* frames in windows that passed to their end: their sum, the sum of their squares */
};

struct window {
    struct window_settings settings;
    struct window_load load;
    uint64_t since_ms; /* of load */
    unsigned near_ms;
    unsigned write_ns; /* a write takes */
    unsigned ms;       /* frames wait so long; 0: closed */
    unsigned usual;    /* so many gather in a whole window: none need wait for more; 0: not known, or being measured */
    unsigned measured, reviews;
};

void window_init(struct window *window, const struct window_settings *settings, uint64_t now_ms);
void window_set(struct window *window, const struct window_settings *settings);
/* Decides from the load since the last time. */
void window_review(struct window *window, uint64_t now_ms);

/* Something for a client has come. last_ms: the client's, 0 at first. So long may it wait. */
static inline unsigned window_arrival(struct window *window, uint64_t now_ms, uint32_t *last_ms) {
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
static inline bool window_is_full(const struct window *window, uint32_t frames) {
    return window->usual > 0 && frames >= window->usual;
}

/* A client's window has passed. */
static inline void window_passed(struct window *window, uint32_t frames) {
    window->load.gathered += frames;
    window->load.squares += (uint64_t)frames * frames;
}

static inline void window_flushed(struct window *window, unsigned writes, uint64_t us) {
    window->load.flushed += writes;
    window->load.flushed_us += us;
}

#endif
