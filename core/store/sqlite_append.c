/* The append: one transaction numbers and stores the event, changes the message it speaks of, and remembers what a
 * retry must be answered with. */
#include <stdio.h>

#include "base/fault.h"
#include "base/wall_time.h"
#include "store/sqlite_db.h"
#include "store/store_json.h"

#define EVENT_COLUMNS                                                                                              \
    "SELECT e.seq, e.epoch, e.kind, e.body, e.message_seq, m.message_id, m.created_ms, e.fingerprint, e.checksum " \
    "FROM events e "                                                                                               \
    "LEFT JOIN messages m ON m.channel_id = e.channel_id AND m.message_seq = e.message_seq WHERE e.channel_id = ?1 "

static void answer_message(struct store_request *request, struct slice message_id, int64_t created_ms) {
    wall_time_write(request->created_at_r, created_ms);
    snprintf(request->message_id_r, sizeof request->message_id_r, "%.*s", SLICE_ARG(message_id));
}

/* The answer is an event of the past: a row of EVENT_COLUMNS. */
static void answer_duplicate(struct sqlite_db *db, struct store_request *request, sqlite3_stmt *row) {
    db_verify(db, row, 8, db_checksum(sqlite3_column_int64(row, 4), db_text(row, 3), SLICE_NONE));
    request->duplicate = true;
    request->seq_r = sqlite3_column_int64(row, 0);
    db_epoch_text(db, sqlite3_column_int64(row, 1), request->epoch_r);
    answer_message(request, db_text(row, 5), sqlite3_column_int64(row, 6));
    store_write_event(&request->json, (enum store_kind)sqlite3_column_int(row, 2), db_text(row, 3),
                      sqlite3_column_int64(row, 4), request->seq_r, request->epoch_r);
}

/* What the log already holds under this sender's client id. */
static bool answered_before(struct sqlite_db *db, struct store_request *request, int64_t fingerprint,
                            enum store_status *status_r) {
    if (!request->client_id.len || fault_planted("dedupe_off")) return false;
    sqlite3_stmt *found = db_query(db, EVENT_COLUMNS "AND e.sender = ?2 AND e.client_id = ?3");
    db_bind_text(found, 1, request->channel_id);
    db_bind_text(found, 2, request->user_id);
    db_bind_text(found, 3, request->client_id);
    if (!db_step(db, found)) return false;
    bool same = sqlite3_column_int64(found, 7) == fingerprint;
    *status_r = same ? STORE_OK : STORE_CONFLICT;
    if (same) answer_duplicate(db, request, found);
    sqlite3_reset(found);
    return true;
}

/* Nothing is to be changed: the event that made it so tells it. */
static enum store_status answer_with(struct sqlite_db *db, struct store_request *request, int64_t seq) {
    sqlite3_stmt *found = db_query(db, EVENT_COLUMNS "AND e.seq = ?2");
    db_bind_text(found, 1, request->channel_id);
    db_bind_integer(found, 2, seq);
    if (!db_step(db, found)) return STORE_UNAVAILABLE;
    answer_duplicate(db, request, found);
    sqlite3_reset(found);
    return STORE_OK;
}

static bool next_seq(struct sqlite_db *db, struct store_request *request) {
    sqlite3_stmt *head =
        db_query(db, "UPDATE channels SET last_seq = last_seq + 1 WHERE channel_id = ?1 RETURNING last_seq");
    db_bind_text(head, 1, request->channel_id);
    if (!db_step(db, head)) return false;
    request->seq_r = sqlite3_column_int64(head, 0);
    while (db_step(db, head)) continue; /* to the end, or it is undone */
    memcpy(request->epoch_r, db->epoch_text, sizeof request->epoch_r);
    return true;
}

static enum store_status insert_event(struct sqlite_db *db, struct store_request *request, int64_t fingerprint,
                                      int64_t message_seq, int64_t created_ms, struct slice body) {
    sqlite3_stmt *event = db_query(db, "INSERT INTO events VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)");
    db_bind_text(event, 1, request->channel_id);
    db_bind_integer(event, 2, request->seq_r);
    db_bind_integer(event, 3, db->epoch);
    db_bind_integer(event, 4, request->kind);
    db_bind_text(event, 5, request->user_id);
    db_bind_text(event, 6, fault_planted("dedupe_off") ? SLICE_NONE : request->client_id);
    db_bind_integer(event, 7, fingerprint);
    db_bind_integer(event, 8, message_seq);
    db_bind_integer(event, 9, created_ms);
    db_bind_text(event, 10, body);
    db_bind_integer(event, 11, db_checksum(message_seq, body, SLICE_NONE));
    enum store_status status = db_run(db, event);
    if (status == STORE_OK)
        store_write_event(&request->json, request->kind, body, message_seq, request->seq_r, request->epoch_r);
    return status;
}

static enum store_status append_message(struct sqlite_db *db, struct store_request *request, int64_t fingerprint) {
    if (!next_seq(db, request)) return db_status(db) == STORE_OK ? STORE_NOT_FOUND : db_status(db);
    struct store_message message = {
        .channel_id = request->channel_id,
        .message_id = request->message_id,
        .user_id = request->user_id,
        .content = request->content,
        .thread_id = request->thread_id,
        .attachments = request->attachments,
        .message_seq = request->seq_r,
        .created_ms = db->now_ms,
    };
    sqlite3_stmt *row =
        db_query(db,
                 "INSERT INTO messages (channel_id, message_seq, message_id, user_id, content, thread_id, attachments, "
                 "created_ms, checksum) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)");
    db_bind_text(row, 1, message.channel_id);
    db_bind_integer(row, 2, message.message_seq);
    db_bind_text(row, 3, message.message_id);
    db_bind_text(row, 4, message.user_id);
    db_bind_text(row, 5, message.content);
    db_bind_text(row, 6, message.thread_id);
    db_bind_text(row, 7, message.attachments);
    db_bind_integer(row, 8, message.created_ms);
    db_bind_integer(row, 9, db_checksum(message.message_seq, message.content, message.attachments));
    enum store_status status = db_run(db, row);
    if (status != STORE_OK) return status;
    struct buffer body = {0};
    store_write_message_body(&body, &message);
    status = insert_event(db, request, fingerprint, message.message_seq, message.created_ms, buffer_slice(&body));
    buffer_done(&body);
    answer_message(request, message.message_id, message.created_ms);
    return status;
}

/* What was said is gone from the message and from every event that told it. */
static enum store_status blank(struct sqlite_db *db, struct store_request *request, struct store_message *message) {
    message->deleted_ms = db->now_ms;
    sqlite3_stmt *row =
        db_query(db,
                 "UPDATE messages SET content = '\"\"', attachments = NULL, deleted_ms = ?3, checksum = ?4 WHERE "
                 "channel_id = ?1 AND message_seq = ?2");
    db_bind_text(row, 1, message->channel_id);
    db_bind_integer(row, 2, message->message_seq);
    db_bind_integer(row, 3, message->deleted_ms);
    db_bind_integer(row, 4, db_checksum(message->message_seq, SLICE("\"\""), SLICE_NONE));
    enum store_status status = db_run(db, row);
    struct buffer body = {0};
    store_write_message_body(&body, message);
    sqlite3_stmt *events = db_query(
        db, "UPDATE events SET body = ?3, checksum = ?4 WHERE channel_id = ?1 AND message_seq = ?2 AND kind IN (0, 1)");
    db_bind_text(events, 1, message->channel_id);
    db_bind_integer(events, 2, message->message_seq);
    db_bind_text(events, 3, buffer_slice(&body));
    db_bind_integer(events, 4, db_checksum(message->message_seq, buffer_slice(&body), SLICE_NONE));
    if (status == STORE_OK) status = db_run(db, events);
    sqlite3_stmt *reactions = db_query(db, "DELETE FROM reactions WHERE channel_id = ?1 AND message_seq = ?2");
    db_bind_text(reactions, 1, message->channel_id);
    db_bind_integer(reactions, 2, message->message_seq);
    if (status == STORE_OK) status = db_run(db, reactions);
    buffer_done(&body);
    return status;
}

static enum store_status edit(struct sqlite_db *db, struct store_request *request, struct store_message *message) {
    message->content = request->content;
    message->edited_ms = db->now_ms;
    sqlite3_stmt *row = db_query(
        db,
        "UPDATE messages SET content = ?3, edited_ms = ?4, checksum = ?5 WHERE channel_id = ?1 AND message_seq = ?2");
    db_bind_text(row, 1, message->channel_id);
    db_bind_integer(row, 2, message->message_seq);
    db_bind_text(row, 3, message->content);
    db_bind_integer(row, 4, message->edited_ms);
    db_bind_integer(row, 5, db_checksum(message->message_seq, message->content, message->attachments));
    return db_run(db, row);
}

/* The seq of the event that added this reaction; 0: it is not there. */
static int64_t reaction_seq(struct sqlite_db *db, struct store_request *request, int64_t message_seq) {
    sqlite3_stmt *found = db_query(
        db, "SELECT seq FROM reactions WHERE channel_id = ?1 AND message_seq = ?2 AND emoji = ?3 AND user_id = ?4");
    db_bind_text(found, 1, request->channel_id);
    db_bind_integer(found, 2, message_seq);
    db_bind_text(found, 3, request->text);
    db_bind_text(found, 4, request->user_id);
    int64_t seq = db_step(db, found) ? sqlite3_column_int64(found, 0) : 0;
    sqlite3_reset(found);
    return seq;
}

static int64_t head_of(struct sqlite_db *db, struct slice channel_id) {
    sqlite3_stmt *head = db_query(db, "SELECT last_seq FROM channels WHERE channel_id = ?1");
    db_bind_text(head, 1, channel_id);
    int64_t seq = db_step(db, head) ? sqlite3_column_int64(head, 0) : 0;
    sqlite3_reset(head);
    return seq;
}

static enum store_status change_reaction(struct sqlite_db *db, struct store_request *request, int64_t message_seq) {
    bool add = request->kind == STORE_REACTION_ADD;
    sqlite3_stmt *row =
        add ? db_query(db, "INSERT INTO reactions VALUES (?1, ?2, ?3, ?4, ?5)")
            : db_query(db,
                       "DELETE FROM reactions WHERE channel_id = ?1 AND message_seq = ?2 AND emoji = ?3 AND user_id = "
                       "?4");
    db_bind_text(row, 1, request->channel_id);
    db_bind_integer(row, 2, message_seq);
    db_bind_text(row, 3, request->text);
    db_bind_text(row, 4, request->user_id);
    if (add) db_bind_integer(row, 5, request->seq_r);
    return db_run(db, row);
}

static void write_body(struct buffer *body, const struct store_request *request, const struct store_message *message) {
    if (request->kind == STORE_EDIT)
        store_write_message_body(body, message);
    else if (request->kind == STORE_DELETE)
        store_write_deleted_body(body, request->channel_id, request->message_id);
    else
        store_write_reaction_body(body, request);
}

/* An edit, a delete or a reaction: an event of its own that refers to the message. */
static enum store_status append_change(struct sqlite_db *db, struct store_request *request, int64_t fingerprint) {
    struct store_message message;
    struct buffer reactions = {0}, body = {0};
    enum store_status status = STORE_NOT_FOUND;
    bool is_reaction = request->kind == STORE_REACTION_ADD || request->kind == STORE_REACTION_REMOVE;
    if (!sqlite_find_message(db, request->channel_id, request->message_id, 0, &message, &reactions) ||
        message.deleted_ms)
        goto out;
    if (is_reaction) {
        int64_t there = reaction_seq(db, request, message.message_seq);
        if ((there != 0) == (request->kind == STORE_REACTION_ADD)) { /* it is so already */
            status = answer_with(db, request, there ? there : head_of(db, request->channel_id));
            goto out;
        }
    }
    status = STORE_UNAVAILABLE;
    if (!next_seq(db, request)) goto out;
    if (is_reaction)
        status = change_reaction(db, request, message.message_seq);
    else
        status = request->kind == STORE_EDIT ? edit(db, request, &message) : blank(db, request, &message);
    if (status != STORE_OK) goto out;
    write_body(&body, request, &message);
    answer_message(request, request->message_id, message.created_ms);
    status = insert_event(db, request, fingerprint, message.message_seq, db->now_ms, buffer_slice(&body));
out:
    buffer_done(&reactions);
    buffer_done(&body);
    return status;
}

enum store_status sqlite_append(struct sqlite_db *db, struct store_request *request) {
    int64_t fingerprint = store_fingerprint(request);
    enum store_status status;
    if (answered_before(db, request, fingerprint, &status)) return status;
    return request->kind == STORE_MESSAGE_NEW ? append_message(db, request, fingerprint)
                                              : append_change(db, request, fingerprint);
}
