/* SPDX-License-Identifier: Apache-2.0 */
#include "presence/presence_sync_message.h"

#include "bus/fields.h"
#include "wire/user_id.h"
#include "wire/utf8.h"

static bool read_byte(struct slice *rest, unsigned max, unsigned *byte_r) {
    if (rest->len == 0) return false;
    *byte_r = (unsigned char)rest->ptr[0];
    *rest = slice_from(*rest, 1);
    return *byte_r <= max;
}

void presence_sync_write_kind(struct buffer *out, enum presence_sync_kind kind) {
    buffer_append_char(out, (char)kind);
}

void presence_sync_write_ask(struct buffer *out, struct slice worker_id) {
    presence_sync_write_kind(out, PRESENCE_SYNC_ASK);
    fields_add(out, worker_id);
}

void presence_sync_write_tell(struct buffer *out, enum presence_sync_kind kind, const struct presence_sync_tell *head) {
    presence_sync_write_kind(out, kind);
    fields_add_number(out, head->from);
    fields_add_number(out, head->to);
    fields_add_number(out, head->online);
    buffer_append_char(out, (char)head->names);
}

static void append_word(struct buffer *out, const struct presence_word *word) {
    fields_add_number(out, word->version);
    buffer_append_char(out, (char)word->status);
    fields_add(out, word->message);
}

void presence_sync_write_entry(struct buffer *out, const struct presence_sync_entry *entry) {
    fields_add(out, entry->user_id);
    buffer_append_char(out, (char)entry->is_online);
    append_word(out, &entry->word);
}

void presence_sync_write_word(struct buffer *out, const struct presence_word *word) {
    presence_sync_write_kind(out, PRESENCE_SYNC_WORD);
    append_word(out, word);
}

enum presence_sync_kind presence_sync_read_kind(struct slice *body) {
    unsigned kind;
    return read_byte(body, PRESENCE_SYNC_KIND_MAX, &kind) ? (enum presence_sync_kind)kind : 0;
}

bool presence_sync_read_ask(struct slice body, struct slice *worker_id_r) {
    return fields_take(&body, worker_id_r) && body.len == 0;
}

static bool take_word(struct slice *rest, struct presence_word *word_r) {
    return fields_take_number(rest, &word_r->version) && read_byte(rest, PRESENCE_STATUS_MAX, &word_r->status) &&
           fields_take(rest, &word_r->message) && word_r->message.len <= PRESENCE_MESSAGE_MAX &&
           utf8_valid(word_r->message) &&
           (word_r->message.len == 0 || !memchr(word_r->message.ptr, 0, word_r->message.len));
}

bool presence_sync_read_word(struct slice body, struct presence_word *word_r) {
    return take_word(&body, word_r) && body.len == 0;
}

bool presence_sync_read_entry(struct slice *entries, struct presence_sync_entry *entry_r) {
    unsigned is_online;
    if (!fields_take(entries, &entry_r->user_id) || !user_id_valid(entry_r->user_id) ||
        !read_byte(entries, 1, &is_online) || !take_word(entries, &entry_r->word))
        return false;
    entry_r->is_online = is_online;
    return true;
}

bool presence_sync_read_tell(struct slice body, struct presence_sync_tell *tell_r) {
    unsigned names;
    if (!fields_take_number(&body, &tell_r->from) || !fields_take_number(&body, &tell_r->to) ||
        !fields_take_number(&body, &tell_r->online) || !read_byte(&body, 1, &names) || tell_r->from > tell_r->to ||
        tell_r->online > UINT32_MAX || (!names && body.len > 0))
        return false;
    tell_r->names = names;
    tell_r->entries = body;
    struct presence_sync_entry entry;
    while (body.len > 0) {
        if (!presence_sync_read_entry(&body, &entry)) return false;
    }
    return true;
}

/* The comparison of two workers. */

void presence_sync_write_digest(struct buffer *out, const struct presence_sync_digest *digest) {
    presence_sync_write_kind(out, PRESENCE_SYNC_DIGEST);
    fields_add_number(out, digest->told);
    fields_add_number(out, digest->heard);
    fields_add_number(out, digest->within_ms);
}

bool presence_sync_read_digest(struct slice body, struct presence_sync_digest *digest_r) {
    return fields_take_number(&body, &digest_r->told) && fields_take_number(&body, &digest_r->heard) &&
           fields_take_number(&body, &digest_r->within_ms) && digest_r->within_ms <= UINT32_MAX && body.len == 0;
}

void presence_sync_write_compare(struct buffer *out, const uint64_t sums[PRESENCE_SYNC_BUCKETS]) {
    presence_sync_write_kind(out, PRESENCE_SYNC_COMPARE);
    for (unsigned i = 0; i < PRESENCE_SYNC_BUCKETS; i++) fields_add_number(out, sums[i]);
}

bool presence_sync_read_compare(struct slice body, uint64_t sums_r[PRESENCE_SYNC_BUCKETS]) {
    for (unsigned i = 0; i < PRESENCE_SYNC_BUCKETS; i++)
        if (!fields_take_number(&body, &sums_r[i])) return false;
    return body.len == 0;
}

void presence_sync_write_list(struct buffer *out, uint64_t buckets) {
    presence_sync_write_kind(out, PRESENCE_SYNC_LIST);
    fields_add_number(out, buckets);
}

void presence_sync_write_listed(struct buffer *out, const struct presence_sync_listed *listed) {
    fields_add(out, listed->channel_id);
    fields_add_number(out, listed->version);
    buffer_append_char(out, (char)listed->is_known);
}

bool presence_sync_read_listed(struct slice *entries, struct presence_sync_listed *listed_r) {
    unsigned is_known;
    if (!fields_take(entries, &listed_r->channel_id) || listed_r->channel_id.len == 0 ||
        !fields_take_number(entries, &listed_r->version) || !read_byte(entries, 1, &is_known))
        return false;
    listed_r->is_known = is_known;
    return true;
}

bool presence_sync_read_list(struct slice body, uint64_t *buckets_r, struct slice *entries_r) {
    struct presence_sync_listed listed;
    if (!fields_take_number(&body, buckets_r)) return false;
    *entries_r = body;
    while (body.len > 0) {
        if (!presence_sync_read_listed(&body, &listed)) return false;
    }
    return true;
}
