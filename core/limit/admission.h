/* SPDX-License-Identifier: Apache-2.0 */
/* admission.h - admission control: which accepted sockets may become connections, decided before they cost anything.
 *
 * Four questions: is the worker full, does one crowd hold more than its share, do connections come faster than it can
 * greet them, does one crowd ask for more than its share? Whoever is refused hears when to come back, spread so that
 * the refused do not come back together. Who only sits there gives way to newcomers. A crowd is whom limits by address
 * count as one: an IPv4 address, a network of IPv6. It knows no users: whose connection it is, is asked later
 * (scripts/rate_limit.lua).
 */
#ifndef LIMIT_ADMISSION_H
#define LIMIT_ADMISSION_H

#include "base/address.h"
#include "limit/gcra.h"

struct admission_control;
struct address_crowd;
struct resting_seat;
struct share;

/* A count of 0: not limited. */
struct admission_settings {
    unsigned connections, connections_per_address; /* open at a time */
    struct rate rate;                              /* of all new ones */
    struct rate address_rate;                      /* of those of a crowd; generous: a school is one address */
    unsigned spread_s;                             /* Retry-After is this much random longer at most */
    unsigned ipv6_bits;                            /* of the networks that are crowds */
    const char *const *exceptions;                 /* networks whose addresses are of no crowd; copied */
    size_t exceptions_len;
};
struct admission_verdict {
    const char *refused;    /* NULL: admitted; "full", "address_full", "rate", "address" */
    unsigned retry_after_s; /* at least 1 when refused */
};
/* The place of a connection, or of a session that has none of its own; embedded. {0}: none is taken. */
struct seat {
    struct address_crowd *crowd;
    struct resting_seat *resting; /* NULL: somebody uses it */
};

struct admission_control *admission_new(struct loop *loop, const struct admission_settings *settings);
/* No seat may be taken any more. */
void admission_free(struct admission_control **control);
void admission_set(struct admission_control *control, const struct admission_settings *settings);
/* address: NULL when it is not known yet. Charges the rates and takes the seat if it admits. */
struct admission_verdict admission_ask(struct admission_control *control, const struct address *address,
                                       struct seat *seat);
/* Charges no rate. A seat that is taken already becomes the address's, or stays whose it was. */
struct admission_verdict admission_seat(struct admission_control *control, const struct address *address,
                                        struct seat *seat);
void admission_leave(struct seat *seat);
/* Nobody uses the seat. When all are taken, a newcomer gets the one that has rested longest, of the crowd of which most
 * rest (give or take half of them); whoever is of no crowd is one of their own. give_way: whoever has the seat leaves
 * it within the call. */
void admission_rest(struct seat *seat, void (*give_way)(struct seat *seat));
/* Somebody uses it. */
void admission_use(struct seat *seat);
/* What those of the seat's crowd hold (limit/memory_budget.h), until the seat is left or moved; NULL: it is of none. */
struct share *admission_share(const struct seat *seat);
/* False: the address is of none. */
bool admission_crowd(const struct admission_control *control, const struct address *address, struct network *crowd_r);

#endif
