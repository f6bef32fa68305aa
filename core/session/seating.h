/* SPDX-License-Identifier: Apache-2.0 */
/* seating.h - the place that a session takes of those that a worker has (limit/admission.h): that of its transport. */
#ifndef SESSION_SEATING_H
#define SESSION_SEATING_H

#include <stdbool.h>

struct session;
struct share;

/* Whoever has not been let in gives way to a newcomer when all places are taken. */
void seating_let_in(struct session *session, bool let_in);
/* The session has another transport. */
void seating_moved(struct session *session);
/* What its address holds; NULL: it is of none. Until it has another transport. */
struct share *seating_share(const struct session *session);

#endif
