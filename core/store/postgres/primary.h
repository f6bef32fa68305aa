/* SPDX-License-Identifier: Apache-2.0 */
/* primary.h - the primary of one database, the global one or a shard's: which server it is, whether its log is
 * the one that the fleet knows, and whether it is fit to be asked. core/store only.
 *
 * An epoch begins for whatever is another log than the last, or has gone back (stoa_epoch). To know that, it is asked
 * for only after Redis and the other databases (postgres/witness.c) have told how far this one had got. Each connection
 * then proves that it leads to that log, each append proves it again, and so does a probe, every second.
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

/* closed: its epoch is not known; asking: it is asked for; open: takes appends; lacking: its epoch is known, but it
 * keeps less than it should, and is only read; refused: wrong schema, or another database than the one that is meant.
 */
enum primary_state { PRIMARY_CLOSED, PRIMARY_ASKING, PRIMARY_OPEN, PRIMARY_LACKING, PRIMARY_REFUSED };
enum { LACKS_MAX = 80, REFUSED_MAX = 160 };

struct primary {
    struct postgres_store *store;
    unsigned number; /* of its floor: a shard's, or after all shards */
    enum primary_state state;
    struct pool *pool;
    int64_t epoch; /* of the server that answered last */
    char epoch_text[STORE_EPOCH_MAX];
    char refused_for[REFUSED_MAX]; /* since it was open last */
    char lacks[LACKS_MAX];         /* why it keeps less than it should, until it is open again; "": it does not */
    struct {
        unsigned waiting; /* for others to tell of this one */
        void (*heard)(struct primary *primary);
        int64_t number, reached; /* what others are known to know of this one */
        bool is_told;            /* this one, of others: now */
    } witness;
    uint64_t asked_ms; /* the last probe or proof that is under way */
    unsigned failures; /* of the last of them, one after the other */
    struct loop_timer retry;
    void (*opened)(struct primary *primary);  /* its epoch is known; it may be lacking */
    bool has_answered, is_fenced, is_proving; /* fenced: its epoch is over: it is neither written to nor read */
};

void primary_init(struct primary *primary, struct postgres_store *store, unsigned number,
                  void (*opened)(struct primary *primary));
void primary_done(struct primary *primary);
bool primary_is_global(const struct primary *primary);
/* For its pool. */
struct pool_proof primary_proof(struct primary *primary);
/* The epoch is not known any more: appends wait until it is. */
void primary_reopen(struct primary *primary);
/* It may not be the right server any more: likewise, over new connections. Nothing unless its epoch is known. */
void primary_doubt(struct primary *primary);
/* It keeps less than it should, and why: nothing is written to it until that is over. */
void primary_lack(struct primary *primary, const char *why);
/* Is it known by now that this epoch is over? */
bool primary_is_over(const struct primary *primary, int64_t epoch);
/* Asks whether it still is what it was, and keeps what it should, if it is open; doubts it otherwise. */
void primary_prove(struct primary *primary);
/* The same with a write, by the caller; take: would a write be acknowledged now? */
void primary_add_probe(const struct primary *primary, struct query *query);
bool primary_take_probe(struct primary *primary, const struct query *query);
/* One is under way, and should have been answered: counts as failed after a while. */
void primary_miss(struct primary *primary);
/* By the last of them; one that failed alone may have been the network's. */
bool primary_works(const struct primary *primary);
/* How far its log is known to have got in its epoch: what takes a write must be there, or further. */
int64_t primary_reached(const struct primary *primary);
/* It got so far, in the epoch that it had when that was asked. */
void primary_reach(struct primary *primary, int64_t epoch, int64_t reached);
/* As SQL has it. */
const char *primary_durability(const struct primary *primary);

#endif
