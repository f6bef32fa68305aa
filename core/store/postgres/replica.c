/* SPDX-License-Identifier: Apache-2.0 */
/* Knows how far each replica is behind its primary. A replica far behind is not asked: its answers would be useless. */
#include "store/postgres/replica.h"

#include "base/log.h"
#include "base/metrics.h"
#include "store/postgres/postgres_internal.h"

enum { WATCH_MS = 1000, LAG_MAX_BYTES = 16 << 20 };

#define POSITION_OF_PRIMARY "SELECT (pg_current_wal_lsn() - '0/0')::bigint"
#define POSITION_OF_REPLICA "SELECT (coalesce(pg_last_wal_replay_lsn(), pg_current_wal_lsn()) - '0/0')::bigint"

static void tell_lag(const struct postgres_store *store) {
    int64_t most = 0;
    for (size_t i = 0; i < store->shards_len; i++)
        for (size_t j = 0; j < store->shards[i].replicas_len; j++)
            if (store->shards[i].replicas[j].lag_bytes > most) most = store->shards[i].replicas[j].lag_bytes;
    metric_set(METRIC_REPLICA_LAG, most);
}

/* Too far behind to be asked. */
static bool replica_is_behind(const struct replica *replica) {
    return replica->lag_bytes > LAG_MAX_BYTES;
}

static void replica_came(struct query *query) {
    struct replica *replica = query->owner;
    struct shard *shard = replica->shard;
    replica->is_asked = false;
    if (query->outcome != QUERY_OK || shard->position == 0) return;
    int64_t lag = shard->position - query_integer(query, 0, 0, 0);
    bool was_behind = replica_is_behind(replica);
    replica->lag_bytes = lag > 0 ? lag : 0; /* it may have received what came after the primary was asked */
    if (replica_is_behind(replica) != was_behind)
        LOG(LOG_WARNING, was_behind ? "store.replica_caught_up" : "store.replica_behind",
            LOG_NUMBER("shard", shard->number), LOG_TEXT("replica", pool_name(replica->pool)),
            LOG_NUMBER("lag_bytes", replica->lag_bytes));
    tell_lag(shard->store);
}

static void primary_came(struct query *query) {
    struct shard *shard = query->owner;
    if (query->outcome == QUERY_OK) shard->position = query_integer(query, 0, 0, 0);
    for (size_t i = 0; i < shard->replicas_len; i++) {
        struct replica *replica = &shard->replicas[i];
        if (replica->is_asked || pool_down_ms(replica->pool) > 0) continue;
        replica->is_asked = true;
        struct query *ask = query_new(replica_came, replica);
        query_add(ask, POSITION_OF_REPLICA);
        pool_submit(replica->pool, &ask);
    }
    loop_timer_set(&shard->watch, WATCH_MS);
}

void replicas_watch(struct loop_timer *timer) {
    struct shard *shard = CONTAINER(timer, struct shard, watch);
    struct query *query = query_new(primary_came, shard);
    query_add(query, POSITION_OF_PRIMARY);
    pool_submit(shard->primary.pool, &query);
}

static bool replica_serves(const struct replica *replica, enum store_purpose purpose) {
    return purpose == STORE_FOR_ANY ? replica->purposes == 0 : replica->purposes & 1U << purpose;
}

/* Each purpose has its own round robin: otherwise two kinds of alternating reads would each skip the same replicas. */
static struct replica *replica_next(struct shard *shard, enum store_purpose purpose) {
    for (size_t i = 0; i < shard->replicas_len; i++) {
        struct replica *replica = &shard->replicas[shard->replica_next[purpose]++ % shard->replicas_len];
        if (replica_serves(replica, purpose) && pool_down_ms(replica->pool) == 0 && !replica_is_behind(replica))
            return replica;
    }
    return NULL;
}

struct replica *replica_find(struct shard *shard, enum store_purpose purpose) {
    struct replica *replica = replica_next(shard, purpose);
    return replica ? replica : replica_next(shard, STORE_FOR_ANY);
}
