/* SPDX-License-Identifier: Apache-2.0 */
/* Channels and their members. */
#include "store/sqlite/sqlite_internal.h"
#include "store/store_json.h"

enum { MEMBERS_MAX = 10000, CHANNELS_MAX = 10000 };

static enum store_status missing(struct sqlite_db *db) {
    return db_status(db) == STORE_OK ? STORE_NOT_FOUND : db_status(db);
}

static enum store_status channel_get(struct sqlite_db *db, struct store_request *request) {
    sqlite3_stmt *row =
        db_query(db,
                 "SELECT name, visibility, last_seq, (SELECT count(*) FROM members m WHERE m.channel_id = "
                 "c.channel_id) FROM channels c JOIN heads USING (channel_id) WHERE c.channel_id = ?1");
    db_bind_text(row, 1, request->channel_id);
    if (!db_step(db, row)) return missing(db);
    struct buffer *out = &request->json;
    request->at.seq = sqlite3_column_int64(row, 2);
    memcpy(request->at.epoch, db->epoch_text, sizeof request->at.epoch);
    buffer_append_char(out, '{');
    store_write_member(out, "channelId", request->channel_id);
    store_write_member(out, "name", db_text(row, 0));
    store_write_member(out, "visibility", db_text(row, 1));
    store_write_member_number(out, "seq", request->at.seq);
    store_write_member(out, "epoch", slice_of(db->epoch_text));
    store_write_member_number(out, "members", sqlite3_column_int64(row, 3));
    buffer_append_char(out, '}');
    sqlite3_reset(row);
    return STORE_OK;
}

static enum store_status channel_put(struct sqlite_db *db, struct store_request *request) {
    sqlite3_stmt *row = db_query(
        db,
        "INSERT INTO channels (channel_id, name, visibility, created_ms) VALUES (?1, coalesce(?2, ?1), coalesce(?3, "
        "'public'), ?4) ON CONFLICT (channel_id) DO UPDATE SET name = coalesce(?2, name), visibility = coalesce(?3, "
        "visibility)");
    db_bind_text(row, 1, request->channel_id);
    db_bind_text(row, 2, request->channel.name);
    db_bind_text(row, 3, request->channel.visibility);
    db_bind_integer(row, 4, db->now_ms);
    enum store_status status = db_run(db, row);
    return status == STORE_OK ? channel_get(db, request) : status;
}

static enum store_status member_put(struct sqlite_db *db, struct store_request *request) {
    sqlite3_stmt *row =
        db_query(db,
                 "INSERT INTO members (channel_id, user_id, role, joined_ms, read_seq) SELECT channel_id, ?2, ?3, "
                 "?4, last_seq FROM heads WHERE channel_id = ?1 ON CONFLICT (channel_id, user_id) DO UPDATE "
                 "SET role = excluded.role");
    db_bind_text(row, 1, request->channel_id);
    db_bind_text(row, 2, request->user_id);
    db_bind_text(row, 3, request->member.role);
    db_bind_integer(row, 4, db->now_ms);
    enum store_status status = db_run(db, row);
    return status == STORE_OK && sqlite3_changes(db->handle) == 0 ? STORE_NOT_FOUND : status;
}

static enum store_status member_delete(struct sqlite_db *db, struct store_request *request) {
    sqlite3_stmt *row = db_query(db, "DELETE FROM members WHERE channel_id = ?1 AND user_id = ?2");
    db_bind_text(row, 1, request->channel_id);
    db_bind_text(row, 2, request->user_id);
    enum store_status status = db_run(db, row);
    return status == STORE_OK && sqlite3_changes(db->handle) == 0 ? STORE_NOT_FOUND : status;
}

static void write_member(struct buffer *out, struct slice user_id, struct slice role) {
    buffer_append_char(out, '{');
    store_write_member(out, "userId", user_id);
    store_write_member(out, "role", role);
    buffer_append_char(out, '}');
}

static enum store_status member_get(struct sqlite_db *db, struct store_request *request) {
    sqlite3_stmt *row = db_query(db, "SELECT role FROM members WHERE channel_id = ?1 AND user_id = ?2");
    db_bind_text(row, 1, request->channel_id);
    db_bind_text(row, 2, request->user_id);
    if (!db_step(db, row)) return missing(db);
    write_member(&request->json, request->user_id, db_text(row, 0));
    sqlite3_reset(row);
    return STORE_OK;
}

static enum store_status members(struct sqlite_db *db, struct store_request *request) {
    sqlite3_stmt *rows =
        db_query(db, "SELECT user_id, role FROM members WHERE channel_id = ?1 ORDER BY user_id LIMIT ?2");
    struct buffer *out = &request->json;
    db_bind_text(rows, 1, request->channel_id);
    db_bind_integer(rows, 2, MEMBERS_MAX);
    buffer_append_char(out, '[');
    while (db_step(db, rows)) {
        if (out->len > 1) buffer_append_char(out, ',');
        write_member(out, db_text(rows, 0), db_text(rows, 1));
    }
    buffer_append_char(out, ']');
    return db_status(db);
}

/* The limit for each channel, so that a list's total cost is bounded. */
static int64_t unread_most(struct sqlite_db *db, const struct store_request *request) {
    sqlite3_stmt *row = db_query(db, "SELECT count(*) FROM (SELECT 1 FROM members WHERE user_id = ?1 LIMIT ?2)");
    db_bind_text(row, 1, request->user_id);
    db_bind_integer(row, 2, CHANNELS_MAX);
    int64_t channels = db_step(db, row) ? sqlite3_column_int64(row, 0) : 0;
    int64_t share = STORE_UNREAD_LOOKS / (channels > 0 ? channels : 1);
    return share < STORE_UNREAD_MAX ? share : STORE_UNREAD_MAX;
}

/* Counts other users' messages after the reader's mark. The mark is moved over the reader's own messages. */
static int64_t count_unread(struct sqlite_db *db, struct slice channel_id, struct slice user_id, int64_t most,
                            int64_t *read_seq) {
    sqlite3_stmt *row = db_query(
        db,
        "SELECT count(*), count(*) FILTER (WHERE of_others), coalesce(min(message_seq) FILTER (WHERE of_others) - 1, "
        "max(message_seq)) FROM (SELECT message_seq, deleted_ms IS NULL AND user_id <> ?2 AS of_others FROM messages "
        "WHERE channel_id = ?1 AND message_seq > ?3 ORDER BY message_seq DESC LIMIT ?4 + 1)");
    db_bind_text(row, 1, channel_id);
    db_bind_text(row, 2, user_id);
    db_bind_integer(row, 3, *read_seq);
    db_bind_integer(row, 4, most);
    if (!db_step(db, row)) return 0;
    int64_t looked = sqlite3_column_int64(row, 0), unread = sqlite3_column_int64(row, 1);
    if (looked > 0 && looked <= most) *read_seq = sqlite3_column_int64(row, 2);
    sqlite3_reset(row);
    return unread < most ? unread : most;
}

static enum store_status user_channels(struct sqlite_db *db, struct store_request *request) {
    int64_t most = unread_most(db, request);
    sqlite3_stmt *rows = db_query(
        db,
        "SELECT c.channel_id, c.name, c.visibility, h.last_seq, m.read_seq FROM members m JOIN channels c USING "
        "(channel_id) JOIN heads h USING (channel_id) WHERE m.user_id = ?1 ORDER BY c.channel_id LIMIT ?2");
    struct buffer *out = &request->json;
    db_bind_text(rows, 1, request->user_id);
    db_bind_integer(rows, 2, CHANNELS_MAX);
    buffer_append_char(out, '[');
    while (db_step(db, rows)) {
        int64_t read_seq = sqlite3_column_int64(rows, 4);
        int64_t unread = count_unread(db, db_text(rows, 0), request->user_id, most, &read_seq);
        buffer_append_str(out, out->len > 1 ? ",{" : "{");
        store_write_member(out, "channelId", db_text(rows, 0));
        store_write_member(out, "name", db_text(rows, 1));
        store_write_member(out, "visibility", db_text(rows, 2));
        store_write_member_number(out, "seq", sqlite3_column_int64(rows, 3));
        store_write_member(out, "epoch", slice_of(db->epoch_text));
        store_write_member_number(out, "readSeq", read_seq);
        store_write_member_number(out, "unread", unread);
        buffer_append_char(out, '}');
    }
    buffer_append_char(out, ']');
    return db_status(db);
}

static enum store_status read_mark(struct sqlite_db *db, struct store_request *request) {
    sqlite3_stmt *row = db_query(db,
                                 "UPDATE members SET read_seq = max(read_seq, min(?3, (SELECT last_seq FROM heads "
                                 "WHERE channel_id = ?1))) WHERE channel_id = ?1 AND user_id = ?2");
    db_bind_text(row, 1, request->channel_id);
    db_bind_text(row, 2, request->user_id);
    db_bind_integer(row, 3, request->member.read_seq);
    enum store_status status = db_run(db, row);
    return status == STORE_OK && sqlite3_changes(db->handle) == 0 ? STORE_NOT_FOUND : status;
}

enum store_status sqlite_channels(struct sqlite_db *db, struct store_request *request) {
    switch (request->op) {
        case STORE_CHANNEL_PUT:
            return channel_put(db, request);
        case STORE_CHANNEL:
            return channel_get(db, request);
        case STORE_MEMBER_PUT:
            return member_put(db, request);
        case STORE_MEMBER_DELETE:
            return member_delete(db, request);
        case STORE_MEMBER:
            return member_get(db, request);
        case STORE_MEMBERS:
            return members(db, request);
        case STORE_USER_CHANNELS:
            return user_channels(db, request);
        default: /* STORE_READ_MARK */
            return read_mark(db, request);
    }
}
