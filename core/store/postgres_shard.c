/* A shard's epoch, and whether it is fit to be written to. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/fault.h"
#include "base/log.h"
#include "store/epoch_floors.h"
#include "store/postgres_migrate.h"
#include "store/postgres_replica.h"
#include "store/postgres_store.h"

enum { RETRY_MS = 250, RETRY_FENCED_MS = 1000, RETRY_REFUSED_MS = 5000, PROBE_MS = 5000 };

#define OPENING                                                                                               \
    "SELECT e.number, e.incarnation, current_setting('synchronous_commit'), "                                 \
    "current_setting('synchronous_standby_names'), (SELECT coalesce(max(version), 0) FROM stoa_schema) FROM " \
    "stoa_epoch($1) e"
enum { OPENING_NUMBER, OPENING_INCARNATION, OPENING_COMMIT, OPENING_STANDBYS, OPENING_VERSION };

#define PROBE "UPDATE probe SET at_ms = $1 RETURNING (SELECT coalesce(max(number), 0) FROM epochs)"

/* The first answer, while the store is made. */
static void opened(struct shard *shard) {
    struct postgres_store *store = shard->store;
    if (shard->has_answered) return;
    shard->has_answered = true;
    if (store->opening.waiting > 0 && --store->opening.waiting == 0) loop_stop(store->loop);
}

/* The server answers, but will not do. */
static void refuse(struct shard *shard, const char *what, const char *remedy) {
    struct postgres_store *store = shard->store;
    struct error error;
    error_set(&error, "postgres.shards: shard %u: %s: %s: %s", shard->number, pool_name(shard->write), what, remedy);
    shard->state = SHARD_REFUSED;
    LOG(LOG_ERROR, "store.shard_refused", LOG_NUMBER("shard", shard->number), LOG_TEXT("error", error.text));
    if (!store->opening.refusal.text[0]) store->opening.refusal = error;
    loop_timer_set(&shard->retry, RETRY_REFUSED_MS);
}

static void refuse_schema(struct shard *shard, const char *what) {
    char remedy[300];
    snprintf(remedy, sizeof remedy, "run: stoa migrate --config %s", shard->store->config);
    refuse(shard, what, remedy);
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
static void fence(struct shard *shard) {
    if (!shard->is_fenced)
        LOG(LOG_ERROR, "store.shard_fenced", LOG_NUMBER("shard", shard->number),
            LOG_TEXT("target", pool_name(shard->write)), LOG_NUMBER("epoch", shard->epoch),
            LOG_NUMBER("known", epoch_floors_of(shard->store->floors, shard->number)));
    shard->is_fenced = true;
    shard->state = SHARD_CLOSED;
    pool_suspect(shard->write, "its epoch is over");
    loop_timer_set(&shard->retry, RETRY_FENCED_MS);
}

static void take_opening(struct shard *shard, const struct query *query) {
    if (query_integer(query, 0, 0, OPENING_VERSION) < postgres_migrations_len(postgres_shard_migrations)) {
        refuse_schema(shard, "its schema is older than this server");
        return;
    }
    const char *missing = missing_durability(shard->store->durability, query_text(query, 0, 0, OPENING_COMMIT),
                                             query_text(query, 0, 0, OPENING_STANDBYS));
    if (missing) {
        refuse(shard, missing, "change it, or postgres.durability");
        return;
    }
    int64_t before = shard->epoch;
    shard->epoch = query_integer(query, 0, 0, OPENING_NUMBER);
    if (shard_is_over(shard, shard->epoch)) {
        fence(shard);
        return;
    }
    snprintf(shard->epoch_text, sizeof shard->epoch_text, "%" PRId64 "-%.*s", shard->epoch,
             SLICE_ARG(query_text(query, 0, 0, OPENING_INCARNATION)));
    shard->state = SHARD_OPEN;
    shard->is_fenced = false;
    epoch_floors_meet(shard->store->floors, shard->number, shard->epoch);
    if (shard->epoch != before)
        LOG(LOG_INFO, "store.epoch", LOG_NUMBER("shard", shard->number), LOG_TEXT("epoch", shard->epoch_text));
    appender_wake(shard->appender);
}

static void asked(struct query *query) {
    struct shard *shard = query->owner;
    if (query->outcome == QUERY_OK) {
        take_opening(shard, query);
    } else if (query_is(query, "42883") || query_is(query, "42P01")) {
        refuse_schema(shard, "it has no tables of this server");
    } else {
        shard->state = SHARD_CLOSED;
        loop_timer_set(&shard->retry, RETRY_MS);
    }
    opened(shard);
}

void shard_reopen(struct shard *shard) {
    if (shard->state == SHARD_ASKING) return;
    shard->state = SHARD_ASKING;
    loop_timer_cancel(&shard->retry);
    struct query *query = query_new(asked, shard);
    parameters_add_integer(query_add(query, OPENING), epoch_floors_of(shard->store->floors, shard->number));
    pool_submit(shard->write, &query);
}

void shard_doubt(struct shard *shard) {
    if (shard->state != SHARD_OPEN) return;
    shard->state = SHARD_CLOSED;
    pool_renew(shard->write, "its epoch may be over");
    shard_reopen(shard);
}

bool shard_is_over(const struct shard *shard, int64_t epoch) {
    return epoch < epoch_floors_of(shard->store->floors, shard->number);
}

static void retry(struct loop_timer *timer) {
    struct shard *shard = CONTAINER(timer, struct shard, retry);
    shard_reopen(shard);
}

void shard_init(struct shard *shard, struct postgres_store *store, unsigned number) {
    *shard = (struct shard){.store = store, .number = number};
    loop_timer_init(&shard->retry, store->loop, retry);
    loop_timer_init(&shard->watch, store->loop, replicas_watch);
    shard->appender = appender_new(shard);
}

void shard_close(struct shard *shard) {
    if (shard->write) pool_close(shard->write);
    for (size_t i = 0; i < shard->replicas_len; i++) pool_close(shard->replicas[i].pool);
}

void shard_done(struct shard *shard) {
    appender_free(&shard->appender);
    pool_free(&shard->write);
    for (size_t i = 0; i < shard->replicas_len; i++) pool_free(&shard->replicas[i].pool);
    free(shard->replicas);
    loop_timer_cancel(&shard->watch);
    loop_timer_cancel(&shard->retry);
}

/* Probes: sends can be acknowledged while some shard takes a write. A write may wait for a standby: one at a time. */

static void answer_probes(struct postgres_store *store, enum store_status status) {
    for (struct list *link; (link = list_pop(&store->probe_askers));)
        postgres_complete(store, CONTAINER(link, struct store_request, link), status);
    loop_timer_cancel(&store->probe_deadline);
}

static bool is_probing(const struct postgres_store *store) {
    for (size_t i = 0; i < store->shards_len; i++)
        if (store->shards[i].is_probing) return true;
    return false;
}

static void probed(struct query *query) {
    struct shard *shard = query->owner;
    int64_t epoch = query->outcome == QUERY_OK ? query_integer(query, 0, 0, 0) : 0;
    shard->is_probing = false;
    if (epoch > 0 && epoch != shard->epoch) shard_doubt(shard); /* another server than the one that was asked */
    if (epoch > 0 && !shard_is_over(shard, epoch))
        answer_probes(shard->store, STORE_OK);
    else if (!is_probing(shard->store))
        answer_probes(shard->store, STORE_UNAVAILABLE);
}

static void probe(struct shard *shard) {
    struct query *query = query_new(probed, shard);
    shard->is_probing = true;
    query->waits_for_commit = true;
    parameters_add_integer(query_add(query, PROBE), (int64_t)loop_wall_ms(shard->store->loop));
    pool_submit(shard->write, &query);
}

void postgres_probe(struct postgres_store *store, struct store_request *request) {
    list_append(&store->probe_askers, &request->link);
    for (size_t i = 0; i < store->shards_len; i++) {
        struct shard *shard = &store->shards[i];
        if (shard->state == SHARD_OPEN && !shard->is_probing) probe(shard);
    }
    if (!is_probing(store))
        answer_probes(store, STORE_UNAVAILABLE);
    else if (!loop_timer_pending(&store->probe_deadline))
        loop_timer_set(&store->probe_deadline, PROBE_MS);
}

void postgres_probe_overdue(struct loop_timer *timer) {
    answer_probes(CONTAINER(timer, struct postgres_store, probe_deadline), STORE_UNAVAILABLE);
}
