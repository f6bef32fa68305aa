/* SPDX-License-Identifier: Apache-2.0 */
/* flush.h - when each session is written to: at the end of the turn, or after its delivery window. For this folder
 * only.
 *
 * A session with something that must not wait (an acknowledgement, control) is flushed at the end of the turn, with
 * everything queued before it. Packets of fan-outs may wait for more packets (coalesce.h). A large fan-out is written
 * in slices, with a turn of the loop between them.
 */
#ifndef SESSION_FLUSH_H
#define SESSION_FLUSH_H

#include "base/coalesce.h"
#include "loop/loop.h"

struct session;

/* One a session: when it is written to, and what else happens then. */
struct flush_entry {
    struct list link;
    uint64_t due_ms;       /* held sessions are written to at this time */
    uint32_t delivered_ms; /* time of the last packet from a fan-out; the lower bits */
    int16_t doom;          /* reason with which the session will be closed; -1: none */
    bool held;             /* by the delivery window */
    bool slow;             /* DEADLINE_SLOW is set */
};

struct flush {
    struct loop *loop;
    struct list prompt, held; /* sessions, by flush.link; held: ordered by the time when they began to wait */
    struct loop_task task, more;
    struct loop_timer due, review;
    struct coalesce window;
};

enum { FLUSH_SLICE = 128 }; /* sessions written to in one turn */

/* Decides when broadcasts wait. */
extern const struct coalesce_rule flush_rule;

void flush_init(struct flush *flush, struct loop *loop);
void flush_set(struct flush *flush, const struct coalesce_settings *settings);
void flush_done(struct flush *flush);

/* At the end of this turn. */
void flush_soon(struct session *session);
/* After the delivery window: more packets may follow. */
void flush_held(struct session *session);
/* The session is being written to, or is gone. */
void flush_forget(struct session *session);

#endif
