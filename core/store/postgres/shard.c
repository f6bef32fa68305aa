/* SPDX-License-Identifier: Apache-2.0 */
/* A shard: its primary, its replicas, its appender; and the probe for any shard that accepts a write. */
#include <stdio.h>
#include <stdlib.h>

#include "store/postgres/postgres_internal.h"
#include "store/postgres/replica.h"

enum { PROBE_MS = 5000 };

static void opened(struct primary *primary) {
    appender_wake(CONTAINER(primary, struct shard, primary)->appender);
}

void shard_init(struct shard *shard, struct postgres_store *store, unsigned number) {
    *shard = (struct shard){.store = store, .number = number};
    primary_init(&shard->primary, store, number, opened);
    loop_timer_init(&shard->watch, store->loop, replicas_watch);
    shard->appender = appender_new(shard, store->gather_ms);
}

void shard_close(struct shard *shard) {
    if (shard->primary.pool) pool_close(shard->primary.pool);
    for (size_t i = 0; i < shard->replicas_len; i++) pool_close(shard->replicas[i].pool);
}

void shard_done(struct shard *shard) {
    appender_free(&shard->appender);
    primary_done(&shard->primary);
    for (size_t i = 0; i < shard->replicas_len; i++) pool_free(&shard->replicas[i].pool);
    free(shard->replicas);
    loop_timer_cancel(&shard->watch);
}

/* Probes: sends can be acknowledged while some shard accepts writes. A probe's write may wait for a standby: one at a
 * time. */

static void answer_probes(struct postgres_store *store, enum store_status status) {
    for (struct list *link; (link = list_pop(&store->probes.askers));)
        postgres_complete(store, CONTAINER(link, struct store_request, link), status);
    loop_timer_cancel(&store->probes.deadline);
}

static bool is_probing(const struct postgres_store *store) {
    for (size_t i = 0; i < store->shards_len; i++)
        if (store->shards[i].is_probing) return true;
    return false;
}

static void probed(struct query *query) {
    struct shard *shard = query->owner;
    shard->is_probing = false;
    if (primary_take_probe(&shard->primary, query) && !shard->store->global.is_fenced)
        answer_probes(shard->store, STORE_OK);
    else if (!is_probing(shard->store))
        answer_probes(shard->store, STORE_UNAVAILABLE);
}

static void probe(struct shard *shard) {
    struct query *query = query_new(probed, shard);
    shard->is_probing = true;
    shard->primary.asked_ms = loop_now_ms(shard->store->loop);
    query->waits_for_commit = true;
    primary_add_probe(&shard->primary, query);
    pool_submit(shard->primary.pool, &query);
}

void postgres_probe(struct postgres_store *store, struct store_request *request) {
    list_append(&store->probes.askers, &request->link);
    for (size_t i = 0; i < store->shards_len; i++) {
        struct shard *shard = &store->shards[i];
        if (shard->is_probing) primary_miss(&shard->primary);
        if (shard->primary.state == PRIMARY_OPEN && !shard->is_probing) probe(shard);
    }
    primary_prove(&store->global);
    witnesses_tell(store);
    if (!is_probing(store))
        answer_probes(store, STORE_UNAVAILABLE);
    else if (!loop_timer_pending(&store->probes.deadline))
        loop_timer_set(&store->probes.deadline, PROBE_MS);
}

void postgres_probe_overdue(struct loop_timer *timer) {
    answer_probes(CONTAINER(timer, struct postgres_store, probes.deadline), STORE_UNAVAILABLE);
}
