/* seating.h - the place that a session takes of those that a worker has (limit/admission.h): that of its transport. */
#ifndef SESSION_SEATING_H
#define SESSION_SEATING_H

#include <stdbool.h>

struct session;
struct share;

/* A stranger has not been let in by anybody: their place goes to a newcomer when all are taken. */
void seating_set_stranger(struct session *session, bool stranger);
/* What its address holds; NULL: it is of none. Until it has another transport. */
struct share *seating_share(const struct session *session);

#endif
