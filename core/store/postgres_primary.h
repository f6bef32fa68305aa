/* postgres_primary.h - the primary of one database, the global one or a shard's: its epoch, and whether it is fit to be
 * asked. core/store only. */
#ifndef STORE_POSTGRES_PRIMARY_H
#define STORE_POSTGRES_PRIMARY_H

#include "loop/loop.h"
#include "store/store.h"

struct pool;
struct postgres_store;
struct query;

/* closed: its epoch is not known; asking: it is asked for; open: takes appends; refused: wrong schema or durability. */
enum primary_state { PRIMARY_CLOSED, PRIMARY_ASKING, PRIMARY_OPEN, PRIMARY_REFUSED };

struct primary {
    struct postgres_store *store;
    unsigned number; /* of its floor */
    enum primary_state state;
    struct pool *pool;
    int64_t epoch; /* of the server that answered last */
    char epoch_text[STORE_EPOCH_MAX];
    struct loop_timer retry;
    void (*opened)(struct primary *primary); /* its epoch is known */
    bool has_answered, is_fenced;            /* fenced: its epoch is over: it is neither written to nor read */
};

void primary_init(struct primary *primary, struct postgres_store *store, unsigned number,
                  void (*opened)(struct primary *primary));
void primary_done(struct primary *primary);
/* The epoch is not known any more: appends wait until it is. */
void primary_reopen(struct primary *primary);
/* It may not be the primary's any more: likewise, over new connections. Nothing unless it is open. */
void primary_doubt(struct primary *primary);
/* Is it known by now that this epoch is over? */
bool primary_is_over(const struct primary *primary, int64_t epoch);

#endif
