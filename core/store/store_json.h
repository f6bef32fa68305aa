/* SPDX-License-Identifier: Apache-2.0 */
/* store_json.h - the JSON that every driver returns: events and messages as in docs/protocol.md. Pure. */
#ifndef STORE_STORE_JSON_H
#define STORE_STORE_JSON_H

#include "store/store.h"

struct store_message {
    struct slice channel_id, message_id, user_id;
    struct slice content, thread_id, attachments;           /* content, attachments: JSON; empty: none */
    struct slice said;                                      /* edited: the original content, JSON; empty: content */
    int64_t message_seq, created_ms, edited_ms, deleted_ms; /* 0: it did not happen */
    struct slice reactions;                                 /* JSON object {emoji: [userId, …]}; empty: none */
};

struct store_reaction {
    struct slice channel_id, message_id, user_id, emoji;
    bool added; /* false: removed */
};

/* The payload of message:new and message:updated without messageSeq, seq and epoch: the body that a log keeps. */
void store_write_message_body(struct buffer *out, const struct store_message *message);
void store_write_deleted_body(struct buffer *out, struct slice channel_id, struct slice message_id);
void store_write_reaction_body(struct buffer *out, const struct store_reaction *reaction);
/* [name, payload] of a kept body. Live and resumed events both use it. */
void store_write_event(struct buffer *out, enum store_kind kind, struct slice body, int64_t message_seq, int64_t seq,
                       const char *epoch);
/* A message of the history: the body with messageSeq. */
void store_write_message(struct buffer *out, const struct store_message *message);
/* The number in an event; -1: the bytes (valid JSON) are not an event. */
int64_t store_event_seq(struct slice event);

/* "key":"text", preceded by a comma unless it is the object's first; empty text is left out. */
void store_write_member(struct buffer *out, const char *key, struct slice text);
/* The same for JSON and for numbers. */
void store_write_member_json(struct buffer *out, const char *key, struct slice json);
void store_write_member_number(struct buffer *out, const char *key, int64_t number);

/* Appends an item of the array that WORDS returns; until_ms 0: no end. */
void store_write_word(struct buffer *out, struct slice user_id, struct slice status, struct slice message,
                      int64_t until_ms);

/* Fingerprint of an APPEND's arguments: equal for a retry, different when its client id is reused for something
 * else. */
int64_t store_fingerprint(const struct store_append *append);

#endif
