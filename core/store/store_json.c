/* SPDX-License-Identifier: Apache-2.0 */
#include "store/store_json.h"

#include "base/hash.h"
#include "base/wall_time.h"
#include "wire/json.h"

/* Approximate size of the fields other than texts: names, ids, times, numbers. */
enum { FRAME_BYTES = 250 };

static void write_key(struct buffer *out, const char *key) {
    char last = out->len ? out->ptr[out->len - 1] : '{';
    if (last != '{') buffer_append_char(out, ',');
    buffer_append_char(out, '"');
    buffer_append_str(out, key);
    buffer_append_str(out, "\":");
}

void store_write_member(struct buffer *out, const char *key, struct slice text) {
    if (!text.len) return;
    write_key(out, key);
    json_write_string(out, text);
}

void store_write_member_json(struct buffer *out, const char *key, struct slice json) {
    if (!json.len) return;
    write_key(out, key);
    buffer_append_slice(out, json);
}

void store_write_member_number(struct buffer *out, const char *key, int64_t number) {
    write_key(out, key);
    json_write_integer(out, number);
}

static void write_member_time(struct buffer *out, const char *key, int64_t wall_ms) {
    char text[32];
    if (!wall_ms) return;
    wall_time_write(text, wall_ms);
    store_write_member(out, key, slice_of(text));
}

void store_write_message_body(struct buffer *out, const struct store_message *message) {
    bool deleted = message->deleted_ms != 0;
    buffer_reserve(out, message->content.len + message->attachments.len + message->reactions.len + FRAME_BYTES);
    buffer_append_char(out, '{');
    store_write_member(out, "id", message->message_id);
    store_write_member(out, "channelId", message->channel_id);
    store_write_member(out, "userId", message->user_id);
    store_write_member_json(out, "content", deleted ? SLICE("\"\"") : message->content);
    store_write_member(out, "threadId", message->thread_id);
    if (!deleted) store_write_member_json(out, "attachments", message->attachments);
    if (!deleted) store_write_member_json(out, "reactions", message->reactions);
    write_member_time(out, "createdAt", message->created_ms);
    write_member_time(out, "editedAt", message->edited_ms);
    write_member_time(out, "deletedAt", message->deleted_ms);
    buffer_append_char(out, '}');
}

void store_write_message(struct buffer *out, const struct store_message *message) {
    store_write_message_body(out, message);
    out->len--;
    store_write_member_number(out, "messageSeq", message->message_seq);
    buffer_append_char(out, '}');
}

void store_write_deleted_body(struct buffer *out, struct slice channel_id, struct slice message_id) {
    buffer_append_char(out, '{');
    store_write_member(out, "channelId", channel_id);
    store_write_member(out, "messageId", message_id);
    buffer_append_char(out, '}');
}

void store_write_reaction_body(struct buffer *out, const struct store_reaction *reaction) {
    buffer_append_char(out, '{');
    store_write_member(out, "channelId", reaction->channel_id);
    store_write_member(out, "messageId", reaction->message_id);
    store_write_member(out, "userId", reaction->user_id);
    store_write_member(out, "emoji", reaction->emoji);
    store_write_member_json(out, "added", reaction->added ? SLICE("true") : SLICE("false"));
    buffer_append_char(out, '}');
}

/* A row may be of a kind that only newer servers know: it still becomes an event, because its number must not be
 * missing.
 */
static const char *event_name(enum store_kind kind) {
    static const char *const names[] = {
        [STORE_MESSAGE_NEW] = "message:new",          [STORE_EDIT] = "message:updated",
        [STORE_DELETE] = "message:deleted",           [STORE_REACTION_ADD] = "reaction:changed",
        [STORE_REACTION_REMOVE] = "reaction:changed",
    };
    return (size_t)kind < sizeof names / sizeof *names ? names[kind] : "event:unknown";
}

void store_write_event(struct buffer *out, enum store_kind kind, struct slice body, int64_t message_seq, int64_t seq,
                       const char *epoch) {
    buffer_reserve(out, body.len + FRAME_BYTES);
    buffer_append_str(out, "[\"");
    buffer_append_str(out, event_name(kind));
    buffer_append_str(out, "\",");
    buffer_append(out, body.ptr, body.len - 1); /* without the closing brace; it follows later */
    if (kind == STORE_MESSAGE_NEW || kind == STORE_EDIT) store_write_member_number(out, "messageSeq", message_seq);
    store_write_member_number(out, "seq", seq);
    store_write_member(out, "epoch", slice_of(epoch));
    buffer_append_str(out, "}]");
}

int64_t store_event_seq(struct slice event) {
    struct json_walk walk;
    struct slice name, payload;
    int64_t seq;
    if (json_type_of(event) != JSON_ARRAY || json_count(event) != 2) return -1;
    json_walk_init(&walk, event);
    bool good = json_walk_item(&walk, &name) && json_walk_item(&walk, &payload) && json_type_of(name) == JSON_STRING &&
                json_integer(json_member(payload, "seq"), &seq);
    return good ? seq : -1;
}

static void add(struct buffer *all, struct slice part) {
    buffer_append(all, (const char *)&part.len, sizeof part.len);
    buffer_append_slice(all, part);
}

void store_write_word(struct buffer *out, struct slice user_id, struct slice status, struct slice message,
                      int64_t until_ms) {
    buffer_append_str(out, out->len > 1 ? ",{" : "{");
    store_write_member(out, "userId", user_id);
    store_write_member(out, "status", status);
    store_write_member(out, "statusMessage", message);
    if (until_ms > 0) store_write_member_number(out, "endsMs", until_ms);
    buffer_append_char(out, '}');
}

int64_t store_fingerprint(const struct store_append *append) {
    if (append->fingerprint) return append->fingerprint;
    struct buffer all = {0};
    buffer_append_char(&all, (char)append->kind);
    if (append->kind != STORE_MESSAGE_NEW) add(&all, append->message_id);
    add(&all, append->content);
    add(&all, append->thread_id);
    add(&all, append->attachments);
    add(&all, append->emoji);
    int64_t fingerprint = (int64_t)hash_fixed(buffer_slice(&all));
    buffer_done(&all);
    return fingerprint;
}
