/* SPDX-License-Identifier: Apache-2.0 */
/* backend.h - one connection to a server, in pipeline mode: it takes queries, and hands each back with its outcome.
 *
 * Nothing in it waits: names are resolved by the loop, hosts and addresses are tried in turn, each for a time of its
 * own; what cannot be written stays until the socket takes it. A backend that breaks hands back all that it held, then
 * says so, and is freed at the end of the turn.
 */
#ifndef POSTGRES_BACKEND_H
#define POSTGRES_BACKEND_H

#include <stdbool.h>
#include <stdint.h>

struct backend;
struct loop;
struct query;
struct resolver;
struct target;

struct backend_events {
    /* Queries may be sent. host: the index of the target's host that was reached. */
    void (*ready)(void *owner, struct backend *backend, unsigned host);
    /* Returns the query to its owner, with its outcome set. */
    void (*finished)(void *owner, struct backend *backend, struct query *query);
    /* The connection ended; reason is valid during the call only. */
    void (*closed)(void *owner, struct backend *backend, const char *reason);
};

struct backend_settings {
    struct loop *loop;
    struct resolver *resolver;
    const struct target *target; /* must outlive the backend */
    unsigned first_host;         /* tried first */
    unsigned connect_timeout_ms; /* for each address */
    const struct backend_events *events;
    void *owner;
};

/* Begins to connect; the events come later, from the loop. */
struct backend *backend_new(const struct backend_settings *settings);
/* Takes the query. It must be ready. The query's due_ms is set. */
void backend_send(struct backend *backend, struct query **query);
unsigned backend_in_flight(const struct backend *backend);
/* So long has the first of them been waited for, and those behind it with it. */
uint64_t backend_held_up_ms(const struct backend *backend);
bool backend_is_ready(const struct backend *backend);
/* When it became ready, and when it was used last; of the loop's clock. */
uint64_t backend_born_ms(const struct backend *backend);
uint64_t backend_used_ms(const struct backend *backend);
/* Accepts no more queries; closes when those in flight have ended. */
void backend_doom(struct backend *backend, const char *reason);
bool backend_is_doomed(const struct backend *backend);
/* Closes at once. Queries in flight come back UNKNOWN. */
void backend_close(struct backend *backend, const char *reason);

#endif
