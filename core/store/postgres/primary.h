/* SPDX-License-Identifier: Apache-2.0 */
/* primary.h - the primary of one database, the global one or a shard's: which server it is, whether its log is the one
 * the fleet knows, and whether it can be used. core/store only.
 *
 * stoa_epoch begins a new epoch when the log is another one than before, or has gone back. To detect that, the primary
 * is asked for its epoch only after Redis and the other databases (postgres/witness.c) have reported how far this one
 * had got. Each new connection then proves that it leads to that log; so does each append, and a probe every second.
 */
#ifndef STORE_POSTGRES_PRIMARY_H
#define STORE_POSTGRES_PRIMARY_H

#include "loop/loop.h"
#include "store/store.h"

struct epoch_floor;
struct pool;
struct pool_proof;
struct postgres_store;
struct query;

/* closed: epoch unknown; asking: the epoch is being asked for; open: takes appends; lacking: epoch known, but
 * durability is below what is required, so it is only read; refused: wrong schema, or not the intended database.
 */
enum primary_state { PRIMARY_CLOSED, PRIMARY_ASKING, PRIMARY_OPEN, PRIMARY_LACKING, PRIMARY_REFUSED };
enum { LACKS_MAX = 80, REFUSED_MAX = 160 };

struct primary {
    struct postgres_store *store;
    unsigned number; /* of its floor: the shard's number; the global one comes after all shards */
    enum primary_state state;
    struct pool *pool;
    int64_t epoch; /* of the server that answered last */
    char epoch_text[STORE_EPOCH_MAX];
    char refused_for[REFUSED_MAX]; /* since it was last open */
    char lacks[LACKS_MAX];         /* why durability is too low, until it is open again; "": it is not */
    struct {
        unsigned waiting; /* for answers about this database from the others */
        void (*heard)(struct primary *primary);
        int64_t number, reached; /* what others are known to have recorded of this one */
        bool is_told;            /* a message about the others is on its way to this one */
    } witness;
    uint64_t asked_ms; /* start of the pending probe or proof */
    unsigned failures; /* consecutive failures of probes and proofs */
    struct loop_timer retry;
    void (*opened)(struct primary *primary);  /* its epoch is known; it may be lacking */
    bool has_answered, is_fenced, is_proving; /* fenced: its epoch is over: neither written to nor read */
};

void primary_init(struct primary *primary, struct postgres_store *store, unsigned number,
                  void (*opened)(struct primary *primary));
void primary_done(struct primary *primary);
bool primary_is_global(const struct primary *primary);
/* For its pool's connections. */
struct pool_proof primary_proof(struct primary *primary);
/* Marks the epoch unknown: appends wait until it is known. */
void primary_reopen(struct primary *primary);
/* Call when it may no longer be the right server: as primary_reopen, over new connections. No effect unless its epoch
 * is known. */
void primary_doubt(struct primary *primary);
/* Durability is too low; why says so. Nothing is written until that is over. */
void primary_lack(struct primary *primary, const char *why);
/* Is this epoch known to be over? */
bool primary_is_over(const struct primary *primary, int64_t epoch);
/* Checks that it is still the same server with the required durability, if it is open; calls primary_doubt
 * otherwise. */
void primary_prove(struct primary *primary);
/* The same check as part of the caller's write. take: would a write be acknowledged now? */
void primary_add_probe(const struct primary *primary, struct query *query);
bool primary_take_probe(struct primary *primary, const struct query *query);
/* A pending probe is late: after a while it counts as failed. */
void primary_miss(struct primary *primary);
/* Judged by the last probes; a single failure may be the network's. */
bool primary_works(const struct primary *primary);
/* How far its log is known to have got in its epoch. A server that takes a write must be at least there. */
int64_t primary_reached(const struct primary *primary);
/* Records that the log got that far in `epoch`, the epoch at the time of the question. */
void primary_reach(struct primary *primary, int64_t epoch, int64_t reached);
/* The SQL name. */
const char *primary_durability(const struct primary *primary);

#endif
