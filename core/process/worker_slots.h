/* SPDX-License-Identifier: Apache-2.0 */
/* worker_slots.h - the slots of a server's workers: what outlives a worker process, and the state that it shares with
 * the others.
 *
 * The master opens them before the first fork, so that every process has all descriptors. A slot has listening sockets
 * (in a SO_REUSEPORT group if there are several slots), an inbox for connections (net/handover.h), a name, and a state
 * in shared memory. The slot's worker writes the state; the master writes WORKER_SLOT_EMPTY.
 */
#ifndef PROCESS_WORKER_SLOTS_H
#define PROCESS_WORKER_SLOTS_H

#include "base/error.h"
#include "base/ids.h"
#include "base/slice.h"

enum {
    WORKER_SLOTS_MAX = 256,
    WORKER_SLOT_NAME_LEN = ID_OWNER_LEN,
    WORKER_SLOT_PARTS_MAX = 257 /* databases: shards and one */
};

/* degraded: ready, but a service that it uses has a problem */
enum worker_slot_state {
    WORKER_SLOT_EMPTY,
    WORKER_SLOT_STARTING,
    WORKER_SLOT_READY,
    WORKER_SLOT_DEGRADED,
    WORKER_SLOT_FAILING,
    WORKER_SLOT_DRAINING,
    WORKER_SLOT_STATES
};

struct worker_slots;

/* NULL: one of the addresses (process/listen.h) cannot be listened on; error_r without the key's name. With several
 * places a port that another process listens on is refused, too, although the kernel would let us share it. */
struct worker_slots *worker_slots_new(unsigned len, const char *const *addresses, size_t addresses_len, int backlog,
                                      struct error *error_r) MUST_CHECK;
void worker_slots_free(struct worker_slots **slots);
unsigned worker_slots_len(const struct worker_slots *slots);

/* The slots also listen there, for metrics (metrics.listen). False: as above. */
bool worker_slots_listen_for_metrics(struct worker_slots *slots, const char *const *addresses, size_t len, int backlog,
                                     struct error *error_r) MUST_CHECK;

/* The slot's socket of that number, from 0; -1: no such socket, or closed. */
int worker_slots_listen_fd(const struct worker_slots *slots, unsigned slot, unsigned number);
int worker_slots_metrics_fd(const struct worker_slots *slots, unsigned slot, unsigned number);
/* Where they listen, separated by commas; for metrics "" if none do. */
void worker_slots_addresses(const struct worker_slots *slots, char *addresses_r, size_t len);
void worker_slots_metrics_addresses(const struct worker_slots *slots, char *addresses_r, size_t len);
/* Closes this process's copies; the port is free when all have done so. */
void worker_slots_close_listening(struct worker_slots *slots);
/* Removes the files of Unix sockets; call before the last process closes them. */
void worker_slots_remove_names(const struct worker_slots *slots);
/* The inbox in which that slot's worker receives connections. */
int worker_slots_inbox(const struct worker_slots *slots, unsigned slot);
/* The inbox for that session's connections; -1: the session belongs to no other running worker of this server. */
int worker_slots_inbox_of(const struct worker_slots *slots, unsigned own, struct slice session_id);
/* The prefix of that slot's session ids: 24 random bits for the server, the rest for the slot. */
void worker_slots_name(const struct worker_slots *slots, unsigned slot, char name_r[WORKER_SLOT_NAME_LEN + 1]);

void worker_slots_show(struct worker_slots *slots, unsigned slot, enum worker_slot_state state);
/* Publishes whether the database of that number takes this slot's writes. */
void worker_slots_show_part(struct worker_slots *slots, unsigned slot, unsigned part, bool works);
/* False: at least one running worker reports that it does not. */
bool worker_slots_part_works(const struct worker_slots *slots, unsigned part);
/* The number of slots in that state. */
unsigned worker_slots_count(const struct worker_slots *slots, enum worker_slot_state state);

#endif
