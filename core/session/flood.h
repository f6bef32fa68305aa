/* SPDX-License-Identifier: Apache-2.0 */
/* flood.h - what one session may ask of the server, and what becomes of a client that asks for more.
 *
 * An event costs something, whatever its handler takes from limits or forgets to; an answer that refuses costs more,
 * and a script's error most. Beyond hub_settings.events the session is not read until it has paid, evenly over time.
 * What it goes on to ask in vain is a violation: after many, one after the other, it is not read for a while, then
 * closed.
 */
#ifndef SESSION_FLOOD_H
#define SESSION_FLOOD_H

#include <stdbool.h>

struct session;

enum { FLOOD_EVENT = 1, FLOOD_REFUSAL = 10, FLOOD_ERROR = 30 /* each beside the event's */ };

/* True: it has spent more than it may. */
bool flood_charge(struct session *session, unsigned units);
/* The client has gone beyond a limit once more. */
void flood_violation(struct session *session);
/* DEADLINE_CALM: reads on, unless there is more to pay. */
void flood_calm(struct session *session);

#endif
