/* SPDX-License-Identifier: Apache-2.0 */
#include "store/postgres/primary.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/fault.h"
#include "base/log.h"
#include "store/postgres/epoch_floors.h"
#include "store/postgres/migrate.h"
#include "store/postgres/postgres_internal.h"

/* WRONG: a server answers but cannot be used yet: a backup may be on its way into it. */
enum { RETRY_MS = 250, RETRY_WRONG_MS = 1000, LATE_MS = 3000, FAILURES_MAX = 2 };

#define HELLO "SELECT fleet, role, number FROM stamp"
enum { HELLO_FLEET, HELLO_ROLE, HELLO_NUMBER };
#define OPENING                                                                                        \
    "SELECT e.number, e.incarnation, p.last_value, stoa_lacks($4), (SELECT coalesce(max(version), 0) " \
    "FROM stoa_schema) FROM stoa_epoch($1, $2, $3) e, log_position p"
enum { OPENING_NUMBER, OPENING_INCARNATION, OPENING_REACHED, OPENING_LACKS, OPENING_VERSION };
#define PROOF "SELECT stoa_prove($1, $2), last_value, stoa_lacks($3) FROM log_position"
/* As the proof, with a write that takes no lock and whose commit is flushed like an append's. */
#define PROBE "SELECT stoa_prove($1, $2), last_value, stoa_lacks($3), stoa_touch() FROM log_position"
enum { PROOF_EPOCH, PROOF_REACHED, PROOF_LACKS };

bool primary_is_global(const struct primary *primary) {
    return primary == &primary->store->global;
}

/* The database's name, for the log. */
static struct log_field which(const struct primary *primary) {
    return primary_is_global(primary) ? LOG_TEXT("database", "global") : LOG_NUMBER("shard", primary->number);
}

static bool is_known(const struct primary *primary) {
    return primary->state == PRIMARY_OPEN || primary->state == PRIMARY_LACKING;
}

static const struct epoch_floor *floor_of(const struct primary *primary) {
    return epoch_floors_of(primary->store->floors, primary->number);
}

/* The global database does not wait for a standby's disk: quorum is about messages. */
const char *primary_durability(const struct primary *primary) {
    enum store_durability durability = primary->store->durability;
    if (durability == STORE_RELAXED || fault_planted("sync_off")) return "relaxed";
    return durability == STORE_QUORUM && !primary_is_global(primary) ? "quorum" : "primary";
}

/* Notes the first answer while the store opens. */
static void note_answer(struct primary *primary) {
    struct postgres_store *store = primary->store;
    if (primary->has_answered) return;
    primary->has_answered = true;
    if (store->opening.waiting > 0 && --store->opening.waiting == 0) loop_stop(store->loop);
}

/* ---- refused */

static void complain(struct primary *primary, const char *what, const char *remedy) {
    struct postgres_store *store = primary->store;
    struct error error;
    char key[48] = "postgres.global";
    if (!primary_is_global(primary)) snprintf(key, sizeof key, "postgres.shards: shard %u", primary->number);
    error_set(&error, "%s: %s: %s: %s", key, pool_name(primary->pool), what, remedy);
    LOG(LOG_ERROR, primary_is_global(primary) ? "store.global_refused" : "store.shard_refused", which(primary),
        LOG_TEXT("error", error.text));
    if (!store->opening.refusal.text[0]) store->opening.refusal = error;
}

static void refuse(struct primary *primary, const char *what, const char *remedy) {
    if (strcmp(primary->refused_for, what) != 0) complain(primary, what, remedy);
    snprintf(primary->refused_for, sizeof primary->refused_for, "%s", what);
    primary->state = PRIMARY_REFUSED;
    loop_timer_set(&primary->retry, RETRY_WRONG_MS);
}

static void refuse_schema(struct primary *primary, const char *what) {
    char remedy[300];
    snprintf(remedy, sizeof remedy, "run: stoa migrate --config %s", primary->store->config);
    refuse(primary, what, remedy);
}

void primary_lack(struct primary *primary, const char *why) {
    if (!is_known(primary)) return; /* the next change of state is logged again */
    if (strcmp(primary->lacks, why) != 0) complain(primary, why, "change it, or postgres.durability");
    snprintf(primary->lacks, sizeof primary->lacks, "%s", why);
    primary->state = PRIMARY_LACKING;
    if (!loop_timer_pending(&primary->retry)) loop_timer_set(&primary->retry, RETRY_WRONG_MS);
}

/* An old primary has come back: look for another one. */
static void fence(struct primary *primary) {
    if (!primary->is_fenced)
        LOG(LOG_ERROR, primary_is_global(primary) ? "store.global_fenced" : "store.shard_fenced", which(primary),
            LOG_TEXT("target", pool_name(primary->pool)), LOG_NUMBER("epoch", primary->epoch),
            LOG_NUMBER("known", floor_of(primary)->number),
            LOG_TEXT("remedy", "connect to the new primary; if this is a restored backup: stoa epoch begin"));
    primary->is_fenced = true;
    primary->state = PRIMARY_CLOSED;
    pool_suspect(primary->pool, "its epoch is over");
    loop_timer_set(&primary->retry, RETRY_WRONG_MS);
}

/* ---- opening: a connection, then what others know of it, then its epoch */

static void open_as(struct primary *primary, const struct epoch_floor *floor, struct slice lacks) {
    bool was_lacking = primary->lacks[0];
    char why[LACKS_MAX];
    snprintf(why, sizeof why, "%.*s", SLICE_ARG(lacks));
    primary->is_fenced = false;
    primary->refused_for[0] = '\0';
    primary->state = PRIMARY_OPEN;
    epoch_floors_meet(primary->store->floors, primary->number, floor);
    if (why[0]) {
        primary_lack(primary, why);
    } else {
        primary->lacks[0] = '\0';
        if (was_lacking) LOG(LOG_INFO, "store.keeps_again", which(primary));
    }
    pool_prove(primary->pool);
    primary->opened(primary);
}

static void take_opening(struct primary *primary, const struct query *query) {
    const char *const *migrations = primary_is_global(primary) ? postgres_global_migrations : postgres_shard_migrations;
    if (query_integer(query, 0, 0, OPENING_VERSION) < postgres_migrations_len(migrations)) {
        refuse_schema(primary, "its schema is older than this server");
        return;
    }
    char before[STORE_EPOCH_MAX];
    struct epoch_floor floor = {.number = query_integer(query, 0, 0, OPENING_NUMBER),
                                .reached = query_integer(query, 0, 0, OPENING_REACHED)};
    snprintf(floor.incarnation, sizeof floor.incarnation, "%.*s",
             SLICE_ARG(query_text(query, 0, 0, OPENING_INCARNATION)));
    memcpy(before, primary->epoch_text, sizeof before);
    primary->epoch = floor.number;
    snprintf(primary->epoch_text, sizeof primary->epoch_text, "%" PRId64 "-%s", floor.number, floor.incarnation);
    if (primary_is_over(primary, primary->epoch) || epoch_floor_ends(&floor, floor_of(primary))) {
        fence(primary);
        return;
    }
    if (strcmp(before, primary->epoch_text) != 0)
        LOG(LOG_INFO, "store.epoch", which(primary), LOG_TEXT("epoch", primary->epoch_text));
    open_as(primary, &floor, query_text(query, 0, 0, OPENING_LACKS));
}

static void fail_to_open(struct primary *primary, const struct query *query) {
    if (query_is(query, "42883") || query_is(query, "42P01")) {
        refuse_schema(primary, "it was not migrated to this version");
    } else {
        primary->state = PRIMARY_CLOSED;
        loop_timer_set(&primary->retry, RETRY_MS);
    }
}

static void epoch_came(struct query *query) {
    struct primary *primary = query->owner;
    if (query->outcome == QUERY_OK)
        take_opening(primary, query);
    else
        fail_to_open(primary, query);
    note_answer(primary);
}

static struct query *question(struct primary *primary, void (*done)(struct query *query)) {
    struct query *query = query_new(done, primary);
    query->needs_no_proof = true;
    return query;
}

static void ask_epoch(struct primary *primary) {
    const struct epoch_floor *floor = floor_of(primary);
    struct query *query = question(primary, epoch_came);
    struct parameters *out = query_add(query, OPENING);
    parameters_add_integer(out, floor->number);
    parameters_add_text(out, slice_of(floor->incarnation));
    parameters_add_integer(out, floor->reached);
    parameters_add_text(out, slice_of(primary_durability(primary)));
    pool_submit(primary->pool, &query);
}

/* Is it the intended database? One without a stamp is. Nothing is changed in any other. */
static bool is_ours(struct primary *primary, const struct query *query) {
    struct postgres_store *store = primary->store;
    struct postgres_stamp stamp = {.shard = -1};
    char name[POSTGRES_STAMP_NAME_MAX], what[POSTGRES_STAMP_NAME_MAX + 20];
    if (query_rows(query, 0) == 0) return true;
    snprintf(stamp.fleet, sizeof stamp.fleet, "%.*s", SLICE_ARG(query_text(query, 0, 0, HELLO_FLEET)));
    if (slice_is(query_text(query, 0, 0, HELLO_ROLE), "shard"))
        stamp.shard = (int)query_integer(query, 0, 0, HELLO_NUMBER);
    bool is_meant = stamp.shard == (primary_is_global(primary) ? -1 : (int)primary->number);
    if (is_meant && !store->fleet[0]) snprintf(store->fleet, sizeof store->fleet, "%s", stamp.fleet);
    if (is_meant && strcmp(stamp.fleet, store->fleet) == 0) return true;
    snprintf(what, sizeof what, "this database is %s", postgres_stamp_name(&stamp, name));
    refuse(primary, what, "name each database in its own place");
    return false;
}

/* A server has answered: only now are the other databases asked. */
static void greeted(struct query *query) {
    struct primary *primary = query->owner;
    if (query->outcome != QUERY_OK)
        fail_to_open(primary, query);
    else if (is_ours(primary, query)) {
        witnesses_ask(primary, ask_epoch);
        return;
    }
    note_answer(primary);
}

void primary_reopen(struct primary *primary) {
    if (primary->state == PRIMARY_ASKING) return;
    primary->state = PRIMARY_ASKING;
    loop_timer_cancel(&primary->retry);
    epoch_floors_read(primary->store->floors);
    struct query *query = question(primary, greeted);
    query_add(query, HELLO);
    pool_submit(primary->pool, &query);
}

void primary_doubt(struct primary *primary) {
    if (!is_known(primary)) return;
    primary->state = PRIMARY_CLOSED;
    pool_renew(primary->pool, "its epoch may be over");
    primary_reopen(primary);
}

bool primary_is_over(const struct primary *primary, int64_t epoch) {
    return epoch < floor_of(primary)->number;
}

static void retry(struct loop_timer *timer) {
    struct primary *primary = CONTAINER(timer, struct primary, retry);
    primary_reopen(primary);
}

/* ---- proofs */

int64_t primary_reached(const struct primary *primary) {
    const struct epoch_floor *floor = floor_of(primary);
    return floor->number == primary->epoch ? floor->reached : 0;
}

void primary_reach(struct primary *primary, int64_t epoch, int64_t reached) {
    struct epoch_floor floor;
    if (epoch != primary->epoch || !epoch_floor_parse(&floor, slice_of(primary->epoch_text))) return;
    floor.reached = reached;
    epoch_floors_meet(primary->store->floors, primary->number, &floor);
}

static void add_proof(const struct primary *primary, struct query *query, const char *sql) {
    struct parameters *out = query_add(query, sql);
    parameters_add_text(out, slice_of(primary->epoch_text));
    parameters_add_integer(out, primary_reached(primary));
    parameters_add_text(out, slice_of(primary_durability(primary)));
}

void primary_add_probe(const struct primary *primary, struct query *query) {
    add_proof(primary, query, PROBE);
}

static bool take_probe(struct primary *primary, const struct query *query) {
    char lacks[LACKS_MAX];
    if (query_is(query, "CH001") || sqlstate_dooms(query->sqlstate)) primary_doubt(primary);
    if (query->outcome != QUERY_OK) return false;
    int64_t epoch = query_integer(query, 0, 0, PROOF_EPOCH);
    primary_reach(primary, epoch, query_integer(query, 0, 0, PROOF_REACHED));
    snprintf(lacks, sizeof lacks, "%.*s", SLICE_ARG(query_text(query, 0, 0, PROOF_LACKS)));
    if (lacks[0]) primary_lack(primary, lacks);
    return !lacks[0] && !primary_is_over(primary, epoch);
}

bool primary_take_probe(struct primary *primary, const struct query *query) {
    bool good = take_probe(primary, query);
    primary->failures = good ? 0 : primary->failures + 1;
    return good;
}

void primary_miss(struct primary *primary) {
    if (loop_now_ms(primary->store->loop) - primary->asked_ms > LATE_MS) primary->failures = FAILURES_MAX;
}

bool primary_works(const struct primary *primary) {
    return primary->state == PRIMARY_OPEN && primary->failures < FAILURES_MAX;
}

static void be_done(struct query *query) {}

static struct query *ask_proof(void *owner) {
    const struct primary *primary = owner;
    if (!is_known(primary)) return NULL;
    struct query *query = query_new(be_done, owner);
    add_proof(primary, query, PROOF);
    return query;
}

static void proof_failed(void *owner, const struct query *query) {
    primary_doubt(owner);
}

struct pool_proof primary_proof(struct primary *primary) {
    return (struct pool_proof){ask_proof, proof_failed, primary};
}

static void proven(struct query *query) {
    struct primary *primary = query->owner;
    primary->is_proving = false;
    primary_take_probe(primary, query);
}

void primary_prove(struct primary *primary) {
    if (primary->is_proving) primary_miss(primary);
    if (primary->state != PRIMARY_OPEN || primary->is_proving) return;
    struct query *query = query_new(proven, primary);
    primary->is_proving = true;
    primary->asked_ms = loop_now_ms(primary->store->loop);
    add_proof(primary, query, PROOF);
    pool_submit(primary->pool, &query);
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
