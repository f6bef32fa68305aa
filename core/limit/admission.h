/* admission.h - admission control: which accepted sockets may become connections, decided before they cost anything.
 *
 * Three questions: is the worker full, do connections come faster than it can greet them, does one address (IPv6: one
 * /64) ask for more than its share? Whoever is refused hears when to come back, spread so that the refused do not come
 * back together. It knows no users: whose connection it is, is asked later (scripts/rate_limit.lua).
 */
#ifndef LIMIT_ADMISSION_H
#define LIMIT_ADMISSION_H

#include "limit/gcra.h"

struct address;
struct admission_control;

/* A count of 0: not limited. */
struct admission_settings {
    unsigned connections;     /* open at a time */
    struct rate rate;         /* of all new ones */
    struct rate address_rate; /* of those from one address; generous: a school is one address */
    unsigned spread_s;        /* Retry-After is this much random longer at most */
};
struct admission_verdict {
    const char *refused;    /* NULL: admitted; "full", "rate", "address" */
    unsigned retry_after_s; /* at least 1 when refused */
};

struct admission_control *admission_new(struct loop *loop, const struct admission_settings *settings);
void admission_free(struct admission_control **control);
void admission_set(struct admission_control *control, const struct admission_settings *settings);
const struct admission_settings *admission_settings_of(const struct admission_control *control);
/* open: connections at present. Charges the rates if it admits. */
struct admission_verdict admission_ask(struct admission_control *control, const struct address *address, unsigned open);

#endif
