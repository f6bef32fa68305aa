#include "store/postgres_primary.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/fault.h"
#include "base/log.h"
#include "store/epoch_floors.h"
#include "store/postgres_migrate.h"
#include "store/postgres_store.h"

enum { RETRY_MS = 250, RETRY_FENCED_MS = 1000, RETRY_REFUSED_MS = 5000 };

#define OPENING                                                                                               \
    "SELECT e.number, e.incarnation, current_setting('synchronous_commit'), "                                 \
    "current_setting('synchronous_standby_names'), (SELECT coalesce(max(version), 0) FROM stoa_schema) FROM " \
    "stoa_epoch($1) e"
enum { OPENING_NUMBER, OPENING_INCARNATION, OPENING_COMMIT, OPENING_STANDBYS, OPENING_VERSION };

/* The first answer, while the store is made. */
static void note_answer(struct primary *primary) {
    struct postgres_store *store = primary->store;
    if (primary->has_answered) return;
    primary->has_answered = true;
    if (store->opening.waiting > 0 && --store->opening.waiting == 0) loop_stop(store->loop);
}

/* The server answers, but will not do. */
static void refuse(struct primary *primary, const char *what, const char *remedy) {
    struct postgres_store *store = primary->store;
    struct error error;
    error_set(&error, "postgres.shards: shard %u: %s: %s: %s", primary->number, pool_name(primary->pool), what, remedy);
    primary->state = PRIMARY_REFUSED;
    LOG(LOG_ERROR, "store.shard_refused", LOG_NUMBER("shard", primary->number), LOG_TEXT("error", error.text));
    if (!store->opening.refusal.text[0]) store->opening.refusal = error;
    loop_timer_set(&primary->retry, RETRY_REFUSED_MS);
}

static void refuse_schema(struct primary *primary, const char *what) {
    char remedy[300];
    snprintf(remedy, sizeof remedy, "run: stoa migrate --config %s", primary->store->config);
    refuse(primary, what, remedy);
}

/* Would what is acknowledged be as durable as promised? NULL: yes. */
static const char *missing_durability(enum store_durability durability, struct slice commit, struct slice standbys) {
    bool off = slice_is(commit, "off"), local = slice_is(commit, "local") || slice_is(commit, "remote_write");
    if (durability == STORE_RELAXED || fault_planted("sync_off")) return NULL;
    if (off) return "synchronous_commit is off";
    if (durability == STORE_QUORUM && standbys.len == 0) return "synchronous_standby_names is empty";
    if (durability == STORE_QUORUM && local) return "synchronous_commit does not wait for a standby's disk";
    return NULL;
}

/* An old primary that has come back: another one is looked for. */
static void fence(struct primary *primary) {
    if (!primary->is_fenced)
        LOG(LOG_ERROR, "store.shard_fenced", LOG_NUMBER("shard", primary->number),
            LOG_TEXT("target", pool_name(primary->pool)), LOG_NUMBER("epoch", primary->epoch),
            LOG_NUMBER("known", epoch_floors_of(primary->store->floors, primary->number)));
    primary->is_fenced = true;
    primary->state = PRIMARY_CLOSED;
    pool_suspect(primary->pool, "its epoch is over");
    loop_timer_set(&primary->retry, RETRY_FENCED_MS);
}

static void take_opening(struct primary *primary, const struct query *query) {
    if (query_integer(query, 0, 0, OPENING_VERSION) < postgres_migrations_len(postgres_shard_migrations)) {
        refuse_schema(primary, "its schema is older than this server");
        return;
    }
    const char *missing = missing_durability(primary->store->durability, query_text(query, 0, 0, OPENING_COMMIT),
                                             query_text(query, 0, 0, OPENING_STANDBYS));
    if (missing) {
        refuse(primary, missing, "change it, or postgres.durability");
        return;
    }
    int64_t before = primary->epoch;
    primary->epoch = query_integer(query, 0, 0, OPENING_NUMBER);
    if (primary_is_over(primary, primary->epoch)) {
        fence(primary);
        return;
    }
    snprintf(primary->epoch_text, sizeof primary->epoch_text, "%" PRId64 "-%.*s", primary->epoch,
             SLICE_ARG(query_text(query, 0, 0, OPENING_INCARNATION)));
    primary->state = PRIMARY_OPEN;
    primary->is_fenced = false;
    epoch_floors_meet(primary->store->floors, primary->number, primary->epoch);
    if (primary->epoch != before)
        LOG(LOG_INFO, "store.epoch", LOG_NUMBER("shard", primary->number), LOG_TEXT("epoch", primary->epoch_text));
    primary->opened(primary);
}

static void asked(struct query *query) {
    struct primary *primary = query->owner;
    if (query->outcome == QUERY_OK) {
        take_opening(primary, query);
    } else if (query_is(query, "42883") || query_is(query, "42P01")) {
        refuse_schema(primary, "it has no tables of this server");
    } else {
        primary->state = PRIMARY_CLOSED;
        loop_timer_set(&primary->retry, RETRY_MS);
    }
    note_answer(primary);
}

void primary_reopen(struct primary *primary) {
    if (primary->state == PRIMARY_ASKING) return;
    primary->state = PRIMARY_ASKING;
    loop_timer_cancel(&primary->retry);
    struct query *query = query_new(asked, primary);
    parameters_add_integer(query_add(query, OPENING), epoch_floors_of(primary->store->floors, primary->number));
    pool_submit(primary->pool, &query);
}

void primary_doubt(struct primary *primary) {
    if (primary->state != PRIMARY_OPEN) return;
    primary->state = PRIMARY_CLOSED;
    pool_renew(primary->pool, "its epoch may be over");
    primary_reopen(primary);
}

bool primary_is_over(const struct primary *primary, int64_t epoch) {
    return epoch < epoch_floors_of(primary->store->floors, primary->number);
}

static void retry(struct loop_timer *timer) {
    struct primary *primary = CONTAINER(timer, struct primary, retry);
    primary_reopen(primary);
}

void primary_init(struct primary *primary, struct postgres_store *store, unsigned number,
                  void (*opened)(struct primary *primary)) {
    *primary = (struct primary){.store = store, .number = number, .opened = opened};
    loop_timer_init(&primary->retry, store->loop, retry);
}

void primary_done(struct primary *primary) {
    pool_free(&primary->pool);
    loop_timer_cancel(&primary->retry);
}
