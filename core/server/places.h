/* places.h - the places of a server's workers: what outlives a worker, and what the others must know of it.
 *
 * The master opens them before the first fork, so that every process has all descriptors. A place has listening
 * sockets (each of a SO_REUSEPORT group, when there are several places), an inbox for connections (net/handover.h), a
 * name, and a state in shared memory: of the worker in it, but for PLACE_EMPTY, which the master says.
 */
#ifndef SERVER_PLACES_H
#define SERVER_PLACES_H

#include "base/error.h"
#include "base/ids.h"
#include "base/slice.h"

enum { PLACES_MAX = 256, PLACE_NAME_LEN = ID_OWNER_LEN, PLACE_PARTS_MAX = 257 /* databases: shards and one */ };

/* degraded: ready, but not all that it works with is well */
enum place_state {
    PLACE_EMPTY,
    PLACE_STARTING,
    PLACE_READY,
    PLACE_DEGRADED,
    PLACE_FAILING,
    PLACE_DRAINING,
    PLACE_STATES
};

struct places;

/* NULL: one of the addresses (server/listen.h) cannot be listened on; error_r without the key's name. With several
 * places a port that another process listens on is refused, too, although the kernel would let us share it. */
struct places *places_new(unsigned len, const char *const *addresses, size_t addresses_len, int backlog,
                          struct error *error_r) MUST_CHECK;
void places_free(struct places **places);
unsigned places_len(const struct places *places);

/* Places listen there, too: for metrics (metrics.listen). False: as above. */
bool places_listen_for_metrics(struct places *places, const char *const *addresses, size_t len, int backlog,
                               struct error *error_r) MUST_CHECK;

/* The place's sockets in turn; -1: there is none with that number, or they are closed. */
int places_listen_fd(const struct places *places, unsigned place, unsigned number);
int places_metrics_fd(const struct places *places, unsigned place, unsigned number);
/* Where they listen, separated by commas; for metrics "" if none do. */
void places_addresses(const struct places *places, char *addresses_r, size_t len);
void places_metrics_addresses(const struct places *places, char *addresses_r, size_t len);
/* Closes this process's copies; the port is free when all have done so. */
void places_close_listening(struct places *places);
/* Before the last process closes them: the names of Unix sockets go. */
void places_remove_names(const struct places *places);
/* Where the worker of that place receives connections. */
int places_inbox(const struct places *places, unsigned place);
/* Where to send a connection for that session: -1 when it is none of another running worker of this server. */
int places_inbox_of(const struct places *places, unsigned own, struct slice session_id);
/* What the ids of the sessions of that place begin with: 24 random bits are the server's, the rest says which place. */
void places_name(const struct places *places, unsigned place, char name_r[PLACE_NAME_LEN + 1]);

void places_show(struct places *places, unsigned place, enum place_state state);
/* The database of that number takes the place's writes, or does not. */
void places_show_part(struct places *places, unsigned place, unsigned part, bool works);
/* False: some worker that runs shows that it does not. */
bool places_part_works(const struct places *places, unsigned part);
/* How many are in that state. */
unsigned places_count(const struct places *places, enum place_state state);

#endif
