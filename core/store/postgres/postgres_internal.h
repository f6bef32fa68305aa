/* SPDX-License-Identifier: Apache-2.0 */
/* postgres_internal.h - what the files of the PostgreSQL store share. core/store only. */
#ifndef STORE_POSTGRES_POSTGRES_INTERNAL_H
#define STORE_POSTGRES_POSTGRES_INTERNAL_H

#include "loop/loop.h"
#include "postgres/pool.h"
#include "postgres/query.h"
#include "store/postgres/migrate.h"
#include "store/postgres/primary.h"
#include "store/postgres/store_postgres.h"
#include "store/shard_map.h"
#include "store/store_driver.h"

struct appender;
struct epoch_floors;
struct postgres_store;
struct replica;
struct resolver;

struct shard {
    struct postgres_store *store;
    unsigned number;
    struct primary primary;
    struct replica *replicas;
    size_t replicas_len, replica_next[STORE_PURPOSES]; /* index of the next one, round robin */
    int64_t position;                                  /* of the primary's WAL, in bytes */
    struct loop_timer watch;
    struct appender *appender;
    bool is_probing;
};

struct postgres_store {
    struct store store;
    struct loop *loop;
    struct resolver *resolver;
    struct epoch_floors *floors;
    struct pool_budget budget;
    enum store_durability durability;
    int gather_ms;
    struct primary global;
    struct {
        struct store_people_watch watch;
        char epoch[STORE_EPOCH_MAX]; /* of the global database when it was last opened */
    } people;
    struct shard *shards;
    size_t shards_len;
    struct shard_map *map;
    struct {
        unsigned len; /* requests not completed yet */
        size_t bytes;
        struct list finished;
        struct loop_task finish;
    } pending;
    bool closing;
    struct {
        struct shard_held *items; /* which buckets hold channels, as last read from the global database */
        size_t len;
        char state[48]; /* version of items; empty: nothing read yet */
        bool is_known;
        uint64_t draws;
        struct loop_timer refresh;
    } held;
    char fleet[POSTGRES_FLEET_MAX]; /* of the first database that answered; "": none yet */
    unsigned witness_next;          /* the next shard to be told the global database's position */
    struct {
        struct list askers; /* PROBE requests waiting for any shard */
        struct loop_timer deadline;
    } probes;
    struct {
        unsigned waiting; /* databases that have not answered yet while the store opens */
        struct error refusal;
    } opening;
    char *config;
};

/* Ends a request: done runs later, from the loop. */
void postgres_complete(struct postgres_store *store, struct store_request *request, enum store_status status);
/* NULL: the map has no shard of this store for the channel. */
struct shard *postgres_shard_of(struct postgres_store *store, struct slice channel_id);

/* postgres/shard.c: opens and probes. */
void shard_init(struct shard *shard, struct postgres_store *store, unsigned number);
/* Nothing is sent after shard_close. Call shard_done after a turn in which nothing was pending. */
void shard_close(struct shard *shard);
void shard_done(struct shard *shard);
void postgres_probe(struct postgres_store *store, struct store_request *request);
void postgres_probe_overdue(struct loop_timer *timer);

/* postgres/witness.c: asks the other databases how far this one had got. heard is called once, later: all have
 * answered, or will not soon. */
void witnesses_ask(struct primary *primary, void (*heard)(struct primary *primary));
/* Tells the other databases how far each has got, if that has changed. */
void witnesses_tell(struct postgres_store *store);

/* postgres/append.c: a channel's appends, in order, and the reads that wait for them. */
/* gather_ms: as in gather_window_init. */
struct appender *appender_new(struct shard *shard, int gather_ms);
void appender_free(struct appender **appender);
/* APPEND, or a read of the channel; a read runs when the appends submitted before it have ended. */
void appender_submit(struct appender *appender, struct store_request *request);
/* Call when the shard's epoch is known. */
void appender_wake(struct appender *appender);

void postgres_read(struct shard *shard, struct store_request *request);
void postgres_heads(struct postgres_store *store, struct store_request *request);
void postgres_user_channels(struct postgres_store *store, struct store_request *request);
void postgres_channels(struct postgres_store *store, struct store_request *request);
void postgres_users(struct postgres_store *store, struct store_request *request);

#endif
