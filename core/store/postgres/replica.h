/* SPDX-License-Identifier: Apache-2.0 */
/* replica.h - a shard's standbys that serve reads. core/store only. */
#ifndef STORE_POSTGRES_REPLICA_H
#define STORE_POSTGRES_REPLICA_H

#include <stdbool.h>
#include <stdint.h>

#include "store/postgres/store_postgres.h"

struct loop_timer;
struct pool;
struct shard;

struct replica {
    struct shard *shard;
    struct pool *pool;
    unsigned purposes; /* bits 1 << enum store_purpose; 0: any */
    int64_t lag_bytes; /* WAL bytes behind the primary, when last asked */
    bool is_asked;     /* a question is pending */
};

/* Round robin over those that answer and do not lag: one for this purpose, else one for any purpose; NULL: none. */
struct replica *replica_find(struct shard *shard, enum store_purpose purpose);
/* Callback of the timer shard->watch: asks all replicas for their positions, repeatedly. */
void replicas_watch(struct loop_timer *timer);

#endif
