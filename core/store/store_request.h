/* SPDX-License-Identifier: Apache-2.0 */
/* store_request.h - the requests to a store and their answers.
 *
 * All requests share the first fields. The union has a member for each kind of operation: its fields are the
 * arguments; those that end in _r are set by the answer. Slices are borrowed; store_request_copy copies bytes that
 * live as long as the request. */
#ifndef STORE_STORE_REQUEST_H
#define STORE_STORE_REQUEST_H

#include <stdint.h>

#include "base/buffer.h"
#include "base/list.h"

/* MEMBER: ARGUMENTS → ANSWER. No member: only shared fields are used. "channel" and "user" mean channel_id and
 * user_id. An answer in json is JSON that is passed on unchanged. */
enum store_op {
    /* append: channel, user (the sender), and more by kind, see below → at: the event's place, json: the event */
    STORE_APPEND,
    /* append: as APPEND, with client_id. OK: the log holds this append. CONFLICT: it holds another one. NOT_FOUND:
     * none */
    STORE_APPENDED,
    /* events: channel, seq, epoch, limit → at: the head, store_event_at: the events, json: an array of them */
    STORE_EVENTS,
    /* messages: channel, message_id? (the first of a thread), before? or after?, limit → json [message…] */
    STORE_MESSAGES,
    /* messages: channel, message_id → json message. A deleted one has deletedAt */
    STORE_MESSAGE,
    /* channel: channel, name?, visibility? → as CHANNEL. Creates or changes */
    STORE_CHANNEL_PUT,
    /* channel → at: the head, json {channelId, name, visibility, seq, epoch, members (a count)} */
    STORE_CHANNEL,
    /* member: channel, user, role. For a new member, everything so far counts as read */
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
    /* store_ids_add, at most 1,000 → json [{userId, name, avatar?, lastSeen?}…] of the known users */
    STORE_USERS,
    /* store_ids_add, at most 1,000. Sets lastSeen of these users to now */
    STORE_USERS_SEEN,
    /* word: user, status?, message?, ends_ms. Sets the user's own status until they change it */
    STORE_WORD_PUT,
    /* store_ids_add, at most 1,000 → json [{userId, status, statusMessage?, endsMs?}…] in request order, without
     * expired ones */
    STORE_WORDS,
    /* member: channel, user, read_seq. The mark never moves back, nor past the head */
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
    STORE_TOO_LARGE,   /* REACTION_ADD: the message, or this user on it, has the most reactions allowed */
    STORE_BAD,         /* text that cannot be stored (NUL in an id, or too long) */
    STORE_FULL,        /* no space on the disk; reads still work */
    STORE_UNAVAILABLE, /* queue full, deadline passed, or the store is closing: the outcome of a write is unknown */
};
/* In bytes. A longer id is BAD, or left out of a list, before the driver sees it. store_sound.c has the bounds for
 * names, roles and so on. */
enum { STORE_ID_MAX = 64, STORE_USER_ID_MAX = 255, STORE_MESSAGE_ID_MAX = 31, STORE_EMOJI_MAX = 64 };
/* Reactions of a message, and of one user on it. All reactions are sent with the message. */
enum { STORE_REACTIONS_MAX = 1000, STORE_USER_REACTIONS_MAX = 20 };
/* An answer of EVENTS or MESSAGES ends with the item that reaches STORE_ANSWER_BYTES. */
enum { STORE_EPOCH_MAX = 32, STORE_EVENTS_MAX = 1000, STORE_MESSAGES_MAX = 100, STORE_HEADS_MAX = 1000 };
enum { STORE_ANSWER_BYTES = 1 << 20 };
/* unread of USER_CHANNELS counts other users' messages after the reader's mark, among the newest STORE_UNREAD_MAX;
 * deleted messages do not count. readSeq also skips the reader's own messages, unless more messages than that follow
 * the mark. For a list of more than STORE_UNREAD_LOOKS / STORE_UNREAD_MAX channels, each gets an equal share of
 * STORE_UNREAD_LOOKS. */
enum { STORE_UNREAD_MAX = 999, STORE_UNREAD_LOOKS = 100000 };

/* A place in a channel's log. */
struct store_cursor {
    int64_t seq;
    char epoch[STORE_EPOCH_MAX];
};
struct store_event {
    int64_t seq;
    struct slice bytes; /* [name, payload], as sent to clients */
};
struct store_head {
    struct slice channel_id;
    struct store_cursor at; /* seq -1: the channel is not known */
};

/* What is appended; the event that clients get; the arguments beside the sender and client_id?:
 *  MESSAGE          message:new        message_id (new, made by the caller), content, thread_id?, attachments?
 *  EDIT             message:updated    message_id, content
 *  DELETE           message:deleted    message_id; blanks the content in the log and the message
 *  REACTION_ADD     reaction:changed   message_id, emoji
 *  REACTION_REMOVE  reaction:changed   message_id, emoji
 * content is a JSON value, attachments a JSON array; both are stored and returned byte for byte. */
enum store_kind { STORE_MESSAGE_NEW, STORE_EDIT, STORE_DELETE, STORE_REACTION_ADD, STORE_REACTION_REMOVE };
struct store_append {
    enum store_kind kind;
    struct slice client_id, message_id, thread_id, content, attachments, emoji;
    int64_t fingerprint; /* of the original arguments, if they differ from what is stored; else 0 */
    /* The event is an earlier one. For a reaction that changes nothing: the event that made it so, or the head. */
    bool duplicate_r;
    char message_id_r[STORE_MESSAGE_ID_MAX + 1], created_at_r[32]; /* of the message; ISO 8601 */
};
struct store_events {
    int64_t seq; /* asks for the events after it, in this epoch */
    struct slice epoch;
    unsigned limit;
    bool more_r;
    int64_t floor_r; /* > 0: events up to floor_r are trimmed; the answer starts after it */
    int64_t fork_r;  /* >= 0: the asker's epoch forked: discard all above fork_r (the answer starts there); else -1 */
};
struct store_messages {
    struct slice message_id; /* MESSAGES: the first message of a thread, or empty */
    int64_t before, after;   /* seqs; at most one is set, else 0 */
    bool onwards;            /* read forwards from after, even when after is 0 */
    unsigned limit;
    bool more_r;
};
struct store_channel {
    struct slice name, visibility; /* empty: unchanged */
    int64_t shard;                 /* set by the driver */
};
struct store_member {
    struct slice role;
    int64_t read_seq;
};
struct store_user {
    struct slice name, avatar; /* empty: unchanged */
};
struct store_word {
    struct slice status, message; /* empty status: the user sets no status */
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
        bool partial_r; /* HEADS, USER_CHANNELS: without the channels of an unavailable part */
    };
    struct store_cursor at; /* of the answer, as json */
    struct buffer json;
    struct buffer rows; /* of EVENTS, HEADS and id lists: see the functions below */
    void (*done)(struct store_request *request);
    void *owner;
    struct list link;
    struct {                          /* set by the driver at submission */
        int64_t now_ms, submitted_us; /* wall clock of the loop; monotonic clock */
        uint64_t after_writes;        /* number of writes submitted before */
        size_t counted_bytes;
    } driver;
    struct block *arena; /* of store_request_copy */
    size_t arena_bytes;
};

struct store_request *store_request_new(enum store_op op, void (*done)(struct store_request *request), void *owner);
void store_request_free(struct store_request **request);
/* Copies the bytes; the copy lives as long as the request. */
struct slice store_request_copy(struct store_request *request, struct slice bytes);
/* Call in done: moves the request's contents into a new request for later use. The caller frees it. */
struct store_request *store_request_keep(struct store_request *request);
/* True: it changes something. True for PROBE. */
bool store_is_write(enum store_op op);
const char *store_status_code(enum store_status status); /* an error code of docs/protocol.md */

/* EVENTS: the number of events in the answer; one of them. */
size_t store_events_len(const struct store_request *request);
struct store_event store_event_at(const struct store_request *request, size_t i);
/* HEADS: adds a channel to the request; all channels added. */
void store_heads_add(struct store_request *request, struct slice channel_id);
struct store_head *store_heads(const struct store_request *request, size_t *len_r);
/* USERS, USERS_SEEN, WORDS: adds a user to the request; all users added. */
void store_ids_add(struct store_request *request, struct slice user_id);
const struct slice *store_ids(const struct store_request *request, size_t *len_r);

/* For drivers. EVENTS: append the answer's next event to the returned buffer; call _end after the last. */
struct buffer *store_events_next(struct store_request *request, int64_t seq);
void store_events_end(struct store_request *request);
/* Discards the answer so far. */
void store_request_unanswer(struct store_request *request);

#endif
