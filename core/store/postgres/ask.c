/* SPDX-License-Identifier: Apache-2.0 */
#include "store/postgres/ask.h"

#include <stdlib.h>

#include "base/log.h"
#include "store/postgres/postgres_internal.h"

enum { ATTEMPTS_MAX = 5 };

struct postgres_asking {
    struct primary *primary;
    struct store_request *request;
    postgres_build *build;
    postgres_take *take;
    enum postgres_again again;
    unsigned attempts;
};

enum store_status postgres_status(const struct query *query) {
    if (query->outcome != QUERY_REFUSED) return STORE_UNAVAILABLE;
    if (sqlstate_is_of_data(query->sqlstate)) return STORE_BAD;
    if (query_is(query, "53100")) return STORE_FULL;
    LOG(LOG_ERROR, "store.refused", LOG_TEXT("sqlstate", query->sqlstate), LOG_TEXT("message", query->message));
    return STORE_UNAVAILABLE;
}

static void ask(struct postgres_asking *asking);

static bool may_try_again(const struct postgres_asking *asking, const struct query *query) {
    if (asking->attempts >= ATTEMPTS_MAX) return false;
    if (query->outcome == QUERY_UNKNOWN) return asking->again == AGAIN;
    return query->outcome == QUERY_REFUSED &&
           (sqlstate_dooms(query->sqlstate) || sqlstate_is_transient(query->sqlstate));
}

static void asked(struct query *query) {
    struct postgres_asking *asking = query->owner;
    if (may_try_again(asking, query)) {
        ask(asking);
        return;
    }
    struct postgres_store *store = asking->primary->store;
    struct store_request *request = asking->request;
    int status = query->outcome == QUERY_OK ? asking->take(store, request, query) : (int)postgres_status(query);
    if (status != STEP_GOES_ON) postgres_complete(store, request, (enum store_status)status);
    free(asking);
}

static void ask(struct postgres_asking *asking) {
    struct query *query = query_new(asked, asking);
    asking->attempts++;
    asking->build(asking->request, query);
    pool_submit(asking->primary->pool, &query);
}

void postgres_ask(struct primary *primary, struct store_request *request, postgres_build *build, postgres_take *take,
                  enum postgres_again again) {
    if (primary->is_fenced || (primary->lacks[0] && store_is_write(request->op))) {
        postgres_complete(primary->store, request, STORE_UNAVAILABLE);
        return;
    }
    struct postgres_asking *asking = NEW(struct postgres_asking);
    *asking = (struct postgres_asking){primary, request, build, take, again, 0};
    ask(asking);
}

void postgres_ask_shard(struct shard *shard, struct store_request *request, postgres_build *build,
                        postgres_take *take) {
    postgres_ask(&shard->primary, request, build, take, AGAIN);
}
