/* SPDX-License-Identifier: Apache-2.0 */
/* seating.h - a session's seat among those of the worker (limit/admission.h): the seat of its transport. */
#ifndef SESSION_SEATING_H
#define SESSION_SEATING_H

#include <stdbool.h>

struct session;
struct share;

/* A session that is not let in gives its seat to a newcomer when all seats are taken. */
void seating_let_in(struct session *session, bool let_in);
/* The session has another transport. */
void seating_moved(struct session *session);
/* The share of the session's address; NULL: none. Valid until the session has another transport. */
struct share *seating_share(const struct session *session);

#endif
