/* SPDX-License-Identifier: Apache-2.0 */
/* What databases record about each other: the global database about each shard, and the shards about the global one.
 * This works while Redis is away or was emptied: a floor seen by one worker is in another database within a second or
 * two. */
#include <stdio.h>

#include "base/log.h"
#include "store/postgres/epoch_floors.h"
#include "store/postgres/postgres_internal.h"
#include "store/postgres/primary.h"

enum { WITNESS_MS = 1000, NAME_MAX_LEN = 12 };

#define FLOORS "SELECT name, number, incarnation, reached FROM stoa_floors($1, $2, $3, $4, $5)"
enum { FLOORS_NAME, FLOORS_NUMBER, FLOORS_INCARNATION, FLOORS_REACHED };

static struct primary *primary_at(struct postgres_store *store, unsigned number) {
    return number < store->shards_len ? &store->shards[number].primary : &store->global;
}

static const char *name_of(const struct primary *primary, char name[NAME_MAX_LEN]) {
    snprintf(name, NAME_MAX_LEN, "%u", primary->number);
    return primary_is_global(primary) ? "global" : name;
}

static struct primary *find(struct postgres_store *store, struct slice name) {
    char text[NAME_MAX_LEN];
    for (unsigned i = 0; i <= store->shards_len; i++)
        if (slice_is(name, name_of(primary_at(store, i), text))) return primary_at(store, i);
    return NULL;
}

static void take_floors(struct postgres_store *store, const struct query *query) {
    for (unsigned row = 0; row < query_rows(query, 0); row++) {
        struct primary *primary = find(store, query_text(query, 0, row, FLOORS_NAME));
        struct epoch_floor floor = {.number = query_integer(query, 0, row, FLOORS_NUMBER),
                                    .reached = query_integer(query, 0, row, FLOORS_REACHED)};
        snprintf(floor.incarnation, sizeof floor.incarnation, "%.*s",
                 SLICE_ARG(query_text(query, 0, row, FLOORS_INCARNATION)));
        if (!primary) continue;
        primary->witness.number = floor.number;
        primary->witness.reached = floor.reached;
        epoch_floors_meet(store->floors, primary->number, &floor);
        if (primary_is_over(primary, primary->epoch)) primary_doubt(primary);
    }
}

/* Records on this witness what it keeps: the shards on the global database, the global one on a shard. */
static void build(struct query *query, struct postgres_store *store, const struct primary *witness) {
    bool of_shards = primary_is_global(witness);
    unsigned first = of_shards ? 0 : (unsigned)store->shards_len, last = (unsigned)store->shards_len + !of_shards;
    unsigned len = 0;
    for (unsigned i = first; i < last; i++) len += epoch_floors_of(store->floors, i)->incarnation[0] != '\0';
    struct parameters *out = query_add(query, FLOORS);
    parameters_add_text(out, slice_of(store->fleet));
    for (unsigned column = 0; column < 4; column++) {
        if (column == 0 || column == 2)
            parameters_add_texts(out, len);
        else
            parameters_add_integers(out, len);
        for (unsigned i = first; i < last; i++) {
            const struct epoch_floor *floor = epoch_floors_of(store->floors, i);
            char name[NAME_MAX_LEN];
            if (!floor->incarnation[0]) continue;
            if (column == 0) parameters_text_item(out, slice_of(name_of(primary_at(store, i), name)));
            if (column == 1) parameters_integer_item(out, floor->number);
            if (column == 2) parameters_text_item(out, slice_of(floor->incarnation));
            if (column == 3) parameters_integer_item(out, floor->reached);
        }
    }
}

static struct query *question(struct postgres_store *store, const struct primary *witness,
                              void (*done)(struct query *query), void *owner) {
    struct query *query = query_new(done, owner);
    query->needs_no_proof = true; /* an old primary knows less, but nothing wrong; one of another fleet refuses */
    query->due_ms = loop_now_ms(store->loop) + WITNESS_MS;
    build(query, store, witness);
    return query;
}

/* ---- asking */

static void heard(struct query *query) {
    struct primary *primary = query->owner;
    if (query->outcome == QUERY_OK) take_floors(primary->store, query);
    if (--primary->witness.waiting == 0) primary->witness.heard(primary);
}

void witnesses_ask(struct primary *primary, void (*then)(struct primary *primary)) {
    struct postgres_store *store = primary->store;
    unsigned len = primary_is_global(primary) ? (unsigned)store->shards_len : 1;
    primary->witness.heard = then;
    primary->witness.waiting = len;
    for (unsigned i = 0; i < len; i++) {
        struct primary *witness = primary_is_global(primary) ? primary_at(store, i) : &store->global;
        struct query *query = question(store, witness, heard, primary);
        pool_submit(witness->pool, &query);
    }
}

/* ---- telling */

static void told(struct query *query) {
    struct primary *witness = query->owner;
    witness->witness.is_told = false;
    if (query->outcome == QUERY_OK) take_floors(witness->store, query);
}

static void tell(struct primary *witness) {
    if (witness->witness.is_told || pool_down_ms(witness->pool) > 0) return;
    struct query *query = question(witness->store, witness, told, witness);
    witness->witness.is_told = true;
    pool_submit(witness->pool, &query);
}

static bool is_news(const struct primary *primary) {
    const struct epoch_floor *floor = epoch_floors_of(primary->store->floors, primary->number);
    return floor->number != primary->witness.number ? floor->number > primary->witness.number
                                                    : floor->reached > primary->witness.reached;
}

/* While Redis does not report what others have seen, the databases are asked each time. */
void witnesses_tell(struct postgres_store *store) {
    bool is_alone = !epoch_floors_are_shared(store->floors), is_news_of_shards = false;
    for (size_t i = 0; i < store->shards_len; i++)
        if (is_news(&store->shards[i].primary)) is_news_of_shards = true;
    if (is_alone || is_news_of_shards) tell(&store->global);
    if (is_alone || is_news(&store->global)) tell(&store->shards[store->witness_next++ % store->shards_len].primary);
}
