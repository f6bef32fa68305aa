/* SPDX-License-Identifier: Apache-2.0 */
/* store.h - what must not be lost: channel logs, members, users, sessions, audit.
 *
 * One request, one completion. A request owns its arguments and its result; store_submit takes it, done runs on the
 * loop, not within the call, exactly once, and the request is freed when done returns. Drivers: store_driver.h.
 *
 * Each change of a channel takes the channel's next number, seq, without gaps; epoch ("<number>-<incarnation>") changes
 * when the store may have lost acknowledged numbers (a restored backup). */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <stdint.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/list.h"

struct block;
struct store;
enum store_op {
    STORE_APPEND,   /* kind, channel_id, user_id, client_id?, and by kind, see below → event */
    STORE_APPENDED, /* as APPEND, client_id: does the log hold it already? OK, CONFLICT (something else), NOT_FOUND */
    STORE_EVENTS,   /* channel_id, seq, epoch, limit → events, at, more; fork, floor */
    STORE_MESSAGES, /* channel_id, message_id? (a thread's), before? | after? (seqs), limit → json [message…], more */
    STORE_MESSAGE,       /* channel_id, message_id → json message (deleted ones too, with deletedAt) */
    STORE_CHANNEL_PUT,   /* channel_id, name?, text? (visibility) → json channel; creates or changes */
    STORE_CHANNEL,       /* channel_id → json {channelId, name, visibility, seq, epoch, members (their number)} */
    STORE_MEMBER_PUT,    /* channel_id, user_id, text (role); a new member has read all that is there */
    STORE_MEMBER_DELETE, /* channel_id, user_id */
    STORE_MEMBER,        /* channel_id, user_id → json {userId, role}; NOT_FOUND */
    STORE_MEMBERS,       /* channel_id → json [{userId, role}, …], at most 10,000 */
    STORE_USER_CHANNELS, /* user_id → json [{channelId, name, visibility, seq, epoch, readSeq, unread}, …], at most
                            10,000 */
    STORE_HEADS,         /* store_heads_add, at most 1,000 → store_heads */
    STORE_USER_PUT,      /* user_id, name?, text? (avatar) */
    STORE_USERS, /* text: JSON array of user ids → json [{userId, name, avatar?, lastSeen?}, …] of those known */
    STORE_USERS_SEEN,  /* text: JSON array of at most 1,000 user ids: last seen now */
    STORE_WORD_PUT,    /* user_id, text? (status), name? (message), expires_ms (0: never): what they say of themselves,
                          until    they say otherwise; without a status nothing */
    STORE_WORD,        /* user_id → json {status, statusMessage?, endsMs?}; NOT_FOUND, also when it has ended */
    STORE_READ_MARK,   /* channel_id, user_id, seq: never moves back; capped at the head */
    STORE_SESSION_PUT, /* token, user_id, expires_ms (wall clock) */
    STORE_SESSION,     /* token → json {userId, expiresAt}; NOT_FOUND when unknown or expired */
    STORE_SESSION_DELETE, /* token → json {userId}; NOT_FOUND */
    STORE_AUDIT,          /* user_id (actor), name (action), channel_id?, text (JSON detail) */
    STORE_AUDITS,         /* channel_id?, limit → json, newest first */
    STORE_PROBE           /* writes and reads: OK while sends can be acknowledged */
};

/* What is appended; the event that clients see; arguments beside channel_id, user_id (the sender), client_id:
 *  MESSAGE          message:new        message_id (new, made by the caller), content, thread_id?, attachments?
 *  EDIT             message:updated    message_id, content
 *  DELETE           message:deleted    message_id; blanks the content in the log and the message
 *  REACTION_ADD     reaction:changed   message_id, text (emoji)
 *  REACTION_REMOVE  reaction:changed   message_id, text
 * content is a JSON value, attachments a JSON array: stored and given back byte for byte. */
enum store_kind { STORE_MESSAGE_NEW, STORE_EDIT, STORE_DELETE, STORE_REACTION_ADD, STORE_REACTION_REMOVE };

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
struct store_request {
    enum store_op op;
    enum store_kind kind;
    struct slice channel_id, user_id, client_id, message_id, thread_id, content, attachments, name, text, token, epoch;
    int64_t seq, before, after, expires_ms; /* before, after: 0 = none */
    int64_t fingerprint; /* APPEND, APPENDED: of what was said, if that is not what is stored; or 0 */
    bool onwards;        /* MESSAGES: from after on, also when it is 0 */
    unsigned limit;
    enum store_status status;
    struct store_cursor at;        /* APPEND: the event's; EVENTS, CHANNEL: the head of the log, in its current epoch */
    struct buffer json;            /* APPEND: the event; EVENTS: an array of them; else as the operation says */
    struct buffer rows;            /* of EVENTS and HEADS, see below */
    bool more, duplicate, partial; /* partial: HEADS, USER_CHANNELS without what a part that is away holds */
    int64_t floor_r;               /* EVENTS: > 0: events up to here are trimmed; the answer starts after it */
    int64_t fork_r; /* EVENTS: >= 0: the asker's epoch forked: discard all above fork_r (the answer starts there) */
    char message_id_r[STORE_MESSAGE_ID_MAX + 1], created_at_r[32]; /* APPEND: of the message; ISO 8601 */
    /* APPEND, OK: the event; of a duplicate the first one; of a reaction that changes nothing the event that made it
     * so, or the head. */
    int64_t now_ms, submitted_us; /* the driver's, at submission: the loop's wall clock, a monotonic one */
    uint64_t after_writes;        /* the driver's: how many writes were submitted before */
    void (*done)(struct store_request *request);
    void *owner;
    struct list link;
    struct block *arena;               /* of store_request_copy */
    size_t arena_bytes, counted_bytes; /* counted: the driver's, at submission */
};

struct store_request *store_request_new(enum store_op op, void (*done)(struct store_request *request), void *owner);
/* A copy of the bytes that lives as long as the request. */
struct slice store_request_copy(struct store_request *request, struct slice bytes);
/* EVENTS: how many the answer has; one of them. */
size_t store_events_len(const struct store_request *request);
struct store_event store_event_at(const struct store_request *request, size_t i);
/* HEADS: asks for one more; all that were asked for. */
void store_heads_add(struct store_request *request, struct slice channel_id);
struct store_head *store_heads(const struct store_request *request, size_t *len_r);
/* Takes the request. */
void store_submit(struct store *store, struct store_request **request);
void store_request_free(struct store_request **request);
/* In done: what it brought, and its owner, for later. The caller frees it. */
struct store_request *store_request_keep(struct store_request *request);
/* The part that holds the channel's log, from 0. A part may be away, or slow, while the others are not. */
unsigned store_part_of(struct store *store, struct slice channel_id);
/* Does that part (behind the last of them: the database of people) take what is written, by the last probes? */
bool store_part_works(const struct store *store, unsigned part);
void store_close(struct store **store, unsigned deadline_ms);
/* Something was read that is not what was written; the log says what. */
bool store_is_damaged(const struct store *store);
/* Users, channels, members are another log from now on: epoch names it, "": not known yet. What was read before may not
 * be so. From the loop, not within the call that caused it. */
struct store_people_watch {
    void (*moved)(void *owner, const char *epoch);
    void *owner;
};
/* Called at once with what is known. Once a store. */
void store_watch_people(struct store *store, const struct store_people_watch *watch);
const char *store_status_code(enum store_status status); /* protocol.md's error code */

#endif
