/* SPDX-License-Identifier: Apache-2.0 */
/* store_request.h - what is asked of a store, and what it answers.
 *
 * All requests have the same head. The union has a part for each kind of operation: its fields are the arguments, those
 * that end in _r are set by the answer. Slices are borrowed; store_request_copy keeps bytes as long as the request. */
#ifndef STORE_STORE_REQUEST_H
#define STORE_STORE_REQUEST_H

#include <stdint.h>

#include "base/buffer.h"
#include "base/list.h"

/* PART: ARGUMENTS → ANSWER. No part: the arguments are of the head. "channel" and "user" are channel_id and user_id.
 * What has json answers in JSON that is passed on. */
enum store_op {
    /* append: channel, user (the sender), and by kind, see below → at: the event's place, json: the event */
    STORE_APPEND,
    /* append: as APPEND, with client_id. OK: the log holds it. CONFLICT: something else. NOT_FOUND: nothing */
    STORE_APPENDED,
    /* events: channel, seq, epoch, limit → at: the head, store_event_at: the events, json: an array of them */
    STORE_EVENTS,
    /* messages: channel, message_id? (a thread's), before? or after?, limit → json [message…] */
    STORE_MESSAGES,
    /* messages: channel, message_id → json message. A deleted one has deletedAt */
    STORE_MESSAGE,
    /* channel: channel, name?, visibility? → as CHANNEL. Creates or changes */
    STORE_CHANNEL_PUT,
    /* channel → at: the head, json {channelId, name, visibility, seq, epoch, members (their number)} */
    STORE_CHANNEL,
    /* member: channel, user, role. A new member has read all that is there */
    STORE_MEMBER_PUT,
    /* channel, user */
    STORE_MEMBER_DELETE,
    /* channel, user → json {userId, role}, or NOT_FOUND */
    STORE_MEMBER,
    /* channel → json [{userId, role}…], at most 10,000 */
    STORE_MEMBERS,
    /* user → json [{channelId, name, visibility, seq, epoch, readSeq, unread}…], at most 10,000 */
    STORE_USER_CHANNELS,
    /* store_heads_add, at most 1,000 → store_heads */
    STORE_HEADS,
    /* user: user, name?, avatar? */
    STORE_USER_PUT,
    /* store_ids_add, at most 1,000 → json [{userId, name, avatar?, lastSeen?}…] of those known */
    STORE_USERS,
    /* store_ids_add, at most 1,000. Their last seen is now */
    STORE_USERS_SEEN,
    /* word: user, status?, message?, ends_ms. What they say of themselves, until they say otherwise */
    STORE_WORD_PUT,
    /* store_ids_add, at most 1,000 → json [{userId, status, statusMessage?, endsMs?}…] in their order, of what holds */
    STORE_WORDS,
    /* member: channel, user, read_seq. The mark never moves back, nor beyond the head */
    STORE_READ_MARK,
    /* session: user, token, expires_ms */
    STORE_SESSION_PUT,
    /* session: token → json {userId, expiresAt}, or NOT_FOUND: unknown or expired */
    STORE_SESSION,
    /* session: token → json {userId}, or NOT_FOUND */
    STORE_SESSION_DELETE,
    /* audit: user (the actor), action, channel?, detail? */
    STORE_AUDIT,
    /* audit: channel?, limit → json, newest first */
    STORE_AUDITS,
    /* Writes and reads. OK: sends can be acknowledged */
    STORE_PROBE
};

enum store_status {
    STORE_OK,
    STORE_NOT_FOUND,   /* no such channel, message, user, token */
    STORE_CONFLICT,    /* APPEND: this client_id of this sender was used for something else */
    STORE_TOO_LARGE,   /* REACTION_ADD: the message has as many as it may, or this user's */
    STORE_BAD,         /* text that cannot be stored (NUL in an id, or too long) */
    STORE_FULL,        /* no room on the disk; reads go on */
    STORE_UNAVAILABLE, /* queue full, deadline passed, or the store is closing: the outcome of a write is unknown */
};
/* Bytes. What is longer is BAD, in a list left out, before it meets what others ask; bounds for names, roles and the
 * like are in store_sound.c. */
enum { STORE_ID_MAX = 64, STORE_USER_ID_MAX = 255, STORE_MESSAGE_ID_MAX = 31, STORE_EMOJI_MAX = 64 };
/* Reactions of a message, and of one user among them: all of them travel with it. */
enum { STORE_REACTIONS_MAX = 1000, STORE_USER_REACTIONS_MAX = 20 };
/* An answer of EVENTS or MESSAGES ends with the item that reaches STORE_ANSWER_BYTES. */
enum { STORE_EPOCH_MAX = 32, STORE_EVENTS_MAX = 1000, STORE_MESSAGES_MAX = 100, STORE_HEADS_MAX = 1000 };
enum { STORE_ANSWER_BYTES = 1 << 20 };
/* unread of USER_CHANNELS: messages of others behind the reader's mark, of so many that are looked at, the newest;
 * deleted ones are none. readSeq is moved over what the reader said, unless more messages than that follow the mark. A
 * list of more channels than STORE_UNREAD_LOOKS / STORE_UNREAD_MAX looks at an equal share of LOOKS in each. */
enum { STORE_UNREAD_MAX = 999, STORE_UNREAD_LOOKS = 100000 };

/* A place in a channel's log. */
struct store_cursor {
    int64_t seq;
    char epoch[STORE_EPOCH_MAX];
};
struct store_event {
    int64_t seq;
    struct slice bytes; /* [name, payload], as clients get it */
};
struct store_head {
    struct slice channel_id;
    struct store_cursor at; /* seq -1: the channel is not known */
};

/* What is appended; the event that clients see; what it takes beside the sender and client_id?:
 *  MESSAGE          message:new        message_id (new, made by the caller), content, thread_id?, attachments?
 *  EDIT             message:updated    message_id, content
 *  DELETE           message:deleted    message_id; blanks the content in the log and the message
 *  REACTION_ADD     reaction:changed   message_id, emoji
 *  REACTION_REMOVE  reaction:changed   message_id, emoji
 * content is a JSON value, attachments a JSON array: stored and given back byte for byte. */
enum store_kind { STORE_MESSAGE_NEW, STORE_EDIT, STORE_DELETE, STORE_REACTION_ADD, STORE_REACTION_REMOVE };
struct store_append {
    enum store_kind kind;
    struct slice client_id, message_id, thread_id, content, attachments, emoji;
    int64_t fingerprint; /* of what was said, if that is not what is stored; or 0 */
    /* The event is the first one; of a reaction that changes nothing the one that made it so, or the head. */
    bool duplicate_r;
    char message_id_r[STORE_MESSAGE_ID_MAX + 1], created_at_r[32]; /* of the message; ISO 8601 */
};
struct store_events {
    int64_t seq; /* those after it, in this epoch */
    struct slice epoch;
    unsigned limit;
    bool more_r;
    int64_t floor_r; /* > 0: events up to here are trimmed; the answer starts after it */
    int64_t fork_r;  /* >= 0: the asker's epoch forked: discard all above fork_r (the answer starts there); else -1 */
};
struct store_messages {
    struct slice message_id; /* MESSAGES: of a thread's first one, or empty */
    int64_t before, after;   /* seqs; one of them, or 0 */
    bool onwards;            /* from after on, also when it is 0 */
    unsigned limit;
    bool more_r;
};
struct store_channel {
    struct slice name, visibility; /* empty: as it is */
    int64_t shard;                 /* the driver's */
};
struct store_member {
    struct slice role;
    int64_t read_seq;
};
struct store_user {
    struct slice name, avatar; /* empty: as it is */
};
struct store_word {
    struct slice status, message; /* without a status they say nothing */
    int64_t ends_ms;              /* 0: never */
};
struct store_session {
    struct slice token;
    int64_t expires_ms; /* wall clock */
};
struct store_audit {
    struct slice action, detail; /* detail: JSON */
    unsigned limit;
};

struct block;
struct store_request {
    enum store_op op;
    enum store_status status;
    struct slice channel_id, user_id;
    union {
        struct store_append append;
        struct store_events events;
        struct store_messages messages;
        struct store_channel channel;
        struct store_member member;
        struct store_user user;
        struct store_word word;
        struct store_session session;
        struct store_audit audit;
        bool partial_r; /* HEADS, USER_CHANNELS: without what a part that is away holds */
    };
    struct store_cursor at; /* the answer's, as json is */
    struct buffer json;
    struct buffer rows; /* of EVENTS, HEADS and lists of ids: see the functions below */
    void (*done)(struct store_request *request);
    void *owner;
    struct list link;
    struct {                          /* the driver's, at submission */
        int64_t now_ms, submitted_us; /* the loop's wall clock, a monotonic one */
        uint64_t after_writes;        /* how many were submitted before */
        size_t counted_bytes;
    } driver;
    struct block *arena; /* of store_request_copy */
    size_t arena_bytes;
};

struct store_request *store_request_new(enum store_op op, void (*done)(struct store_request *request), void *owner);
void store_request_free(struct store_request **request);
/* A copy of the bytes that lives as long as the request. */
struct slice store_request_copy(struct store_request *request, struct slice bytes);
/* In done: what it brought, and its owner, for later. The caller frees it. */
struct store_request *store_request_keep(struct store_request *request);
/* Does it change anything? PROBE does. */
bool store_is_write(enum store_op op);
const char *store_status_code(enum store_status status); /* a code of docs/protocol.md */

/* EVENTS: how many the answer has; one of them. */
size_t store_events_len(const struct store_request *request);
struct store_event store_event_at(const struct store_request *request, size_t i);
/* HEADS: asks for one more; all that were asked for. */
void store_heads_add(struct store_request *request, struct slice channel_id);
struct store_head *store_heads(const struct store_request *request, size_t *len_r);
/* USERS, USERS_SEEN, WORDS: asks for one more; all that were asked for. */
void store_ids_add(struct store_request *request, struct slice user_id);
const struct slice *store_ids(const struct store_request *request, size_t *len_r);

/* For drivers. EVENTS: the answer's next event is appended to what it returns; the end of the answer. */
struct buffer *store_events_next(struct store_request *request, int64_t seq);
void store_events_end(struct store_request *request);
/* Forgets what was brought so far. */
void store_request_unanswer(struct store_request *request);

#endif
