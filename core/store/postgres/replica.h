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
    unsigned purposes; /* 1 << enum store_purpose; 0: any */
    int64_t lag_bytes; /* of WAL, behind the primary, when it was asked last */
    bool is_asked;     /* now */
};

/* In turn, of those that answer and are not behind: one for this purpose, else one for any; NULL: none. */
struct replica *replica_find(struct shard *shard, enum store_purpose purpose);
/* The timer shard->watch: asks all of them how far they are, and again. */
void replicas_watch(struct loop_timer *timer);

#endif
