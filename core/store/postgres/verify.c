/* SPDX-License-Identifier: Apache-2.0 */
/* Verifies a fleet's databases: each shard channel by channel, a slice of numbers at a time; then the global one
 * against them. Events appended meanwhile are above every head read before. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "store/postgres/direct.h"
#include "store/postgres/verify.h"
#include "store/shard_map.h"
#include "store/store.h"
#include "store/verify.h"

enum { NUMBER_MAX = 24 };

struct postgres_walk {
    struct verify *verify;
    PGconn *global, *shard; /* NULL: none */
    int number;             /* of the shard */
    struct error *error;    /* of the last failure */
    bool failed;
};

static PGresult *ask(struct postgres_walk *walk, PGconn *connection, const char *sql, int len,
                     const char *const *texts) {
    PGresult *rows = walk->failed ? NULL : postgres_direct_ask(connection, sql, len, texts, walk->error);
    if (!rows) walk->failed = true;
    return rows;
}

static int64_t number_at(const PGresult *rows, int row, int column) {
    return strtoll(PQgetvalue(rows, row, column), NULL, 10);
}

static bool flag_at(const PGresult *rows, int row, int column) {
    return PQgetvalue(rows, row, column)[0] == 't';
}

static struct slice text_at(const PGresult *rows, int row, int column) {
    return (struct slice){PQgetvalue(rows, row, column), (size_t)PQgetlength(rows, row, column)};
}

/* Appends texts for a parameter of type text[]. */
static void add_item(struct buffer *array, struct slice text) {
    buffer_append_str(array, array->len ? ",\"" : "{\"");
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '"' || text.ptr[i] == '\\') buffer_append_char(array, '\\');
        buffer_append_char(array, text.ptr[i]);
    }
    buffer_append_char(array, '"');
}

/* ---- a shard */

static const char events_sql[] =
    "SELECT e.seq, e.epoch, e.kind, e.message_seq, EXISTS (SELECT FROM epochs p WHERE p.number = e.epoch), EXISTS "
    "(SELECT FROM messages m WHERE m.channel_id = e.channel_id AND m.message_seq = e.message_seq) FROM events e WHERE "
    "e.channel_id = $1 AND e.seq > $2::bigint AND e.seq <= $3::bigint ORDER BY e.seq";

/* Rows whose owner is missing. */
static const char orphans_sql[] =
    "SELECT 'the message', m.message_seq, 'event' FROM messages m WHERE m.channel_id = $1 AND m.message_seq > "
    "$2::bigint AND m.message_seq <= $3::bigint AND NOT EXISTS (SELECT FROM events e WHERE e.channel_id = $1 AND e.seq "
    "= m.message_seq AND e.kind = 0) UNION ALL "
    "SELECT 'an attachment of', a.message_seq, 'message' FROM attachments a WHERE a.channel_id = $1 AND a.message_seq "
    "> $2::bigint AND a.message_seq <= $3::bigint AND NOT EXISTS (SELECT FROM messages m WHERE m.channel_id = $1 AND "
    "m.message_seq = a.message_seq) UNION ALL "
    "SELECT 'a reaction to', r.message_seq, 'message' FROM reactions r WHERE r.channel_id = $1 AND r.message_seq > "
    "$2::bigint AND r.message_seq <= $3::bigint AND NOT EXISTS (SELECT FROM messages m WHERE m.channel_id = $1 AND "
    "m.message_seq = r.message_seq) UNION ALL "
    "SELECT 'a reaction to', r.message_seq, 'event' FROM reactions r WHERE r.channel_id = $1 AND r.message_seq > "
    "$2::bigint AND r.message_seq <= $3::bigint AND NOT EXISTS (SELECT FROM events e WHERE e.channel_id = $1 AND e.seq "
    "= r.seq AND e.kind = 3 AND e.message_seq = r.message_seq)";

static const char next_seq_sql[] =
    "SELECT least((SELECT min(seq) FROM events WHERE channel_id = $1 AND seq > $2::bigint), (SELECT min(message_seq) "
    "FROM messages WHERE channel_id = $1 AND message_seq > $2::bigint), (SELECT min(message_seq) FROM attachments "
    "WHERE channel_id = $1 AND message_seq > $2::bigint), (SELECT min(message_seq) FROM reactions WHERE channel_id = "
    "$1 AND message_seq > $2::bigint))";

/* Checks (after, to]. Returns up to where everything was checked: the last event found, since more may have come
 * meanwhile. */
static int64_t check_slice(struct postgres_walk *walk, struct verify_log *log, int64_t after, int64_t to) {
    char from[NUMBER_MAX], upto[NUMBER_MAX];
    snprintf(from, sizeof from, "%" PRId64, after);
    snprintf(upto, sizeof upto, "%" PRId64, to);
    const char *const texts[] = {log->channel_id.ptr, from, upto};
    PGresult *rows = ask(walk, walk->shard, events_sql, 3, texts);
    int len = rows ? PQntuples(rows) : 0;
    for (int i = 0; i < len; i++)
        verify_log_event(log, &(struct verify_event){.seq = number_at(rows, i, 0),
                                                     .epoch = number_at(rows, i, 1),
                                                     .kind = (int)number_at(rows, i, 2),
                                                     .message_seq = number_at(rows, i, 3),
                                                     .epoch_is_known = flag_at(rows, i, 4),
                                                     .message_is_there = flag_at(rows, i, 5),
                                                     .is_intact = true});
    PQclear(rows);
    if (len) to = log->seq;
    snprintf(upto, sizeof upto, "%" PRId64, to);
    rows = ask(walk, walk->shard, orphans_sql, 3, texts);
    for (int i = 0; rows && i < PQntuples(rows); i++)
        verify_found(walk->verify, "orphan", log->channel_id, number_at(rows, i, 1), "%s %" PRId64 " has no %s",
                     PQgetvalue(rows, i, 0), number_at(rows, i, 1), PQgetvalue(rows, i, 2));
    PQclear(rows);
    return to;
}

/* The lowest number above after in any table. */
static bool find_seq(struct postgres_walk *walk, const char *channel, int64_t after, int64_t *seq_r) {
    char text[NUMBER_MAX];
    snprintf(text, sizeof text, "%" PRId64, after);
    PGresult *rows = ask(walk, walk->shard, next_seq_sql, 2, (const char *const[]){channel, text});
    bool found = rows && !PQgetisnull(rows, 0, 0);
    if (found) *seq_r = number_at(rows, 0, 0);
    PQclear(rows);
    return found;
}

static int64_t head_now(struct postgres_walk *walk, const char *channel, int64_t fallback) {
    PGresult *rows = ask(walk, walk->shard, "SELECT last_seq FROM channel_heads WHERE channel_id = $1", 1, &channel);
    int64_t head = rows && PQntuples(rows) ? number_at(rows, 0, 0) : fallback;
    PQclear(rows);
    return head;
}

/* is_channel: the channel has a head and a floor. */
static void check_channel(struct postgres_walk *walk, const char *channel, bool is_channel, int64_t floor,
                          int64_t head) {
    struct verify_log log;
    verify_log_begin(&log, walk->verify, slice_of(channel), floor);
    int64_t after = INT64_MIN, first;
    while (!walk->verify->stopped && find_seq(walk, channel, after, &first)) {
        int64_t to = first < INT64_MAX - VERIFY_SLICE ? first + VERIFY_SLICE : INT64_MAX;
        after = check_slice(walk, &log, first - 1, to);
        if (!verify_moved(walk->verify)) return;
    }
    if (walk->failed || walk->verify->stopped) return;
    if (is_channel)
        verify_log_end(&log, head, head_now(walk, channel, log.seq));
    else
        verify_found(walk->verify, "orphan", slice_of(channel), 0, "has rows but no head");
}

static const char heads_sql[] =
    "SELECT channel_id, min_seq, last_seq FROM channel_heads WHERE channel_id > $1 ORDER BY channel_id LIMIT 500";

/* Every channel with a head; a page of ids at a time. */
static void check_heads(struct postgres_walk *walk, void (*page)(struct postgres_walk *walk, const PGresult *rows)) {
    char *after = memory_copy("", 0);
    for (int len = VERIFY_PAGE; len == VERIFY_PAGE && !walk->failed && !walk->verify->stopped;) {
        PGresult *rows = ask(walk, walk->shard, heads_sql, 1, (const char *const[]){after});
        len = rows ? PQntuples(rows) : 0;
        if (len) {
            free(after);
            after = memory_copy(PQgetvalue(rows, len - 1, 0), strlen(PQgetvalue(rows, len - 1, 0)));
            page(walk, rows);
        }
        PQclear(rows);
    }
    free(after);
}

/* Channels with rows in a table but no head: one look-up for each channel. */
static const char *const headless_sql[] = {
#define HEADLESS(table)                                                                                                \
    "WITH RECURSIVE ids (id) AS ((SELECT channel_id FROM " table                                                       \
    " WHERE channel_id > $1 ORDER BY 1 LIMIT 1) UNION ALL SELECT (SELECT t.channel_id FROM " table                     \
    " t WHERE t.channel_id > ids.id ORDER BY 1 LIMIT 1) FROM ids WHERE ids.id IS NOT NULL) SELECT id, EXISTS (SELECT " \
    "FROM channel_heads h WHERE h.channel_id = id) FROM ids WHERE id IS NOT NULL LIMIT 500"
    HEADLESS("events"), HEADLESS("messages"), HEADLESS("attachments"), HEADLESS("reactions")};

static void check_headless(struct postgres_walk *walk, const char *sql) {
    char *after = memory_copy("", 0);
    for (int len = VERIFY_PAGE; len == VERIFY_PAGE && !walk->failed && !walk->verify->stopped;) {
        PGresult *rows = ask(walk, walk->shard, sql, 1, (const char *const[]){after});
        len = rows ? PQntuples(rows) : 0;
        for (int i = 0; i < len; i++)
            if (!flag_at(rows, i, 1)) check_channel(walk, PQgetvalue(rows, i, 0), false, 1, 0);
        free(after);
        after = len ? memory_copy(PQgetvalue(rows, len - 1, 0), strlen(PQgetvalue(rows, len - 1, 0))) : NULL;
        PQclear(rows);
    }
    free(after);
}

/* ---- the global database against the shards */

/* A channel is created in the global database first, so it must exist there. */
static const char places_sql[] =
    "SELECT i.id, c.shard, (SELECT max(m.read_seq) FROM channel_members m WHERE m.channel_id = i.id) FROM "
    "unnest($1::text[]) i (id) LEFT JOIN channels c ON c.channel_id = i.id";

static void check_place(struct postgres_walk *walk, const PGresult *rows, int row) {
    struct slice id = text_at(rows, row, 0);
    if (PQgetisnull(rows, row, 1))
        verify_found(walk->verify, "orphan", id, 0, "has a head, but is not in the global database");
    else if (number_at(rows, row, 1) != walk->number)
        verify_found(walk->verify, "place", id, 0, "has a head here, but its shard is %" PRId64,
                     number_at(rows, row, 1));
}

static const char marks_sql[] =
    "SELECT user_id, read_seq FROM channel_members WHERE channel_id = $1 AND read_seq > $2::bigint ORDER BY user_id "
    "LIMIT 100";

/* The mark was read before the head, so it must not exceed the head. */
static void check_marks(struct postgres_walk *walk, const PGresult *rows, int row) {
    const char *channel = PQgetvalue(rows, row, 0);
    char text[NUMBER_MAX];
    if (PQgetisnull(rows, row, 1) || number_at(rows, row, 1) != walk->number || PQgetisnull(rows, row, 2)) return;
    int64_t head = head_now(walk, channel, 0);
    if (walk->failed || number_at(rows, row, 2) <= head) return;
    snprintf(text, sizeof text, "%" PRId64, head);
    PGresult *marks = ask(walk, walk->global, marks_sql, 2, (const char *const[]){channel, text});
    for (int i = 0; marks && i < PQntuples(marks); i++)
        verify_found(walk->verify, "read_mark", slice_of(channel), number_at(marks, i, 1),
                     "%s has read up to %" PRId64 ", but the head is %" PRId64, PQgetvalue(marks, i, 0),
                     number_at(marks, i, 1), head);
    PQclear(marks);
}

static void check_places(struct postgres_walk *walk, const PGresult *heads) {
    struct buffer ids = {0};
    for (int i = 0; i < PQntuples(heads); i++) add_item(&ids, text_at(heads, i, 0));
    buffer_append(&ids, "}", 2);
    PGresult *rows = ask(walk, walk->global, places_sql, 1, (const char *const[]){ids.ptr});
    for (int i = 0; rows && i < PQntuples(rows); i++) {
        check_place(walk, rows, i);
        check_marks(walk, rows, i);
    }
    PQclear(rows);
    buffer_done(&ids);
}

static void check_page(struct postgres_walk *walk, const PGresult *heads) {
    check_places(walk, heads);
    for (int i = 0; i < PQntuples(heads) && !walk->failed && !walk->verify->stopped; i++)
        check_channel(walk, PQgetvalue(heads, i, 0), true, number_at(heads, i, 1), number_at(heads, i, 2));
}

static bool check_shard(struct postgres_walk *walk, const char *conninfo) {
    walk->failed = false;
    walk->shard = postgres_direct_open(conninfo, walk->error);
    if (!walk->shard) return false;
    check_heads(walk, check_page);
    for (size_t i = 0; i < sizeof headless_sql / sizeof *headless_sql; i++) check_headless(walk, headless_sql[i]);
    PQfinish(walk->shard);
    walk->shard = NULL;
    return !walk->failed;
}

/* ---- the global database by itself */

static const char channels_sql[] =
    "SELECT channel_id, shard, created_ms < extract(epoch FROM clock_timestamp()) * 1000 - 60000 FROM channels WHERE "
    "channel_id > $1 AND ($2::int IS NULL OR shard = $2::int) ORDER BY "
    "channel_id LIMIT 500";

/* A channel's head is created on its shard after the channel, perhaps a moment later. */
static void check_logs(struct postgres_walk *walk, const PGresult *rows, const struct verify_fleet *fleet,
                       PGconn *const *shards) {
    for (unsigned shard = 0; shard < fleet->shards_len && !walk->failed; shard++) {
        struct buffer ids = {0};
        if (!shards[shard]) continue;
        for (int i = 0; i < PQntuples(rows); i++)
            if (number_at(rows, i, 1) == shard && flag_at(rows, i, 2)) add_item(&ids, text_at(rows, i, 0));
        if (ids.len) {
            buffer_append(&ids, "}", 2);
            PGresult *missing = ask(walk, shards[shard],
                                    "SELECT i.id FROM unnest($1::text[]) i (id) WHERE NOT EXISTS (SELECT FROM "
                                    "channel_heads h WHERE h.channel_id = i.id)",
                                    1, (const char *const[]){ids.ptr});
            for (int i = 0; missing && i < PQntuples(missing); i++)
                verify_found(walk->verify, "place", text_at(missing, i, 0), 0, "has no head on its shard, %u", shard);
            PQclear(missing);
        }
        buffer_done(&ids);
    }
}

static void check_bucket(struct postgres_walk *walk, struct slice channel_id, int64_t shard) {
    char bucket[NUMBER_MAX], number[NUMBER_MAX];
    snprintf(bucket, sizeof bucket, "%u", shard_map_bucket(channel_id));
    snprintf(number, sizeof number, "%" PRId64, shard);
    PGresult *rows =
        ask(walk, walk->global, "SELECT FROM shard_buckets WHERE bucket = $1::smallint AND shard = $2::smallint", 2,
            (const char *const[]){bucket, number});
    if (rows && PQntuples(rows) == 0)
        verify_found(walk->verify, "bucket", channel_id, 0,
                     "is on shard %" PRId64 ", but shard_buckets has no row for its bucket %s there", shard, bucket);
    PQclear(rows);
}

static void check_specimens(struct postgres_walk *walk) {
    PGresult *rows = ask(walk, walk->global,
                         "SELECT b.bucket, b.shard, b.channel_id, c.shard FROM shard_buckets b LEFT JOIN channels c "
                         "ON c.channel_id = b.channel_id WHERE c.shard IS DISTINCT FROM b.shard",
                         0, NULL);
    for (int i = 0; rows && i < PQntuples(rows); i++)
        verify_found(walk->verify, "bucket", text_at(rows, i, 2), 0,
                     "is the example for bucket %" PRId64 " on shard %" PRId64 ", but is %s", number_at(rows, i, 0),
                     number_at(rows, i, 1), PQgetisnull(rows, i, 3) ? "not a channel" : "on another shard");
    PQclear(rows);
}

static void check_strangers(struct postgres_walk *walk) {
    PGresult *rows = ask(walk, walk->global,
                         "SELECT m.channel_id, m.user_id FROM channel_members m WHERE NOT EXISTS (SELECT FROM channels "
                         "c WHERE c.channel_id = m.channel_id) LIMIT 500",
                         0, NULL);
    for (int i = 0; rows && i < PQntuples(rows); i++)
        verify_found(walk->verify, "orphan", text_at(rows, i, 0), 0, "%s is a member of a channel that does not exist",
                     PQgetvalue(rows, i, 1));
    PQclear(rows);
}

static void check_channels(struct postgres_walk *walk, const struct verify_fleet *fleet, PGconn *const *shards) {
    char only[NUMBER_MAX], *after = memory_copy("", 0);
    snprintf(only, sizeof only, "%d", fleet->only);
    for (int len = VERIFY_PAGE; len == VERIFY_PAGE && !walk->failed && !walk->verify->stopped;) {
        PGresult *rows =
            ask(walk, walk->global, channels_sql, 2, (const char *const[]){after, fleet->only >= 0 ? only : NULL});
        len = rows ? PQntuples(rows) : 0;
        for (int i = 0; i < len; i++) {
            int64_t shard = number_at(rows, i, 1);
            if (shard < 0 || shard >= fleet->shards_len)
                verify_found(walk->verify, "place", text_at(rows, i, 0), 0,
                             "is on shard %" PRId64 ", which does not exist", shard);
            check_bucket(walk, text_at(rows, i, 0), shard);
        }
        if (rows) check_logs(walk, rows, fleet, shards);
        free(after);
        after = len ? memory_copy(PQgetvalue(rows, len - 1, 0), strlen(PQgetvalue(rows, len - 1, 0))) : NULL;
        PQclear(rows);
        if (!verify_moved(walk->verify)) break;
    }
    free(after);
}

static bool check_global(struct postgres_walk *walk, const struct verify_fleet *fleet) {
    PGconn **shards = NEW_ARRAY(PGconn *, fleet->shards_len);
    bool whole = true;
    walk->failed = false;
    for (unsigned i = 0; i < fleet->shards_len; i++)
        if (fleet->only < 0 || fleet->only == (int)i) {
            shards[i] = postgres_direct_open(fleet->shards[i], walk->error);
            whole = whole && shards[i];
        }
    check_channels(walk, fleet, shards);
    if (fleet->only < 0) check_specimens(walk);
    if (fleet->only < 0) check_strangers(walk);
    for (unsigned i = 0; i < fleet->shards_len; i++) PQfinish(shards[i]);
    free(shards);
    return whole && !walk->failed;
}

bool postgres_verify(const struct verify_fleet *fleet, struct verify *verify, struct error *error_r) {
    struct error error;
    struct postgres_walk walk = {.verify = verify, .error = &error};
    char place[32];
    walk.global = postgres_direct_open(fleet->global, &error);
    bool whole = walk.global != NULL;
    if (!whole) error_set(error_r, "global: %s", error.text);
    for (unsigned i = 0; walk.global && i < fleet->shards_len && !verify->stopped; i++) {
        if (fleet->only >= 0 && fleet->only != (int)i) continue;
        snprintf(place, sizeof place, "shard %u", i);
        verify->place = place;
        walk.number = (int)i;
        if (check_shard(&walk, fleet->shards[i])) continue;
        error_set(error_r, "%s: %s", place, error.text);
        whole = false;
    }
    verify->place = "global";
    if (walk.global && !verify->stopped && !check_global(&walk, fleet)) {
        error_set(error_r, "global: %s", error.text);
        whole = false;
    }
    if (verify->stopped) error_set(error_r, "stopped before everything was verified");
    PQfinish(walk.global);
    return whole && !verify->stopped;
}
