/* SPDX-License-Identifier: Apache-2.0 */
/* backlog.h - what waits for a client that takes it slowly, charged to limits.outbound_bytes: when all of a worker hold
 * more than that together, who holds most is closed first. For this folder only.
 */
#ifndef SESSION_BACKLOG_H
#define SESSION_BACKLOG_H

struct session;

/* What waits for it now; the first time, from now on. May doom it. */
void backlog_charge(struct session *session);
/* Nothing waits any more. */
void backlog_release(struct session *session);

#endif
