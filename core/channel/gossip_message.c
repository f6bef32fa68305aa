#include "channel/gossip_message.h"

#include "bus/parts.h"
#include "wire/user_id.h"
#include "wire/utf8.h"

static bool read_byte(struct slice *rest, unsigned max, unsigned *byte_r) {
    if (rest->len == 0) return false;
    *byte_r = (unsigned char)rest->ptr[0];
    *rest = slice_from(*rest, 1);
    return *byte_r <= max;
}

void gossip_write_kind(struct buffer *out, enum gossip_kind kind) {
    buffer_append_char(out, (char)kind);
}

void gossip_write_ask(struct buffer *out, struct slice worker_id) {
    gossip_write_kind(out, GOSSIP_ASK);
    parts_add(out, worker_id);
}

void gossip_write_tell(struct buffer *out, enum gossip_kind kind, const struct gossip_tell *head) {
    gossip_write_kind(out, kind);
    parts_add_number(out, head->from);
    parts_add_number(out, head->to);
    parts_add_number(out, head->online);
    buffer_append_char(out, (char)head->names);
}

static void append_word(struct buffer *out, const struct presence_word *word) {
    parts_add_number(out, word->version);
    buffer_append_char(out, (char)word->status);
    parts_add(out, word->message);
}

void gossip_write_entry(struct buffer *out, const struct gossip_entry *entry) {
    parts_add(out, entry->user_id);
    buffer_append_char(out, (char)entry->is_online);
    append_word(out, &entry->word);
}

void gossip_write_word(struct buffer *out, const struct presence_word *word) {
    gossip_write_kind(out, GOSSIP_WORD);
    append_word(out, word);
}

enum gossip_kind gossip_read_kind(struct slice *body) {
    unsigned kind;
    return read_byte(body, GOSSIP_KIND_MAX, &kind) ? (enum gossip_kind)kind : 0;
}

bool gossip_read_ask(struct slice body, struct slice *worker_id_r) {
    return parts_take(&body, worker_id_r) && body.len == 0;
}

static bool take_word(struct slice *rest, struct presence_word *word_r) {
    return parts_take_number(rest, &word_r->version) && read_byte(rest, PRESENCE_STATUS_MAX, &word_r->status) &&
           parts_take(rest, &word_r->message) && word_r->message.len <= PRESENCE_MESSAGE_MAX &&
           utf8_valid(word_r->message) &&
           (word_r->message.len == 0 || !memchr(word_r->message.ptr, 0, word_r->message.len));
}

bool gossip_read_word(struct slice body, struct presence_word *word_r) {
    return take_word(&body, word_r) && body.len == 0;
}

bool gossip_read_entry(struct slice *entries, struct gossip_entry *entry_r) {
    unsigned is_online;
    if (!parts_take(entries, &entry_r->user_id) || !user_id_valid(entry_r->user_id) ||
        !read_byte(entries, 1, &is_online) || !take_word(entries, &entry_r->word))
        return false;
    entry_r->is_online = is_online;
    return true;
}

bool gossip_read_tell(struct slice body, struct gossip_tell *tell_r) {
    unsigned names;
    if (!parts_take_number(&body, &tell_r->from) || !parts_take_number(&body, &tell_r->to) ||
        !parts_take_number(&body, &tell_r->online) || !read_byte(&body, 1, &names) || tell_r->from > tell_r->to ||
        tell_r->online > UINT32_MAX || (!names && body.len > 0))
        return false;
    tell_r->names = names;
    tell_r->entries = body;
    struct gossip_entry entry;
    while (body.len > 0) {
        if (!gossip_read_entry(&body, &entry)) return false;
    }
    return true;
}

/* What two workers told each other. */

void gossip_write_digest(struct buffer *out, const struct gossip_digest *digest) {
    gossip_write_kind(out, GOSSIP_DIGEST);
    parts_add_number(out, digest->told);
    parts_add_number(out, digest->heard);
    parts_add_number(out, digest->within_ms);
}

bool gossip_read_digest(struct slice body, struct gossip_digest *digest_r) {
    return parts_take_number(&body, &digest_r->told) && parts_take_number(&body, &digest_r->heard) &&
           parts_take_number(&body, &digest_r->within_ms) && digest_r->within_ms <= UINT32_MAX && body.len == 0;
}

void gossip_write_compare(struct buffer *out, const uint64_t sums[GOSSIP_BUCKETS]) {
    gossip_write_kind(out, GOSSIP_COMPARE);
    for (unsigned i = 0; i < GOSSIP_BUCKETS; i++) parts_add_number(out, sums[i]);
}

bool gossip_read_compare(struct slice body, uint64_t sums_r[GOSSIP_BUCKETS]) {
    for (unsigned i = 0; i < GOSSIP_BUCKETS; i++)
        if (!parts_take_number(&body, &sums_r[i])) return false;
    return body.len == 0;
}

void gossip_write_list(struct buffer *out, uint64_t buckets) {
    gossip_write_kind(out, GOSSIP_LIST);
    parts_add_number(out, buckets);
}

void gossip_write_listed(struct buffer *out, const struct gossip_listed *listed) {
    parts_add(out, listed->channel_id);
    parts_add_number(out, listed->version);
    buffer_append_char(out, (char)listed->is_known);
}

bool gossip_read_listed(struct slice *entries, struct gossip_listed *listed_r) {
    unsigned is_known;
    if (!parts_take(entries, &listed_r->channel_id) || listed_r->channel_id.len == 0 ||
        !parts_take_number(entries, &listed_r->version) || !read_byte(entries, 1, &is_known))
        return false;
    listed_r->is_known = is_known;
    return true;
}

bool gossip_read_list(struct slice body, uint64_t *buckets_r, struct slice *entries_r) {
    struct gossip_listed listed;
    if (!parts_take_number(&body, buckets_r)) return false;
    *entries_r = body;
    while (body.len > 0) {
        if (!gossip_read_listed(&body, &listed)) return false;
    }
    return true;
}
