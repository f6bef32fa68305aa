#include <stdio.h>
#include <stdlib.h>

#include "store/sqlite_db.h"
#include "store/store_json.h"
#include "wire/json.h"

/* The number before the '-' of an epoch; 0: it names none of ours. */
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

/* Where a cursor of another epoch forked off (guarantees: log matching): -1 it did not, else the last common seq. */
static int64_t fork_of(struct sqlite_db *db, struct store_request *request, int64_t head) {
    if (!request->epoch.len || request->seq == 0) return -1;
    int64_t number = epoch_number(db, request->epoch);
    if (number == db->epoch && request->seq <= head) return -1;
    sqlite3_stmt *row = db_query(db, "SELECT epoch FROM events WHERE channel_id = ?1 AND seq = ?2");
    db_bind_text(row, 1, request->channel_id);
    db_bind_integer(row, 2, request->seq);
    bool common = db_step(db, row) && number && sqlite3_column_int64(row, 0) == number;
    sqlite3_reset(row);
    if (common) return -1;
    if (!number) return 0; /* an incarnation that we never had: nothing is known to be common */
    sqlite3_stmt *last = db_query(db, "SELECT max(seq) FROM events WHERE channel_id = ?1 AND epoch <= ?2");
    db_bind_text(last, 1, request->channel_id);
    db_bind_integer(last, 2, number);
    int64_t fork = db_step(db, last) ? sqlite3_column_int64(last, 0) : 0;
    sqlite3_reset(last);
    return fork < request->seq ? fork : -1; /* a cursor of a later epoch, in what came before it */
}

static bool read_head(struct sqlite_db *db, struct store_request *request, int64_t *floor_r) {
    sqlite3_stmt *head = db_query(db, "SELECT last_seq, min_seq FROM channels WHERE channel_id = ?1");
    db_bind_text(head, 1, request->channel_id);
    bool found = db_step(db, head);
    if (found) {
        request->seq_r = sqlite3_column_int64(head, 0);
        *floor_r = sqlite3_column_int64(head, 1) - 1;
    }
    sqlite3_reset(head);
    memcpy(request->epoch_r, db->epoch_text, sizeof request->epoch_r);
    return found;
}

enum store_status sqlite_events(struct sqlite_db *db, struct store_request *request) {
    int64_t floor = 0, after = request->seq;
    unsigned limit = request->limit && request->limit < STORE_EVENTS_MAX ? request->limit : STORE_EVENTS_MAX, count = 0;
    if (!read_head(db, request, &floor)) return db_status(db) == STORE_OK ? STORE_NOT_FOUND : db_status(db);
    request->fork_r = fork_of(db, request, request->seq_r);
    if (request->fork_r >= 0) after = request->fork_r;
    if (after < floor) {
        request->floor_r = floor;
        after = floor;
    }
    sqlite3_stmt *rows =
        db_query(db,
                 "SELECT kind, body, message_seq, seq, epoch, checksum FROM events WHERE channel_id = ?1 AND "
                 "seq > ?2 ORDER BY seq LIMIT ?3");
    db_bind_text(rows, 1, request->channel_id);
    db_bind_integer(rows, 2, after);
    db_bind_integer(rows, 3, limit + 1);
    buffer_append_char(&request->json, '[');
    while (db_step(db, rows)) {
        char epoch[STORE_EPOCH_MAX];
        if (count++ == limit || request->json.len >= STORE_ANSWER_BYTES) {
            request->more = true;
            sqlite3_reset(rows);
            break;
        }
        db_verify(db, rows, 5, db_checksum(sqlite3_column_int64(rows, 2), db_text(rows, 1), SLICE_NONE));
        if (count > 1) buffer_append_char(&request->json, ',');
        db_epoch_text(db, sqlite3_column_int64(rows, 4), epoch);
        store_write_event(&request->json, (enum store_kind)sqlite3_column_int(rows, 0), db_text(rows, 1),
                          sqlite3_column_int64(rows, 2), sqlite3_column_int64(rows, 3), epoch);
    }
    buffer_append_char(&request->json, ']');
    return db_status(db);
}

static void read_reactions(struct sqlite_db *db, struct slice channel_id, int64_t message_seq, struct buffer *out) {
    sqlite3_stmt *rows = db_query(
        db, "SELECT emoji, user_id FROM reactions WHERE channel_id = ?1 AND message_seq = ?2 ORDER BY emoji, seq");
    struct buffer emoji = {0};
    db_bind_text(rows, 1, channel_id);
    db_bind_integer(rows, 2, message_seq);
    while (db_step(db, rows)) {
        bool first = out->len == 0;
        if (first || !slice_equal(buffer_slice(&emoji), db_text(rows, 0))) {
            buffer_append_str(out, first ? "{" : "],");
            buffer_clear(&emoji);
            buffer_append_slice(&emoji, db_text(rows, 0));
            json_write_string(out, db_text(rows, 0));
            buffer_append_str(out, ":[");
        } else
            buffer_append_char(out, ',');
        json_write_string(out, db_text(rows, 1));
    }
    if (out->len) buffer_append_str(out, "]}");
    buffer_done(&emoji);
}

#define MESSAGE_COLUMNS                                                                                             \
    "SELECT channel_id, message_seq, message_id, user_id, content, thread_id, attachments, created_ms, edited_ms, " \
    "deleted_ms, checksum FROM messages WHERE channel_id = ?1 "

/* Slices live until the statement's next step. */
static void take_row(struct sqlite_db *db, sqlite3_stmt *row, struct store_message *message, struct buffer *reactions) {
    *message = (struct store_message){
        .channel_id = db_text(row, 0),
        .message_seq = sqlite3_column_int64(row, 1),
        .message_id = db_text(row, 2),
        .user_id = db_text(row, 3),
        .content = db_text(row, 4),
        .thread_id = db_text(row, 5),
        .attachments = db_text(row, 6),
        .created_ms = sqlite3_column_int64(row, 7),
        .edited_ms = sqlite3_column_int64(row, 8),
        .deleted_ms = sqlite3_column_int64(row, 9),
    };
    db_verify(db, row, 10, db_checksum(message->message_seq, message->content, message->attachments));
    buffer_clear(reactions);
    read_reactions(db, message->channel_id, message->message_seq, reactions);
    message->reactions = buffer_slice(reactions);
}

bool sqlite_find_message(struct sqlite_db *db, struct slice channel_id, struct slice message_id, int64_t message_seq,
                         struct store_message *message_r, struct buffer *reactions) {
    sqlite3_stmt *row = message_id.len ? db_query(db, MESSAGE_COLUMNS "AND message_id = ?2")
                                       : db_query(db, MESSAGE_COLUMNS "AND message_seq = ?2");
    db_bind_text(row, 1, channel_id);
    if (message_id.len)
        db_bind_text(row, 2, message_id);
    else
        db_bind_integer(row, 2, message_seq);
    if (!db_step(db, row)) return false;
    take_row(db, row, message_r, reactions);
    return true;
}

enum store_status sqlite_message(struct sqlite_db *db, struct store_request *request) {
    struct store_message message;
    struct buffer reactions = {0};
    bool found = sqlite_find_message(db, request->channel_id, request->message_id, 0, &message, &reactions);
    if (found) store_write_message(&request->json, &message);
    buffer_done(&reactions);
    if (found) return STORE_OK;
    return db_status(db) == STORE_OK ? STORE_NOT_FOUND : db_status(db);
}

static bool is_onwards(const struct store_request *request) {
    return request->onwards || request->after > 0;
}

/* before and neither: the newest of that range, read backwards, told forwards. after: onwards from there. */
static sqlite3_stmt *history_query(struct sqlite_db *db, const struct store_request *request) {
    bool onwards = is_onwards(request);
    sqlite3_stmt *rows;
    if (request->message_id.len)
        rows = onwards ? db_query(db, MESSAGE_COLUMNS
                                  "AND thread_id = ?4 AND message_seq > ?2 ORDER BY message_seq LIMIT ?3")
                       : db_query(db, MESSAGE_COLUMNS
                                  "AND thread_id = ?4 AND message_seq < ?2 ORDER BY message_seq DESC LIMIT ?3");
    else
        rows = onwards ? db_query(db, MESSAGE_COLUMNS "AND message_seq > ?2 ORDER BY message_seq LIMIT ?3")
                       : db_query(db, MESSAGE_COLUMNS "AND message_seq < ?2 ORDER BY message_seq DESC LIMIT ?3");
    db_bind_text(rows, 1, request->channel_id);
    db_bind_integer(rows, 2, onwards ? request->after : request->before > 0 ? request->before : INT64_MAX);
    if (request->message_id.len) db_bind_text(rows, 4, request->message_id);
    return rows;
}

enum store_status sqlite_messages(struct sqlite_db *db, struct store_request *request) {
    struct buffer texts[STORE_MESSAGES_MAX] = {{0}}, reactions = {0};
    unsigned limit = request->limit && request->limit < STORE_MESSAGES_MAX ? request->limit : STORE_MESSAGES_MAX;
    unsigned count = 0;
    size_t bytes = 0;
    sqlite3_stmt *rows = history_query(db, request);
    db_bind_integer(rows, 3, limit + 1);
    while (db_step(db, rows)) {
        struct store_message message;
        if (count == limit || bytes >= STORE_ANSWER_BYTES) {
            request->more = true;
            sqlite3_reset(rows);
            break;
        }
        take_row(db, rows, &message, &reactions);
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

static void write_head(struct sqlite_db *db, struct store_request *request, struct slice channel_id) {
    struct buffer *out = &request->json;
    sqlite3_stmt *head = db_query(db, "SELECT last_seq FROM channels WHERE channel_id = ?1");
    db_bind_text(head, 1, channel_id);
    if (!db_step(db, head)) return;
    store_write_head(out, channel_id, sqlite3_column_int64(head, 0), db->epoch_text);
    sqlite3_reset(head);
}

enum store_status sqlite_heads(struct sqlite_db *db, struct store_request *request) {
    struct json_walk walk;
    struct slice item;
    struct buffer id = {0};
    buffer_append_char(&request->json, '[');
    json_walk_init(&walk, request->text);
    for (int i = 0; i < STORE_HEADS_MAX && json_walk_item(&walk, &item); i++) {
        if (json_type_of(item) != JSON_STRING) continue;
        buffer_clear(&id);
        json_string(item, &id);
        write_head(db, request, buffer_slice(&id));
    }
    buffer_append_char(&request->json, ']');
    buffer_done(&id);
    return db_status(db);
}
