/* SPDX-License-Identifier: Apache-2.0 */
/* ask.h - one query for one request of a store. core/store only. */
#ifndef STORE_POSTGRES_ASK_H
#define STORE_POSTGRES_ASK_H

#include "store/store.h"

struct postgres_store;
struct primary;
struct query;
struct shard;

/* build makes the query, take reads the answer, and returns the request's status, or STEP_GOES_ON when it has asked for
 * the next step. What cannot have taken effect is tried again; what may have, only with AGAIN.
 * UNAVAILABLE when the primary is fenced; of a write, also while it keeps less than it should. */
enum { STEP_GOES_ON = -1 };
typedef void postgres_build(struct store_request *request, struct query *query);
typedef int postgres_take(struct postgres_store *store, struct store_request *request, const struct query *query);
enum postgres_again { ONCE, AGAIN };
void postgres_ask(struct primary *primary, struct store_request *request, postgres_build *build, postgres_take *take,
                  enum postgres_again again);
/* Of a shard's primary. */
void postgres_ask_shard(struct shard *shard, struct store_request *request, postgres_build *build, postgres_take *take);
/* What a failed query means for a request. */
enum store_status postgres_status(const struct query *query);

#endif
