/* SPDX-License-Identifier: Apache-2.0 */
/* timing.h - a session's deadlines, all on one timer, and the time when it began. */
#ifndef SESSION_TIMING_H
#define SESSION_TIMING_H

#include "loop/loop.h"

enum session_deadline {
    DEADLINE_PING,
    DEADLINE_PONG,
    DEADLINE_CONNECT,    /* no namespace was joined */
    DEADLINE_ATTACHMENT, /* an announced attachment did not come */
    DEADLINE_SLOW,       /* what is queued makes no progress */
    DEADLINE_UPGRADE,
    DEADLINE_NOOP,    /* releases the waiting poll while an upgrade is probed */
    DEADLINE_EXPIRES, /* the token expires */
    DEADLINE_CALM,    /* reading resumes after a flood */
    DEADLINE_LINGER,  /* a closing session waits for a last poll */
    DEADLINES
};

enum { DEADLINE_MAX_MS = 1 << 30 }; /* 12 days; a later deadline fires early */

/* The ping timings never change during a session: its client knows them from the handshake. */
struct session_timing {
    uint32_t ping_interval_ms, ping_timeout_ms;
    uint64_t opened_ms, expires_ms; /* loop's clock; expires_ms: DEADLINE_EXPIRES, even beyond DEADLINE_MAX_MS */
    struct loop_timer timer;        /* for the earliest deadline */
    uint32_t due_ms[DEADLINES];     /* the lower bits of the loop's time; 0: none */
    uint64_t ping_offset;           /* the last offset queued before the ping; 0: not known */
};

void timing_set(struct session_timing *timing, enum session_deadline deadline, uint64_t delay_ms);
void timing_clear(struct session_timing *timing, enum session_deadline deadline);
void timing_clear_all(struct session_timing *timing);
/* Finds and clears a deadline that has passed, from *deadline on. False: none. Call timing_arm afterwards. */
bool timing_take_due(struct session_timing *timing, enum session_deadline *deadline);
void timing_arm(struct session_timing *timing);

#endif
