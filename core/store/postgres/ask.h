/* SPDX-License-Identifier: Apache-2.0 */
/* ask.h - runs one query for one request of a store. core/store only. */
#ifndef STORE_POSTGRES_ASK_H
#define STORE_POSTGRES_ASK_H

#include "store/store.h"

struct postgres_store;
struct primary;
struct query;
struct shard;

/* build makes the query. take reads the answer and returns the request's status, or STEP_GOES_ON when it has asked for
 * the next step. A query that cannot have taken effect is retried; one that may have taken effect is retried only with
 * AGAIN. Answers UNAVAILABLE when the primary is fenced; for a write, also while the primary is lacking. */
enum { STEP_GOES_ON = -1 };
typedef void postgres_build(struct store_request *request, struct query *query);
typedef int postgres_take(struct postgres_store *store, struct store_request *request, const struct query *query);
enum postgres_again { ONCE, AGAIN };
void postgres_ask(struct primary *primary, struct store_request *request, postgres_build *build, postgres_take *take,
                  enum postgres_again again);
/* The same on a shard's primary. */
void postgres_ask_shard(struct shard *shard, struct store_request *request, postgres_build *build, postgres_take *take);
/* Maps a failed query to the request's status. */
enum store_status postgres_status(const struct query *query);

#endif
