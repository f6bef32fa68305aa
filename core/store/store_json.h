/* SPDX-License-Identifier: Apache-2.0 */
/* store_json.h - the JSON that every driver hands out: events and messages as docs/protocol.md has them. Pure. */
#ifndef STORE_STORE_JSON_H
#define STORE_STORE_JSON_H

#include "store/store.h"

struct store_message {
    struct slice channel_id, message_id, user_id;
    struct slice content, thread_id, attachments; /* content, attachments: JSON; empty: none */
    struct slice said;                            /* JSON, what was said at first, when edited; empty: content */
    int64_t message_seq, created_ms, edited_ms, deleted_ms; /* 0: not */
    struct slice reactions;                                 /* JSON object {emoji: [userId, …]}; empty: none */
};

struct store_reaction {
    struct slice channel_id, message_id, user_id, emoji;
    bool added; /* else removed */
};

/* The payload of message:new and message:updated, without messageSeq, seq and epoch: what a log keeps. */
void store_write_message_body(struct buffer *out, const struct store_message *message);
void store_write_deleted_body(struct buffer *out, struct slice channel_id, struct slice message_id);
void store_write_reaction_body(struct buffer *out, const struct store_reaction *reaction);
/* [name, payload] of a kept body. One function for live events and for resumed ones. */
void store_write_event(struct buffer *out, enum store_kind kind, struct slice body, int64_t message_seq, int64_t seq,
                       const char *epoch);
/* A message of the history: the body and messageSeq. */
void store_write_message(struct buffer *out, const struct store_message *message);
/* The number in an event; -1: the bytes, which are valid JSON, are no event. */
int64_t store_event_seq(struct slice event);

/* "key":"text" with a comma before it unless it is the object's first; empty text is left out. */
void store_write_member(struct buffer *out, const char *key, struct slice text);
/* The same for JSON and for numbers. */
void store_write_member_json(struct buffer *out, const char *key, struct slice json);
void store_write_member_number(struct buffer *out, const char *key, int64_t number);

/* An item of WORDS's array, behind those in out; until_ms 0: it has no end. */
void store_write_word(struct buffer *out, struct slice user_id, struct slice status, struct slice message,
                      int64_t until_ms);

/* Of what an APPEND asks: equal for a retry, other for another use of its client id. */
int64_t store_fingerprint(const struct store_append *append);

#endif
