/* SPDX-License-Identifier: Apache-2.0 */
#include "store/newest_page.h"

#include <stdlib.h>

#include "wire/json.h"

/* Slices are JSON from the events. */
struct said {
    struct slice id, payload; /* of the message's latest event */
};

struct reaction {
    size_t message; /* index in messages */
    struct slice emoji, user_id;
};

struct page {
    struct said *messages;      /* in order of creation */
    struct reaction *reactions; /* sorted by message and emoji, then by time added */
    size_t messages_len, reactions_len;
};

/* Reading the events. */

/* messages_len: the message is older than these events. */
static size_t page_find(const struct page *page, struct slice id) {
    for (size_t i = page->messages_len; i-- > 0;)
        if (slice_equal(page->messages[i].id, id)) return i;
    return page->messages_len;
}

static int compare_places(const struct reaction *a, const struct reaction *b) {
    if (a->message != b->message) return a->message < b->message ? -1 : 1;
    size_t len = a->emoji.len < b->emoji.len ? a->emoji.len : b->emoji.len;
    int order = memcmp(a->emoji.ptr, b->emoji.ptr, len);
    return order ? order : (a->emoji.len > b->emoji.len) - (a->emoji.len < b->emoji.len);
}

static void page_react(struct page *page, const struct reaction *reaction) {
    size_t at = page->reactions_len++;
    for (; at > 0 && compare_places(&page->reactions[at - 1], reaction) > 0; at--)
        page->reactions[at] = page->reactions[at - 1];
    page->reactions[at] = *reaction;
}

static void page_unreact(struct page *page, const struct reaction *reaction) {
    size_t kept = 0;
    for (size_t i = 0; i < page->reactions_len; i++) {
        const struct reaction *other = &page->reactions[i];
        if (compare_places(other, reaction) != 0 || !slice_equal(other->user_id, reaction->user_id))
            page->reactions[kept++] = *other;
    }
    page->reactions_len = kept;
}

static void page_take_reaction(struct page *page, struct slice payload) {
    struct reaction reaction = {page_find(page, json_member(payload, "messageId")), json_member(payload, "emoji"),
                                json_member(payload, "userId")};
    if (reaction.message == page->messages_len || reaction.emoji.len == 0) return;
    if (json_type_of(json_member(payload, "added")) == JSON_TRUE)
        page_react(page, &reaction);
    else
        page_unreact(page, &reaction);
}

static void page_take(struct page *page, struct slice event) {
    struct json_walk walk;
    struct slice name, payload;
    json_walk_init(&walk, event);
    if (!json_walk_item(&walk, &name) || !json_walk_item(&walk, &payload)) return;
    if (json_string_is(name, SLICE("message:new"))) {
        page->messages[page->messages_len++] = (struct said){json_member(payload, "id"), payload};
    } else if (json_string_is(name, SLICE("message:updated"))) {
        size_t at = page_find(page, json_member(payload, "id"));
        if (at < page->messages_len) page->messages[at].payload = payload;
    } else if (json_string_is(name, SLICE("reaction:changed"))) {
        page_take_reaction(page, payload);
    }
}

/* Writing the messages. */

static void write_reactions(const struct page *page, size_t message, struct buffer *out) {
    const struct reaction *before = NULL;
    for (size_t i = 0; i < page->reactions_len; i++) {
        const struct reaction *reaction = &page->reactions[i];
        if (reaction->message != message) continue;
        if (before && compare_places(before, reaction) == 0) {
            buffer_append_char(out, ',');
        } else {
            buffer_append_str(out, before ? "]," : "\"reactions\":{");
            buffer_append_slice(out, reaction->emoji);
            buffer_append_str(out, ":[");
        }
        buffer_append_slice(out, reaction->user_id);
        before = reaction;
    }
    if (before) buffer_append_str(out, "]},");
}

/* Leaves out fields of the event itself, and the outdated reactions that edits in old logs carry. */
static void write_message(const struct page *page, size_t message, struct buffer *out) {
    struct slice payload = page->messages[message].payload, key, value;
    bool is_deleted = json_member(payload, "deletedAt").len > 0;
    struct json_walk walk;
    buffer_append_char(out, '{');
    json_walk_init(&walk, payload);
    while (json_walk_member(&walk, &key, &value)) {
        if (json_string_is(key, SLICE("seq")) || json_string_is(key, SLICE("epoch"))) continue;
        if (json_string_is(key, SLICE("reactions"))) continue;
        if (json_string_is(key, SLICE("createdAt")) && !is_deleted) write_reactions(page, message, out);
        buffer_append_slice(out, key);
        buffer_append_char(out, ':');
        buffer_append_slice(out, value);
        buffer_append_char(out, ',');
    }
    out->ptr[out->len - 1] = '}';
}

static void page_write(const struct page *page, unsigned limit, struct buffer *out) {
    size_t first = page->messages_len > limit ? page->messages_len - limit : 0;
    buffer_append_char(out, '[');
    for (size_t i = first; i < page->messages_len; i++) {
        if (i > first) buffer_append_char(out, ',');
        write_message(page, i, out);
    }
    buffer_append_char(out, ']');
}

bool newest_page_write(struct slice events, int64_t after, unsigned limit, struct buffer *json_r, bool *more_r) {
    size_t len = json_count(events);
    struct page page = {NEW_ARRAY(struct said, len + 1), NEW_ARRAY(struct reaction, len + 1), 0, 0};
    struct json_walk walk;
    struct slice event;
    json_walk_init(&walk, events);
    while (json_walk_item(&walk, &event)) page_take(&page, event);
    bool reaches = after == 0 || page.messages_len > limit;
    if (reaches) page_write(&page, limit, json_r);
    *more_r = page.messages_len > limit;
    free(page.messages);
    free(page.reactions);
    return reaches;
}
