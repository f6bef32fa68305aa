/* SPDX-License-Identifier: Apache-2.0 */
/* flush.h - when each session is written to: at the turn's end, or when its window has passed. For this folder only.
 *
 * A session with something that must not wait (an acknowledgement, control) is flushed at the end of the turn, with all
 * that waits before it. What fan-outs bring may wait for more of it (coalesce.h). A large fan-out is written in slices,
 * between which the loop has its turn.
 */
#ifndef SESSION_FLUSH_H
#define SESSION_FLUSH_H

#include "base/coalesce.h"
#include "loop/loop.h"

struct session;

/* A session's own: when it is written to, and what else happens then. */
struct flush_entry {
    struct list link;
    uint64_t due_ms;       /* held: written to then */
    uint32_t delivered_ms; /* when a fan-out last had something for it; the lower bits */
    int16_t doom;          /* the close reason that it will carry out; -1: none */
    bool held;             /* by the delivery window */
    bool slow;             /* DEADLINE_SLOW is set */
};

struct flush {
    struct loop *loop;
    struct list prompt, held; /* sessions, by flush.link; held ones by the time when they began to wait */
    struct loop_task task, more;
    struct loop_timer due, review;
    struct coalesce window;
};

enum { FLUSH_SLICE = 128 }; /* sessions written to in one turn */

/* When broadcasts wait. */
extern const struct coalesce_rule flush_rule;

void flush_init(struct flush *flush, struct loop *loop);
void flush_set(struct flush *flush, const struct coalesce_settings *settings);
void flush_done(struct flush *flush);

/* At the end of this turn. */
void flush_soon(struct session *session);
/* When it may: more may come for it. */
void flush_held(struct session *session);
/* It is being written to, or has gone. */
void flush_forget(struct session *session);

#endif
