/* SPDX-License-Identifier: Apache-2.0 */
/* The append: one transaction that numbers and stores the event, changes its message, and keeps what the answer to a
 * retry needs. */
#include <string.h>

#include "base/fault.h"
#include "base/wall_time.h"
#include "store/sqlite/sqlite_internal.h"
#include "store/store_json.h"

static void answer_message(struct store_request *request, struct slice message_id, int64_t created_ms) {
    wall_time_write(request->append.created_at_r, created_ms);
    size_t len =
        message_id.len < sizeof request->append.message_id_r ? message_id.len : sizeof request->append.message_id_r - 1;
    memcpy(request->append.message_id_r, message_id.ptr, len);
    request->append.message_id_r[len] = '\0';
}

/* Answers with an earlier event and its message. */
static enum store_status answer_with(struct sqlite_db *db, struct store_request *request, int64_t seq) {
    struct store_message message;
    int64_t message_seq;
    if (!sqlite_event(db, request, seq, &message_seq) ||
        !sqlite_find_message(db, request->channel_id, SLICE_NONE, message_seq, &message))
        return STORE_UNAVAILABLE;
    request->append.duplicate_r = true;
    request->at.seq = seq;
    answer_message(request, message.message_id, message.created_ms);
    return STORE_OK;
}

/* Does the log hold an append with this sender's client id? Returns its number and fingerprint. */
static bool find_client_id(struct sqlite_db *db, const struct store_request *request, int64_t *seq_r,
                           int64_t *fingerprint_r) {
    if (!request->append.client_id.len || fault_planted("dedupe_off")) return false;
    sqlite3_stmt *found = db_query(
        db, "SELECT seq, fingerprint FROM client_ids WHERE client_id = ?1 AND channel_id = ?2 AND sender = ?3");
    db_bind_text(found, 1, request->append.client_id);
    db_bind_text(found, 2, request->channel_id);
    db_bind_text(found, 3, request->user_id);
    if (!db_step(db, found)) return false;
    *seq_r = sqlite3_column_int64(found, 0);
    *fingerprint_r = sqlite3_column_int64(found, 1);
    sqlite3_reset(found);
    return true;
}

enum store_status sqlite_appended(struct sqlite_db *db, struct store_request *request) {
    int64_t seq, known;
    if (!find_client_id(db, request, &seq, &known)) return db_status(db) == STORE_OK ? STORE_NOT_FOUND : db_status(db);
    return known == store_fingerprint(&request->append) ? STORE_OK : STORE_CONFLICT;
}

static enum store_status remember(struct sqlite_db *db, struct store_request *request, int64_t fingerprint) {
    if (!request->append.client_id.len || fault_planted("dedupe_off")) return STORE_OK;
    sqlite3_stmt *row = db_query(db, "INSERT INTO client_ids VALUES (?1, ?2, ?3, ?4, ?5)");
    db_bind_text(row, 1, request->append.client_id);
    db_bind_text(row, 2, request->channel_id);
    db_bind_text(row, 3, request->user_id);
    db_bind_integer(row, 4, request->at.seq);
    db_bind_integer(row, 5, fingerprint);
    return db_run(db, row);
}

static bool next_seq(struct sqlite_db *db, struct store_request *request) {
    request->at.seq = db_head(db, request->channel_id) + 1;
    memcpy(request->at.epoch, db->epoch_text, sizeof request->at.epoch);
    return request->at.seq > 0;
}

static enum store_status insert_message(struct sqlite_db *db, const struct store_message *message) {
    sqlite3_stmt *row =
        db_query(db,
                 "INSERT INTO messages (channel_id, message_seq, epoch, message_id, user_id, created_ms, checksum, "
                 "thread_id, content, attachments) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)");
    db_bind_text(row, 1, message->channel_id);
    db_bind_integer(row, 2, message->message_seq);
    db_bind_integer(row, 3, db->epoch);
    db_bind_text(row, 4, message->message_id);
    db_bind_text(row, 5, message->user_id);
    db_bind_integer(row, 6, message->created_ms);
    db_bind_integer(row, 7, sqlite_message_checksum(message));
    db_bind_text(row, 8, message->thread_id);
    db_bind_text(row, 9, message->content);
    db_bind_text(row, 10, message->attachments);
    return db_run(db, row);
}

static enum store_status append_message(struct sqlite_db *db, struct store_request *request, int64_t fingerprint) {
    if (!next_seq(db, request)) return db_status(db) == STORE_OK ? STORE_NOT_FOUND : db_status(db);
    struct store_message message = {
        .channel_id = request->channel_id,
        .message_id = request->append.message_id,
        .user_id = request->user_id,
        .content = request->append.content,
        .thread_id = request->append.thread_id,
        .attachments = request->append.attachments,
        .message_seq = request->at.seq,
        .created_ms = db->now_ms,
    };
    enum store_status status = insert_message(db, &message);
    if (status == STORE_OK) status = remember(db, request, fingerprint);
    if (status != STORE_OK) return status;
    struct buffer body = {0};
    store_write_message_body(&body, &message);
    store_write_event(&request->json, STORE_MESSAGE_NEW, buffer_slice(&body), request->at.seq, request->at.seq,
                      request->at.epoch);
    buffer_done(&body);
    answer_message(request, message.message_id, message.created_ms);
    return STORE_OK;
}

static enum store_status update_message(struct sqlite_db *db, const struct store_message *message) {
    sqlite3_stmt *row =
        db_query(db,
                 "UPDATE messages SET content = ?3, attachments = ?4, said = ?5, edited_ms = nullif(?6, 0), deleted_ms "
                 "= nullif(?7, 0), checksum = ?8 WHERE channel_id = ?1 AND message_seq = ?2");
    db_bind_text(row, 1, message->channel_id);
    db_bind_integer(row, 2, message->message_seq);
    db_bind_text(row, 3, message->content);
    db_bind_text(row, 4, message->attachments);
    db_bind_text(row, 5, message->said);
    db_bind_integer(row, 6, message->edited_ms);
    db_bind_integer(row, 7, message->deleted_ms);
    db_bind_integer(row, 8, sqlite_message_checksum(message));
    return db_run(db, row);
}

static enum store_status edit(struct sqlite_db *db, struct store_request *request, struct store_message *message) {
    if (!message->said.len) message->said = message->content;
    message->content = request->append.content;
    message->edited_ms = db->now_ms;
    return update_message(db, message);
}

/* Deletes the content from the message and from every event about it. */
static enum store_status blank(struct sqlite_db *db, struct store_message *message) {
    message->content = SLICE("\"\"");
    message->attachments = message->said = message->reactions = SLICE_NONE;
    message->deleted_ms = db->now_ms;
    enum store_status status = update_message(db, message);
    struct buffer body = {0};
    store_write_message_body(&body, message);
    sqlite3_stmt *edits =
        db_query(db,
                 "UPDATE changes INDEXED BY changes_edits SET body = ?3, checksum = ?4 WHERE channel_id = ?1 AND "
                 "message_seq = ?2 AND kind = 1");
    db_bind_text(edits, 1, message->channel_id);
    db_bind_integer(edits, 2, message->message_seq);
    db_bind_text(edits, 3, buffer_slice(&body));
    db_bind_integer(edits, 4, db_checksum(message->message_seq, buffer_slice(&body), SLICE_NONE, SLICE_NONE));
    if (status == STORE_OK) status = db_run(db, edits);
    sqlite3_stmt *reactions = db_query(db, "DELETE FROM reactions WHERE channel_id = ?1 AND message_seq = ?2");
    db_bind_text(reactions, 1, message->channel_id);
    db_bind_integer(reactions, 2, message->message_seq);
    if (status == STORE_OK) status = db_run(db, reactions);
    buffer_done(&body);
    return status;
}

/* The seq of the event that added this reaction; 0: no such reaction. */
static int64_t reaction_seq(struct sqlite_db *db, struct store_request *request, int64_t message_seq) {
    sqlite3_stmt *found = db_query(
        db, "SELECT seq FROM reactions WHERE channel_id = ?1 AND message_seq = ?2 AND emoji = ?3 AND user_id = ?4");
    db_bind_text(found, 1, request->channel_id);
    db_bind_integer(found, 2, message_seq);
    db_bind_text(found, 3, request->append.emoji);
    db_bind_text(found, 4, request->user_id);
    int64_t seq = db_step(db, found) ? sqlite3_column_int64(found, 0) : 0;
    sqlite3_reset(found);
    return seq;
}

static bool may_react(struct sqlite_db *db, struct store_request *request, int64_t message_seq) {
    sqlite3_stmt *counts =
        db_query(db,
                 "SELECT count(*), count(*) FILTER (WHERE user_id = ?3) FROM reactions WHERE channel_id = ?1 AND "
                 "message_seq = ?2");
    db_bind_text(counts, 1, request->channel_id);
    db_bind_integer(counts, 2, message_seq);
    db_bind_text(counts, 3, request->user_id);
    bool may = db_step(db, counts) && sqlite3_column_int64(counts, 0) < STORE_REACTIONS_MAX &&
               sqlite3_column_int64(counts, 1) < STORE_USER_REACTIONS_MAX;
    sqlite3_reset(counts);
    return may;
}

static enum store_status change_reaction(struct sqlite_db *db, struct store_request *request, int64_t message_seq) {
    bool add = request->append.kind == STORE_REACTION_ADD;
    sqlite3_stmt *row =
        add ? db_query(db, "INSERT INTO reactions VALUES (?1, ?2, ?3, ?4, ?5)")
            : db_query(db,
                       "DELETE FROM reactions WHERE channel_id = ?1 AND message_seq = ?2 AND emoji = ?3 AND user_id = "
                       "?4");
    db_bind_text(row, 1, request->channel_id);
    db_bind_integer(row, 2, message_seq);
    db_bind_text(row, 3, request->append.emoji);
    db_bind_text(row, 4, request->user_id);
    if (add) db_bind_integer(row, 5, request->at.seq);
    return db_run(db, row);
}

static void write_body(struct buffer *body, const struct store_request *request, const struct store_message *message) {
    if (request->append.kind == STORE_EDIT)
        store_write_message_body(body, message);
    else if (request->append.kind == STORE_DELETE)
        store_write_deleted_body(body, request->channel_id, request->append.message_id);
    else
        store_write_reaction_body(body, &(struct store_reaction){.channel_id = request->channel_id,
                                                                 .message_id = request->append.message_id,
                                                                 .user_id = request->user_id,
                                                                 .emoji = request->append.emoji,
                                                                 .added = request->append.kind == STORE_REACTION_ADD});
}

static enum store_status insert_change(struct sqlite_db *db, struct store_request *request, int64_t message_seq,
                                       struct slice body) {
    sqlite3_stmt *row = db_query(db, "INSERT INTO changes VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)");
    db_bind_text(row, 1, request->channel_id);
    db_bind_integer(row, 2, request->at.seq);
    db_bind_integer(row, 3, db->epoch);
    db_bind_integer(row, 4, request->append.kind);
    db_bind_text(row, 5, request->user_id);
    db_bind_integer(row, 6, message_seq);
    db_bind_integer(row, 7, db->now_ms);
    db_bind_integer(row, 8, db_checksum(message_seq, body, SLICE_NONE, SLICE_NONE));
    db_bind_text(row, 9, body);
    return db_run(db, row);
}

/* An edit, a delete or a reaction: an event of its own that refers to the message. */
static enum store_status append_change(struct sqlite_db *db, struct store_request *request, int64_t fingerprint) {
    struct store_message message;
    struct buffer body = {0};
    enum store_status status = STORE_NOT_FOUND;
    bool is_reaction = request->append.kind == STORE_REACTION_ADD || request->append.kind == STORE_REACTION_REMOVE;
    if (!sqlite_find_message(db, request->channel_id, request->append.message_id, 0, &message) || message.deleted_ms)
        goto out;
    if (is_reaction) {
        int64_t there = reaction_seq(db, request, message.message_seq);
        if ((there != 0) == (request->append.kind == STORE_REACTION_ADD)) { /* nothing to change */
            status = answer_with(db, request, there ? there : db_head(db, request->channel_id));
            goto out;
        }
        status = STORE_TOO_LARGE;
        if (request->append.kind == STORE_REACTION_ADD && !may_react(db, request, message.message_seq)) goto out;
    }
    status = STORE_UNAVAILABLE;
    if (!next_seq(db, request)) goto out;
    if (is_reaction)
        status = change_reaction(db, request, message.message_seq);
    else
        status = request->append.kind == STORE_EDIT ? edit(db, request, &message) : blank(db, &message);
    if (status != STORE_OK) goto out;
    write_body(&body, request, &message);
    status = insert_change(db, request, message.message_seq, buffer_slice(&body));
    if (status == STORE_OK) status = remember(db, request, fingerprint);
    if (status != STORE_OK) goto out;
    store_write_event(&request->json, request->append.kind, buffer_slice(&body), message.message_seq, request->at.seq,
                      request->at.epoch);
    answer_message(request, request->append.message_id, message.created_ms);
out:
    buffer_done(&body);
    return status;
}

enum store_status sqlite_append(struct sqlite_db *db, struct store_request *request) {
    int64_t fingerprint = store_fingerprint(&request->append);
    int64_t seq, known;
    if (find_client_id(db, request, &seq, &known))
        return known == fingerprint ? answer_with(db, request, seq) : STORE_CONFLICT;
    return request->append.kind == STORE_MESSAGE_NEW ? append_message(db, request, fingerprint)
                                                     : append_change(db, request, fingerprint);
}
