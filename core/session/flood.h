/* SPDX-License-Identifier: Apache-2.0 */
/* flood.h - how many events one session may send, and what happens to a client that sends more.
 *
 * Each event has a cost, even if its handler charges no limit. A refusal costs more, and a script's error costs most.
 * Beyond hub_settings.events the server stops reading from the session until the cost is paid off, evenly over time.
 * Each further refused request is a violation. After many violations in a row reading pauses for a while, then the
 * session is closed.
 */
#ifndef SESSION_FLOOD_H
#define SESSION_FLOOD_H

#include <stdbool.h>

struct session;

enum { FLOOD_EVENT = 1, FLOOD_REFUSAL = 10, FLOOD_ERROR = 30 /* each in addition to the event's */ };

/* True: the session has spent more than its allowance. */
bool flood_charge(struct session *session, unsigned units);
/* The client exceeded a limit again. */
void flood_violation(struct session *session);
/* For DEADLINE_CALM: resumes reading, unless more must be paid. */
void flood_calm(struct session *session);

#endif
