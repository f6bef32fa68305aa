/* SPDX-License-Identifier: Apache-2.0 */
/* backlog.h - bytes queued for a slow client, charged to limits.outbound_bytes. When all queued bytes of a worker
 * exceed that limit, the client with the most is closed first. For this folder only. */
#ifndef SESSION_BACKLOG_H
#define SESSION_BACKLOG_H

struct session;

/* Charges what is queued now. The first call begins the accounting. May doom the session. */
void backlog_charge(struct session *session);
/* Nothing is queued any more. */
void backlog_release(struct session *session);

#endif
