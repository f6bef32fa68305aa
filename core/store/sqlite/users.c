/* SPDX-License-Identifier: Apache-2.0 */
/* Users, sessions, audit, and the probe of readiness. */
#include <openssl/sha.h>

#include "base/wall_time.h"
#include "store/sqlite/sqlite_internal.h"
#include "store/store_json.h"
#include "store/store_sound.h"

enum { AUDITS_MAX = 1000, USERS_MAX = 1000 };

static enum store_status user_put(struct sqlite_db *db, struct store_request *request) {
    sqlite3_stmt *row = db_query(db,
                                 "INSERT INTO users (user_id, name, avatar) VALUES (?1, coalesce(?2, ?1), ?3) ON "
                                 "CONFLICT (user_id) DO UPDATE SET name = coalesce(?2, name), avatar = coalesce(?3, "
                                 "avatar)");
    db_bind_text(row, 1, request->user_id);
    db_bind_text(row, 2, request->user.name);
    db_bind_text(row, 3, request->user.avatar);
    return db_run(db, row);
}

/* Calls fn for each id, until one fails. */
static enum store_status each_id(struct sqlite_db *db, struct store_request *request,
                                 enum store_status (*fn)(struct sqlite_db *db, struct store_request *request,
                                                         struct slice id)) {
    size_t len;
    const struct slice *ids = store_ids(request, &len);
    enum store_status status = STORE_OK;
    for (size_t i = 0; status == STORE_OK && i < len && i < USERS_MAX; i++)
        if (store_id_sound(ids[i], STORE_USER_ID_MAX)) status = fn(db, request, ids[i]);
    return status;
}

static enum store_status see(struct sqlite_db *db, struct store_request *request, struct slice user_id) {
    sqlite3_stmt *row = db_query(db,
                                 "INSERT INTO users (user_id, name, last_seen_ms) VALUES (?1, ?1, ?2) ON CONFLICT "
                                 "(user_id) DO UPDATE SET last_seen_ms = ?2");
    db_bind_text(row, 1, user_id);
    db_bind_integer(row, 2, db->now_ms);
    return db_run(db, row);
}

static enum store_status write_user(struct sqlite_db *db, struct store_request *request, struct slice user_id) {
    struct buffer *out = &request->json;
    sqlite3_stmt *row = db_query(db, "SELECT name, avatar, last_seen_ms FROM users WHERE user_id = ?1");
    db_bind_text(row, 1, user_id);
    if (!db_step(db, row)) return STORE_OK;
    char seen[32] = "";
    if (sqlite3_column_int64(row, 2)) wall_time_write(seen, sqlite3_column_int64(row, 2));
    buffer_append_str(out, out->len > 1 ? ",{" : "{");
    store_write_member(out, "userId", user_id);
    store_write_member(out, "name", db_text(row, 0));
    store_write_member(out, "avatar", db_text(row, 1));
    store_write_member(out, "lastSeen", slice_of(seen));
    buffer_append_char(out, '}');
    sqlite3_reset(row);
    return STORE_OK;
}

static enum store_status word_put(struct sqlite_db *db, struct store_request *request) {
    sqlite3_stmt *row = request->word.status.len ? db_query(db, "INSERT OR REPLACE INTO words VALUES (?1, ?2, ?3, ?4)")
                                                 : db_query(db, "DELETE FROM words WHERE user_id = ?1");
    db_bind_text(row, 1, request->user_id);
    if (request->word.status.len) {
        db_bind_text(row, 2, request->word.status);
        db_bind_text(row, 3, request->word.message);
        db_bind_integer(row, 4, request->word.ends_ms);
    }
    return db_run(db, row);
}

static enum store_status write_word(struct sqlite_db *db, struct store_request *request, struct slice user_id) {
    sqlite3_stmt *row = db_query(
        db, "SELECT status, message, until_ms FROM words WHERE user_id = ?1 AND (until_ms = 0 OR until_ms > ?2)");
    db_bind_text(row, 1, user_id);
    db_bind_integer(row, 2, db->now_ms);
    if (!db_step(db, row)) return STORE_OK;
    store_write_word(&request->json, user_id, db_text(row, 0), db_text(row, 1), sqlite3_column_int64(row, 2));
    sqlite3_reset(row);
    return STORE_OK;
}

/* Writes an array of what write_item writes for each id. */
static enum store_status each_written(struct sqlite_db *db, struct store_request *request,
                                      enum store_status (*write_item)(struct sqlite_db *db,
                                                                      struct store_request *request, struct slice id)) {
    buffer_append_char(&request->json, '[');
    each_id(db, request, write_item);
    buffer_append_char(&request->json, ']');
    return db_status(db);
}

static void bind_token(sqlite3_stmt *statement, int index, struct slice token) {
    unsigned char hash[SHA256_DIGEST_LENGTH];
    SHA256((const unsigned char *)token.ptr, token.len, hash);
    sqlite3_bind_blob(statement, index, hash, sizeof hash, SQLITE_TRANSIENT);
}

static enum store_status session_put(struct sqlite_db *db, struct store_request *request) {
    sqlite3_stmt *old = db_query(db, "DELETE FROM sessions WHERE expires_ms <= ?1");
    db_bind_integer(old, 1, db->now_ms);
    enum store_status status = db_run(db, old);
    sqlite3_stmt *row = db_query(db, "INSERT OR REPLACE INTO sessions VALUES (?1, ?2, ?3)");
    bind_token(row, 1, request->session.token);
    db_bind_text(row, 2, request->user_id);
    db_bind_integer(row, 3, request->session.expires_ms);
    return status == STORE_OK ? db_run(db, row) : status;
}

static enum store_status session_get(struct sqlite_db *db, struct store_request *request) {
    sqlite3_stmt *row =
        db_query(db, "SELECT user_id, expires_ms FROM sessions WHERE token_hash = ?1 AND expires_ms > ?2");
    bind_token(row, 1, request->session.token);
    db_bind_integer(row, 2, db->now_ms);
    if (!db_step(db, row)) return db_status(db) == STORE_OK ? STORE_NOT_FOUND : db_status(db);
    char expires[32];
    wall_time_write(expires, sqlite3_column_int64(row, 1));
    buffer_append_char(&request->json, '{');
    store_write_member(&request->json, "userId", db_text(row, 0));
    store_write_member(&request->json, "expiresAt", slice_of(expires));
    buffer_append_char(&request->json, '}');
    sqlite3_reset(row);
    return STORE_OK;
}

static enum store_status session_delete(struct sqlite_db *db, struct store_request *request) {
    enum store_status status = session_get(db, request);
    if (status != STORE_OK) return status;
    sqlite3_stmt *row = db_query(db, "DELETE FROM sessions WHERE token_hash = ?1");
    bind_token(row, 1, request->session.token);
    return db_run(db, row);
}

static enum store_status audit(struct sqlite_db *db, struct store_request *request) {
    sqlite3_stmt *row = db_query(
        db,
        "INSERT INTO audit (at_ms, actor, action, channel_id, detail) VALUES (?1, ?2, ?3, ?4, coalesce(?5, 'null'))");
    db_bind_integer(row, 1, db->now_ms);
    db_bind_text(row, 2, request->user_id);
    db_bind_text(row, 3, request->audit.action);
    db_bind_text(row, 4, request->channel_id);
    db_bind_text(row, 5, request->audit.detail);
    return db_run(db, row);
}

static enum store_status audits(struct sqlite_db *db, struct store_request *request) {
    sqlite3_stmt *rows = db_query(db,
                                  "SELECT at_ms, actor, action, channel_id, detail FROM audit WHERE ?1 IS NULL OR "
                                  "channel_id = ?1 ORDER BY audit_id DESC LIMIT ?2");
    struct buffer *out = &request->json;
    db_bind_text(rows, 1, request->channel_id);
    db_bind_integer(rows, 2,
                    request->audit.limit && request->audit.limit < AUDITS_MAX ? request->audit.limit : AUDITS_MAX);
    buffer_append_char(out, '[');
    while (db_step(db, rows)) {
        char at[32];
        wall_time_write(at, sqlite3_column_int64(rows, 0));
        buffer_append_str(out, out->len > 1 ? ",{" : "{");
        store_write_member(out, "at", slice_of(at));
        store_write_member(out, "actor", db_text(rows, 1));
        store_write_member(out, "action", db_text(rows, 2));
        store_write_member(out, "channelId", db_text(rows, 3));
        store_write_member_json(out, "detail", db_text(rows, 4));
        buffer_append_char(out, '}');
    }
    buffer_append_char(out, ']');
    return db_status(db);
}

static enum store_status probe(struct sqlite_db *db) {
    sqlite3_stmt *row = db_query(db, "UPDATE probe SET at_ms = ?1");
    db_bind_integer(row, 1, db->now_ms);
    return db_run(db, row);
}

enum store_status sqlite_users(struct sqlite_db *db, struct store_request *request) {
    switch (request->op) {
        case STORE_USER_PUT:
            return user_put(db, request);
        case STORE_USERS:
            return each_written(db, request, write_user);
        case STORE_USERS_SEEN:
            return each_id(db, request, see);
        case STORE_WORD_PUT:
            return word_put(db, request);
        case STORE_WORDS:
            return each_written(db, request, write_word);
        case STORE_SESSION_PUT:
            return session_put(db, request);
        case STORE_SESSION:
            return session_get(db, request);
        case STORE_SESSION_DELETE:
            return session_delete(db, request);
        case STORE_AUDIT:
            return audit(db, request);
        case STORE_AUDITS:
            return audits(db, request);
        default: /* STORE_PROBE */
            return probe(db);
    }
}
