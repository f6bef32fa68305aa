/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "store/sqlite/sqlite_internal.h"
#include "store/store_json.h"
#include "store/store_sound.h"
#include "wire/json.h"

/* The number before the '-' of an epoch; 0: not an epoch of this store. */
static int64_t epoch_number(struct sqlite_db *db, struct slice epoch) {
    char text[STORE_EPOCH_MAX], known[STORE_EPOCH_MAX];
    if (epoch.len >= sizeof text) return 0;
    memcpy(text, epoch.ptr, epoch.len);
    text[epoch.len] = '\0';
    int64_t number = strtoll(text, NULL, 10);
    if (number <= 0 || number > db->epoch) return 0;
    db_epoch_text(db, number, known);
    return strcmp(known, text) == 0 ? number : 0;
}

/* Where a cursor of another epoch forked off (guarantees: log matching): the last common seq; -1: it did not fork. */
static int64_t fork_of(struct sqlite_db *db, struct store_request *request, int64_t head) {
    if (!request->events.epoch.len || request->events.seq == 0) return -1;
    int64_t number = epoch_number(db, request->events.epoch);
    if (number == db->epoch && request->events.seq <= head) return -1;
    sqlite3_stmt *row = db_query(db, "SELECT epoch FROM events WHERE channel_id = ?1 AND seq = ?2");
    db_bind_text(row, 1, request->channel_id);
    db_bind_integer(row, 2, request->events.seq);
    bool common = db_step(db, row) && number && sqlite3_column_int64(row, 0) == number;
    sqlite3_reset(row);
    if (common) return -1;
    if (!number) return 0; /* an unknown incarnation: no common events are known */
    sqlite3_stmt *last = db_query(
        db,
        "SELECT max(coalesce((SELECT max(message_seq) FROM messages WHERE channel_id = ?1 AND epoch <= ?2), 0), "
        "coalesce((SELECT max(seq) FROM changes WHERE channel_id = ?1 AND epoch <= ?2), 0))");
    db_bind_text(last, 1, request->channel_id);
    db_bind_integer(last, 2, number);
    int64_t fork = db_step(db, last) ? sqlite3_column_int64(last, 0) : 0;
    sqlite3_reset(last);
    return fork < request->events.seq ? fork : -1; /* a cursor of a later epoch, before the fork */
}

static bool read_head(struct sqlite_db *db, struct store_request *request, int64_t *floor_r) {
    sqlite3_stmt *head = db_query(db, "SELECT last_seq, min_seq FROM heads WHERE channel_id = ?1");
    db_bind_text(head, 1, request->channel_id);
    bool found = db_step(db, head);
    if (found) {
        request->at.seq = sqlite3_column_int64(head, 0);
        *floor_r = sqlite3_column_int64(head, 1) - 1;
    }
    sqlite3_reset(head);
    memcpy(request->at.epoch, db->epoch_text, sizeof request->at.epoch);
    return found;
}

#define MESSAGE_COLUMNS                                                                                              \
    "SELECT message_seq AS seq, epoch, checksum, channel_id, message_id, user_id, content, thread_id, attachments, " \
    "said, created_ms, edited_ms, deleted_ms, 0 AS kind FROM messages WHERE channel_id = ?1 "

/* Events whose number matches: messages, which are their own events, and changes; both begin with the same columns. */
#define EVENTS(is)                                                                                              \
    MESSAGE_COLUMNS "AND message_seq " is                                                                       \
                    " UNION ALL SELECT seq, epoch, checksum, body, message_seq, NULL, NULL, NULL, NULL, NULL, " \
                    "NULL, NULL, NULL, kind FROM changes WHERE channel_id = ?1 AND seq " is " ORDER BY 1"

enum { SEQ, EPOCH, CHECKSUM, CHANNEL_ID, MESSAGE_ID, USER_ID, CONTENT, THREAD_ID, ATTACHMENTS, SAID };
enum { CREATED_MS = SAID + 1, EDITED_MS, DELETED_MS, KIND };
enum { BODY = CHECKSUM + 1, MESSAGE_SEQ }; /* columns of a change */

int64_t sqlite_message_checksum(const struct store_message *message) {
    return db_checksum(message->message_seq, message->content, message->attachments, message->said);
}

/* Slices live until the statement's next step. */
static struct store_message message_of(struct sqlite_db *db, sqlite3_stmt *row) {
    struct store_message message = {
        .channel_id = db_text(row, CHANNEL_ID),
        .message_seq = sqlite3_column_int64(row, SEQ),
        .message_id = db_text(row, MESSAGE_ID),
        .user_id = db_text(row, USER_ID),
        .content = db_text(row, CONTENT),
        .thread_id = db_text(row, THREAD_ID),
        .attachments = db_text(row, ATTACHMENTS),
        .said = db_text(row, SAID),
        .created_ms = sqlite3_column_int64(row, CREATED_MS),
        .edited_ms = sqlite3_column_int64(row, EDITED_MS),
        .deleted_ms = sqlite3_column_int64(row, DELETED_MS),
    };
    db_verify(db, row, CHECKSUM, sqlite_message_checksum(&message));
    return message;
}

/* Writes a row of EVENTS as clients get it; returns the number of its message. */
static int64_t write_event(struct sqlite_db *db, sqlite3_stmt *row, struct buffer *out) {
    enum store_kind kind = (enum store_kind)sqlite3_column_int(row, KIND);
    int64_t seq = sqlite3_column_int64(row, SEQ), message_seq = seq;
    char epoch[STORE_EPOCH_MAX];
    struct buffer said = {0};
    struct slice body;
    if (kind == STORE_MESSAGE_NEW) {
        struct store_message message = message_of(db, row);
        if (message.said.len) message.content = message.said;
        message.edited_ms = 0;
        store_write_message_body(&said, &message);
        body = buffer_slice(&said);
    } else {
        message_seq = sqlite3_column_int64(row, MESSAGE_SEQ);
        body = db_text(row, BODY);
        db_verify(db, row, CHECKSUM, db_checksum(message_seq, body, SLICE_NONE, SLICE_NONE));
    }
    db_epoch_text(db, sqlite3_column_int64(row, EPOCH), epoch);
    store_write_event(out, kind, body, message_seq, seq, epoch);
    buffer_done(&said);
    return message_seq;
}

bool sqlite_event(struct sqlite_db *db, struct store_request *request, int64_t seq, int64_t *message_seq_r) {
    sqlite3_stmt *row = db_query(db, EVENTS("= ?2"));
    db_bind_text(row, 1, request->channel_id);
    db_bind_integer(row, 2, seq);
    if (!db_step(db, row)) return false;
    db_epoch_text(db, sqlite3_column_int64(row, EPOCH), request->at.epoch);
    *message_seq_r = write_event(db, row, &request->json);
    sqlite3_reset(row);
    return true;
}

enum store_status sqlite_events(struct sqlite_db *db, struct store_request *request) {
    int64_t floor = 0, after = request->events.seq;
    unsigned limit = request->events.limit && request->events.limit < STORE_EVENTS_MAX ? request->events.limit
                                                                                       : STORE_EVENTS_MAX,
             count = 0;
    if (!read_head(db, request, &floor)) return db_status(db) == STORE_OK ? STORE_NOT_FOUND : db_status(db);
    request->events.fork_r = fork_of(db, request, request->at.seq);
    if (request->events.fork_r >= 0) after = request->events.fork_r;
    if (after < floor) {
        request->events.floor_r = floor;
        after = floor;
    }
    sqlite3_stmt *rows = db_query(db, EVENTS("> ?2") " LIMIT ?3");
    db_bind_text(rows, 1, request->channel_id);
    db_bind_integer(rows, 2, after);
    db_bind_integer(rows, 3, limit + 1);
    while (db_step(db, rows)) {
        if (count++ == limit || request->json.len >= STORE_ANSWER_BYTES) {
            request->events.more_r = true;
            sqlite3_reset(rows);
            break;
        }
        write_event(db, rows, store_events_next(request, sqlite3_column_int64(rows, SEQ)));
    }
    store_events_end(request);
    return db_status(db);
}

/* Writes JSON into the buffer; the message then refers to it. */
static void sqlite_read_reactions(struct sqlite_db *db, struct store_message *message, struct buffer *reactions) {
    sqlite3_stmt *rows = db_query(
        db, "SELECT emoji, user_id FROM reactions WHERE channel_id = ?1 AND message_seq = ?2 ORDER BY emoji, seq");
    struct buffer emoji = {0};
    db_bind_text(rows, 1, message->channel_id);
    db_bind_integer(rows, 2, message->message_seq);
    buffer_clear(reactions);
    while (db_step(db, rows)) {
        bool first = reactions->len == 0;
        if (first || !slice_equal(buffer_slice(&emoji), db_text(rows, 0))) {
            buffer_append_str(reactions, first ? "{" : "],");
            buffer_clear(&emoji);
            buffer_append_slice(&emoji, db_text(rows, 0));
            json_write_string(reactions, db_text(rows, 0));
            buffer_append_str(reactions, ":[");
        } else
            buffer_append_char(reactions, ',');
        json_write_string(reactions, db_text(rows, 1));
    }
    if (reactions->len) buffer_append_str(reactions, "]}");
    message->reactions = buffer_slice(reactions);
    buffer_done(&emoji);
}

bool sqlite_find_message(struct sqlite_db *db, struct slice channel_id, struct slice message_id, int64_t message_seq,
                         struct store_message *message_r) {
    sqlite3_stmt *row = message_id.len ? db_query(db, MESSAGE_COLUMNS "AND message_id = ?2")
                                       : db_query(db, MESSAGE_COLUMNS "AND message_seq = ?2");
    db_bind_text(row, 1, channel_id);
    if (message_id.len)
        db_bind_text(row, 2, message_id);
    else
        db_bind_integer(row, 2, message_seq);
    if (!db_step(db, row)) return false;
    *message_r = message_of(db, row);
    return !db->found_corrupt;
}

enum store_status sqlite_message(struct sqlite_db *db, struct store_request *request) {
    struct store_message message;
    struct buffer reactions = {0};
    bool found = sqlite_find_message(db, request->channel_id, request->messages.message_id, 0, &message);
    if (found) {
        sqlite_read_reactions(db, &message, &reactions);
        store_write_message(&request->json, &message);
    }
    buffer_done(&reactions);
    if (found) return STORE_OK;
    return db_status(db) == STORE_OK ? STORE_NOT_FOUND : db_status(db);
}

static bool is_onwards(const struct store_request *request) {
    return request->messages.onwards || request->messages.after > 0;
}

/* before, or neither: the newest of that range, read backwards and returned in ascending order. after: forwards from
 * there. */
static sqlite3_stmt *history_query(struct sqlite_db *db, const struct store_request *request) {
    bool onwards = is_onwards(request);
    sqlite3_stmt *rows;
    if (request->messages.message_id.len)
        rows = onwards ? db_query(db, MESSAGE_COLUMNS
                                  "AND thread_id = ?4 AND message_seq > ?2 ORDER BY message_seq LIMIT ?3")
                       : db_query(db, MESSAGE_COLUMNS
                                  "AND thread_id = ?4 AND message_seq < ?2 ORDER BY message_seq DESC LIMIT ?3");
    else
        rows = onwards ? db_query(db, MESSAGE_COLUMNS "AND message_seq > ?2 ORDER BY message_seq LIMIT ?3")
                       : db_query(db, MESSAGE_COLUMNS "AND message_seq < ?2 ORDER BY message_seq DESC LIMIT ?3");
    db_bind_text(rows, 1, request->channel_id);
    db_bind_integer(rows, 2,
                    onwards                        ? request->messages.after
                    : request->messages.before > 0 ? request->messages.before
                                                   : INT64_MAX);
    if (request->messages.message_id.len) db_bind_text(rows, 4, request->messages.message_id);
    return rows;
}

enum store_status sqlite_messages(struct sqlite_db *db, struct store_request *request) {
    struct buffer texts[STORE_MESSAGES_MAX] = {{0}}, reactions = {0};
    unsigned limit = request->messages.limit && request->messages.limit < STORE_MESSAGES_MAX ? request->messages.limit
                                                                                             : STORE_MESSAGES_MAX;
    unsigned count = 0;
    size_t bytes = 0;
    sqlite3_stmt *rows = history_query(db, request);
    db_bind_integer(rows, 3, limit + 1);
    while (db_step(db, rows)) {
        if (count == limit || bytes >= STORE_ANSWER_BYTES) {
            request->messages.more_r = true;
            sqlite3_reset(rows);
            break;
        }
        struct store_message message = message_of(db, rows);
        sqlite_read_reactions(db, &message, &reactions);
        store_write_message(&texts[count], &message);
        bytes += texts[count++].len;
    }
    buffer_append_char(&request->json, '[');
    for (unsigned i = 0; i < count; i++) {
        struct buffer *text = &texts[is_onwards(request) ? i : count - 1 - i];
        if (i) buffer_append_char(&request->json, ',');
        buffer_append_slice(&request->json, buffer_slice(text));
    }
    buffer_append_char(&request->json, ']');
    for (unsigned i = 0; i < count; i++) buffer_done(&texts[i]);
    buffer_done(&reactions);
    return db_status(db);
}

enum store_status sqlite_heads(struct sqlite_db *db, struct store_request *request) {
    size_t len;
    struct store_head *heads = store_heads(request, &len);
    for (size_t i = 0; i < len && i < STORE_HEADS_MAX; i++) {
        if (!store_id_sound(heads[i].channel_id, STORE_ID_MAX)) continue;
        heads[i].at.seq = db_head(db, heads[i].channel_id);
        memcpy(heads[i].at.epoch, db->epoch_text, sizeof heads[i].at.epoch);
    }
    return db_status(db);
}
