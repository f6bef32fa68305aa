/* SPDX-License-Identifier: Apache-2.0 */
/* admission.h - admission control: decides which accepted sockets may become connections, before they cost anything.
 *
 * It checks four limits: connections of the worker, connections of one crowd, rate of new connections, and rate of one
 * crowd. A refused client is told when to come back, at a random delay so that refused clients do not return together.
 * Idle seats give way to newcomers. A crowd is what limits by address count as one: an IPv4 address or an IPv6 network.
 * Admission knows no users: scripts/rate_limit.lua limits them later.
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
    struct rate rate;                              /* of all new connections */
    struct rate address_rate;      /* of new connections of a crowd; should be generous: a school is one address */
    unsigned spread_s;             /* Retry-After has a random addition of at most this */
    unsigned ipv6_bits;            /* prefix length of an IPv6 crowd */
    const char *const *exceptions; /* networks whose addresses belong to no crowd; copied */
    size_t exceptions_len;
};
struct admission_verdict {
    const char *refused;    /* NULL: admitted; "full", "address_full", "rate", "address" */
    unsigned retry_after_s; /* at least 1 when refused */
};
/* The seat of a connection, or of a session without a connection of its own; embedded. {0}: not taken. */
struct seat {
    struct address_crowd *crowd;
    struct resting_seat *resting; /* NULL: it is in use */
};

struct admission_control *admission_new(struct loop *loop, const struct admission_settings *settings);
/* All seats must have been left. */
void admission_free(struct admission_control **control);
void admission_set(struct admission_control *control, const struct admission_settings *settings);
/* address: NULL when it is not known yet. Charges the rates and takes the seat if it admits. */
struct admission_verdict admission_ask(struct admission_control *control, const struct address *address,
                                       struct seat *seat);
/* Charges no rate. A seat that is taken already moves to the address's crowd; if refused, it stays as it was. */
struct admission_verdict admission_seat(struct admission_control *control, const struct address *address,
                                        struct seat *seat);
void admission_leave(struct seat *seat);
/* Marks the seat as idle. When all seats are taken, a newcomer gets the seat that has been idle longest, of the crowd
 * with most idle seats (give or take half of them). A seat without a crowd counts as a crowd of one. give_way: the
 * holder must call admission_leave within it. */
void admission_rest(struct seat *seat, void (*give_way)(struct seat *seat));
/* Marks the seat as in use. */
void admission_use(struct seat *seat);
/* The share (limit/memory_budget.h) of the seat's crowd, valid until the seat is left or moved; NULL: it has no crowd.
 */
struct share *admission_share(const struct seat *seat);
/* False: the address belongs to no crowd. */
bool admission_crowd(const struct admission_control *control, const struct address *address, struct network *crowd_r);

#endif
