/* SPDX-License-Identifier: Apache-2.0 */
/* Verifies a SQLite store, channel by channel, a slice of numbers at a time. */
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "store/sqlite/db.h"
#include "store/sqlite/file.h"
#include "store/sqlite/verify.h"
#include "store/store_json.h"
#include "store/verify.h"

enum { BREACHES_MAX = 100 /* findings reported for one table by SQLite's own check */ };
/* A slice of long texts ends at this size. */
enum { SLICE_BYTES_MAX = 1 << 20 };

/* The walk visits all tables: so it finds rows without a channel. */
enum { TABLES = 5 };
static const char *const next_sql[TABLES] = {
    "SELECT min(channel_id) FROM channels WHERE channel_id > ?1",
    "SELECT min(channel_id) FROM messages WHERE channel_id > ?1",
    "SELECT min(channel_id) FROM changes WHERE channel_id > ?1",
    "SELECT min(channel_id) FROM reactions WHERE channel_id > ?1",
    "SELECT min(channel_id) FROM members WHERE channel_id > ?1",
};

static const char about_sql[] = "SELECT min_seq, last_seq FROM heads WHERE channel_id = ?1";

static const char seqs_sql[] =
    "SELECT min(seq) FROM (SELECT min(message_seq) AS seq FROM messages WHERE channel_id = ?1 AND message_seq > ?2"
    " UNION ALL SELECT min(seq) FROM changes WHERE channel_id = ?1 AND seq > ?2)";

enum { SEQ, EPOCH, KIND, MESSAGE_SEQ, EPOCH_KNOWN, MESSAGE_THERE, CHECKSUM, TEXT, ATTACHMENTS, SAID };
static const char events_sql[] =
    "SELECT message_seq AS seq, epoch, 0, message_seq, EXISTS (SELECT 1 FROM epochs WHERE number = epoch), 1, checksum,"
    " content, attachments, said FROM messages WHERE channel_id = ?1 AND message_seq > ?2 AND message_seq <= ?3"
    " UNION ALL SELECT seq, epoch, kind, message_seq, EXISTS (SELECT 1 FROM epochs WHERE number = epoch),"
    " EXISTS (SELECT 1 FROM messages m WHERE m.channel_id = ?1 AND m.message_seq = c.message_seq), checksum, body,"
    " NULL, NULL FROM changes c WHERE channel_id = ?1 AND seq > ?2 AND seq <= ?3 ORDER BY 1";

static const char reactions_sql[] =
    "SELECT message_seq, emoji, user_id, EXISTS (SELECT 1 FROM messages m WHERE m.channel_id = ?1 AND"
    " m.message_seq = r.message_seq) AS told FROM reactions r WHERE channel_id = ?1 AND message_seq > ?2 AND"
    " message_seq <= ?3 AND NOT (told AND EXISTS (SELECT 1 FROM changes c WHERE c.channel_id = ?1 AND c.seq = r.seq"
    " AND c.kind = 3 AND c.message_seq = r.message_seq))";

/* The head is read together with the marks: a server may move both. */
static const char members_sql[] =
    "SELECT user_id, read_seq, head FROM members, (SELECT (SELECT last_seq FROM heads WHERE channel_id = ?1) AS head)"
    " WHERE channel_id = ?1 AND (head IS NULL OR read_seq > head) ORDER BY user_id";

/* Walks the whole key: client ids do not belong to a channel. */
static const char client_ids_sql[] =
    "SELECT client_id, channel_id, sender, seq, EXISTS (SELECT 1 FROM messages m WHERE m.channel_id = i.channel_id AND"
    " m.message_seq = i.seq) OR EXISTS (SELECT 1 FROM changes c WHERE c.channel_id = i.channel_id AND c.seq = i.seq)"
    " OR i.seq < (SELECT min_seq FROM channels c WHERE c.channel_id = i.channel_id)"
    " FROM client_ids i WHERE (client_id, channel_id, sender) > (?1, ?2, ?3) ORDER BY 1, 2, 3 LIMIT ?4";

/* One walk. Statements are prepared once; each execution is a read of its own. */
struct sqlite_walk {
    sqlite3 *handle;
    struct verify *verify;
    struct buffer channel; /* id of the current channel */
    sqlite3_stmt *next[TABLES], *about, *seqs, *events, *reactions, *members;
};

static struct slice text_at(sqlite3_stmt *row, int column) {
    const char *text = (const char *)sqlite3_column_text(row, column);
    return (struct slice){text, (size_t)sqlite3_column_bytes(row, column)};
}

static void bind_text(sqlite3_stmt *statement, int index, struct slice text) {
    sqlite3_bind_text(statement, index, text.ptr ? text.ptr : "", (int)text.len, SQLITE_STATIC);
}

static struct slice channel_of(const struct sqlite_walk *walk) {
    return buffer_slice(&walk->channel);
}

/* Binds the current channel, and the range from a number (?2) to another (?3). */
static sqlite3_stmt *bind(struct sqlite_walk *walk, sqlite3_stmt *statement, int64_t after, int64_t to) {
    bind_text(statement, 1, channel_of(walk));
    if (sqlite3_bind_parameter_count(statement) >= 2) sqlite3_bind_int64(statement, 2, after);
    if (sqlite3_bind_parameter_count(statement) >= 3) sqlite3_bind_int64(statement, 3, to);
    return statement;
}

/* A page that SQLite cannot read is a finding; the walk continues after it. */
static void end(struct sqlite_walk *walk, sqlite3_stmt *statement, const char *what) {
    if (sqlite3_reset(statement) != SQLITE_OK)
        verify_found(walk->verify, "unreadable", channel_of(walk), 0, "its %s cannot be read: %s", what,
                     sqlite3_errmsg(walk->handle));
}

static bool is_intact(sqlite3_stmt *row, int kind) {
    if (sqlite3_column_type(row, CHECKSUM) == SQLITE_NULL) return true;
    return sqlite3_column_int64(row, CHECKSUM) ==
           db_checksum(sqlite3_column_int64(row, MESSAGE_SEQ), text_at(row, TEXT),
                       kind == STORE_MESSAGE_NEW ? text_at(row, ATTACHMENTS) : SLICE_NONE, text_at(row, SAID));
}

static size_t bytes_of(sqlite3_stmt *row) {
    return text_at(row, TEXT).len + text_at(row, ATTACHMENTS).len + text_at(row, SAID).len;
}

/* Were there events in (after, to]? Stops early when texts are long, but only between two numbers. */
static bool check_events(struct sqlite_walk *walk, struct verify_log *log, int64_t after, int64_t to) {
    sqlite3_stmt *row = bind(walk, walk->events, after, to);
    bool any = false;
    size_t bytes = 0;
    while (sqlite3_step(row) == SQLITE_ROW) {
        int kind = sqlite3_column_int(row, KIND);
        if (bytes >= SLICE_BYTES_MAX && sqlite3_column_int64(row, SEQ) > log->seq) break;
        bytes += bytes_of(row);
        any = true;
        verify_log_event(log, &(struct verify_event){.seq = sqlite3_column_int64(row, SEQ),
                                                     .epoch = sqlite3_column_int64(row, EPOCH),
                                                     .message_seq = sqlite3_column_int64(row, MESSAGE_SEQ),
                                                     .kind = kind,
                                                     .epoch_is_known = sqlite3_column_int(row, EPOCH_KNOWN),
                                                     .message_is_there = sqlite3_column_int(row, MESSAGE_THERE),
                                                     .is_intact = is_intact(row, kind)});
    }
    end(walk, row, "events");
    return any;
}

static void check_reactions(struct sqlite_walk *walk, int64_t floor, int64_t after, int64_t to) {
    sqlite3_stmt *row = bind(walk, walk->reactions, after, to);
    while (sqlite3_step(row) == SQLITE_ROW) {
        struct slice emoji = text_at(row, 1), user = text_at(row, 2);
        int64_t message = sqlite3_column_int64(row, 0);
        if (message < floor) continue;
        verify_found(walk->verify, "orphan", channel_of(walk), message, "the reaction %.*s of %.*s to %lld has no %s",
                     SLICE_ARG(emoji), SLICE_ARG(user), (long long)message,
                     sqlite3_column_int(row, 3) ? "event" : "message");
    }
    end(walk, row, "reactions");
}

/* The first number above after. */
static bool find_seq(struct sqlite_walk *walk, int64_t after, int64_t *seq_r) {
    sqlite3_stmt *row = bind(walk, walk->seqs, after, 0);
    bool found = sqlite3_step(row) == SQLITE_ROW && sqlite3_column_type(row, 0) != SQLITE_NULL;
    if (found) *seq_r = sqlite3_column_int64(row, 0);
    end(walk, row, "numbers");
    return found && *seq_r > after;
}

static void check_log(struct sqlite_walk *walk, struct verify_log *log) {
    int64_t after = INT64_MIN;
    for (int64_t first; find_seq(walk, after, &first);) {
        int64_t to = first < INT64_MAX - VERIFY_SLICE ? first + VERIFY_SLICE : INT64_MAX;
        if (!check_events(walk, log, first - 1, to)) break; /* unreadable: already reported */
        /* The next slice begins after the last event found: meanwhile more may have come. */
        check_reactions(walk, log->floor, after, log->seq);
        after = log->seq;
        if (!verify_moved(walk->verify)) return;
    }
    check_reactions(walk, log->floor, after, INT64_MAX);
}

static void check_members(struct sqlite_walk *walk) {
    sqlite3_stmt *row = bind(walk, walk->members, 0, 0);
    while (sqlite3_step(row) == SQLITE_ROW) {
        struct slice user = text_at(row, 0);
        if (sqlite3_column_type(row, 2) == SQLITE_NULL)
            verify_found(walk->verify, "orphan", channel_of(walk), 0,
                         "%.*s is a member of a channel that does not exist", SLICE_ARG(user));
        else
            verify_found(walk->verify, "read_mark", channel_of(walk), sqlite3_column_int64(row, 1),
                         "%.*s has read up to %lld, but the head is %lld", SLICE_ARG(user),
                         (long long)sqlite3_column_int64(row, 1), (long long)sqlite3_column_int64(row, 2));
    }
    end(walk, row, "members");
}

/* The start of the log and its head; false: no such channel. */
static bool read_head(struct sqlite_walk *walk, int64_t *floor_r, int64_t *head_r) {
    sqlite3_stmt *row = bind(walk, walk->about, 0, 0);
    bool found = sqlite3_step(row) == SQLITE_ROW;
    *floor_r = found ? sqlite3_column_int64(row, 0) : 1;
    *head_r = found ? sqlite3_column_int64(row, 1) : 0;
    end(walk, row, "head");
    return found;
}

static void check_channel(struct sqlite_walk *walk) {
    struct verify_log log;
    int64_t floor, before, after;
    bool is_channel = read_head(walk, &floor, &before);
    verify_log_begin(&log, walk->verify, channel_of(walk), floor);
    check_log(walk, &log);
    if (walk->verify->stopped) return;
    if (is_channel && read_head(walk, &floor, &after))
        verify_log_end(&log, before, after);
    else if (log.any)
        verify_found(walk->verify, "orphan", channel_of(walk), 0, "has events up to %lld, but is not a channel",
                     (long long)log.seq);
    check_members(walk);
}

/* The next channel in any readable table. False: none left. */
static bool find_next(struct sqlite_walk *walk) {
    struct buffer least = {0};
    bool found = false;
    for (int i = 0; i < TABLES; i++) {
        if (!walk->next[i]) continue;
        sqlite3_stmt *row = bind(walk, walk->next[i], 0, 0);
        bool any = sqlite3_step(row) == SQLITE_ROW && sqlite3_column_type(row, 0) != SQLITE_NULL;
        struct slice id = any ? text_at(row, 0) : SLICE_NONE;
        if (any && (!found || slice_compare(id, buffer_slice(&least)) < 0)) {
            buffer_clear(&least);
            buffer_append_slice(&least, id);
            found = true;
        }
        if (sqlite3_reset(row) == SQLITE_OK) continue;
        verify_found(walk->verify, "unreadable", channel_of(walk), 0, "the rows after it cannot be read: %s",
                     sqlite3_errmsg(walk->handle));
        sqlite3_finalize(walk->next[i]); /* a table is reported once, then skipped */
        walk->next[i] = NULL;
    }
    buffer_done(&walk->channel);
    walk->channel = least;
    return found;
}

static void check_channels(struct sqlite_walk *walk) {
    while (!walk->verify->stopped && find_next(walk)) {
        check_channel(walk);
        if (!verify_moved(walk->verify)) return;
    }
}

/* The next slice begins at the last row's key. */
static unsigned check_client_ids_after(struct sqlite_walk *walk, sqlite3_stmt *row, struct buffer key[3]) {
    unsigned rows = 0;
    for (int i = 0; i < 3; i++) bind_text(row, i + 1, buffer_slice(&key[i]));
    sqlite3_bind_int(row, 4, VERIFY_SLICE);
    struct buffer last[3] = {{0}};
    for (; sqlite3_step(row) == SQLITE_ROW; rows++) {
        for (int i = 0; i < 3; i++) {
            buffer_clear(&last[i]);
            buffer_append_slice(&last[i], text_at(row, i));
        }
        if (!sqlite3_column_int(row, 4))
            verify_found(walk->verify, "client_id", text_at(row, 1), sqlite3_column_int64(row, 3),
                         "the client id \"%.*s\" of %.*s belongs to event %lld, which does not exist",
                         SLICE_ARG(text_at(row, 0)), SLICE_ARG(text_at(row, 2)),
                         (long long)sqlite3_column_int64(row, 3));
    }
    end(walk, row, "ids of clients");
    for (int i = 0; i < 3; i++) {
        buffer_done(&key[i]);
        key[i] = last[i];
    }
    return rows;
}

static bool prepare(struct sqlite_walk *walk, const char *sql, sqlite3_stmt **statement_r) {
    return sqlite3_prepare_v3(walk->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, statement_r, NULL) == SQLITE_OK;
}

static bool check_client_ids(struct sqlite_walk *walk) {
    struct buffer key[3] = {{0}};
    sqlite3_stmt *rows = NULL;
    if (!prepare(walk, client_ids_sql, &rows)) return false;
    while (!walk->verify->stopped && check_client_ids_after(walk, rows, key) == VERIFY_SLICE)
        if (!verify_moved(walk->verify)) break;
    sqlite3_finalize(rows);
    for (int i = 0; i < 3; i++) buffer_done(&key[i]);
    return true;
}

/* SQLite's own check, one table at a time. */
static void check_table(struct sqlite_walk *walk, const char *table) {
    char *sql = sqlite3_mprintf("PRAGMA %s(%Q)", walk->verify->thorough ? "integrity_check" : "quick_check", table);
    sqlite3_stmt *row = NULL;
    if (prepare(walk, sql, &row))
        for (unsigned n = 0; n < BREACHES_MAX && sqlite3_step(row) == SQLITE_ROW; n++) {
            const char *verdict = (const char *)sqlite3_column_text(row, 0);
            if (verdict && strcmp(verdict, "ok") != 0)
                verify_found(walk->verify, "file", SLICE_NONE, 0, "table %s: %s", table, verdict);
        }
    if (sqlite3_finalize(row) != SQLITE_OK)
        verify_found(walk->verify, "file", SLICE_NONE, 0, "table %s: %s", table, sqlite3_errmsg(walk->handle));
    sqlite3_free(sql);
}

static bool check_file(struct sqlite_walk *walk) {
    sqlite3_stmt *tables = NULL;
    struct buffer names = {0}; /* NUL-terminated names: no statement may be open while a table is checked */
    if (!prepare(walk, "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'", &tables))
        return false;
    while (sqlite3_step(tables) == SQLITE_ROW) {
        buffer_append_slice(&names, text_at(tables, 0));
        buffer_append_char(&names, '\0');
    }
    bool good = sqlite3_finalize(tables) == SQLITE_OK;
    for (size_t at = 0; at < names.len && verify_moved(walk->verify); at += strlen(names.ptr + at) + 1)
        check_table(walk, names.ptr + at);
    buffer_done(&names);
    return good;
}

static bool check_rows(struct sqlite_walk *walk) {
    for (int i = 0; i < TABLES; i++)
        if (!prepare(walk, next_sql[i], &walk->next[i])) return false;
    if (!prepare(walk, about_sql, &walk->about) || !prepare(walk, seqs_sql, &walk->seqs) ||
        !prepare(walk, events_sql, &walk->events) || !prepare(walk, reactions_sql, &walk->reactions) ||
        !prepare(walk, members_sql, &walk->members))
        return false;
    check_channels(walk);
    return check_client_ids(walk);
}

bool sqlite_verify(const char *path, struct verify *verify, struct error *error_r) {
    struct sqlite_walk walk = {.verify = verify};
    int64_t known = 0, version = 0;
    while (sqlite_migrations[known]) known++;
    bool good = sqlite_file_open(path, &walk.handle, error_r);
    if (good) good = (version = sqlite_file_version(walk.handle, path, error_r)) > 0;
    if (good) {
        verify->is_older = version < known;
        good = (verify->in_slices || check_file(&walk)) && (verify->is_older || verify->stopped || check_rows(&walk));
        if (!good) error_set(error_r, "%s: cannot be read: %s", path, sqlite3_errmsg(walk.handle));
        if (verify->stopped) error_set(error_r, "%s: stopped before everything was verified", path);
        good = good && !verify->stopped;
    }
    sqlite3_stmt *statements[] = {walk.about, walk.seqs, walk.events, walk.reactions, walk.members};
    for (size_t i = 0; i < sizeof statements / sizeof *statements; i++) sqlite3_finalize(statements[i]);
    for (int i = 0; i < TABLES; i++) sqlite3_finalize(walk.next[i]);
    buffer_done(&walk.channel);
    sqlite3_close(walk.handle);
    return good;
}
