/* SPDX-License-Identifier: Apache-2.0 */
/* adapter_message.h - what Node.js Socket.IO servers and emitters say to each other over Redis. Pure.
 *
 * Two forms, as in @socket.io/redis-adapter 8.3: classic (PUBLISH; MessagePack arrays for emits, requests in JSON or
 * MessagePack) and sharded (SPUBLISH; objects in JSON, or in MessagePack if they hold binaries). In both what is said
 * is the same, so it is one struct here. Binaries stand in the JSON as placeholders of the text's binaries.
 */
#ifndef BUS_ADAPTER_MESSAGE_H
#define BUS_ADAPTER_MESSAGE_H

#include <stdint.h>

#include "base/buffer.h"

struct msgpack_binaries;

enum adapter_form { ADAPTER_CLASSIC, ADAPTER_SHARDED };

/* Which kind of channel bytes came from: its meaning is not in them. */
enum adapter_channel { ADAPTER_CLASSIC_EMITS, ADAPTER_CLASSIC_REQUESTS, ADAPTER_SHARDED_ALL };

enum adapter_kind {
    ADAPTER_EMIT,         /* args to the sockets of rooms; with a request_id each one's acknowledgement is asked for */
    ADAPTER_SOCKETS,      /* which sockets, by their ids (classic, old) */
    ADAPTER_ROOMS,        /* which rooms are there (classic) */
    ADAPTER_JOIN,         /* the sockets join moved; a request_id (classic, old) wants an empty answer of who has one */
    ADAPTER_LEAVE,        /* the same, leave */
    ADAPTER_DISCONNECT,   /* the sockets leave the namespace; closes: their connections end; request_id: the same */
    ADAPTER_FETCH,        /* which sockets, with all that is known of them */
    ADAPTER_SERVER_EVENT, /* an event between servers; a request_id wants an answer */
    ADAPTER_OTHER         /* answers to others, heartbeats */
};

/* Which sockets: those in one of rooms (none: all), without those in one of except. Slices are JSON; they live as long
 * as the bytes and the text they were read from. */
struct adapter_message {
    enum adapter_kind kind;
    struct slice uid;           /* of the sender: a string; empty: an emitter's request */
    struct slice request_id;    /* a string; empty: no answer is wanted */
    struct slice args;          /* EMIT, SERVER_EVENT: an array, the event's name first */
    struct slice rooms, except; /* adapter_names; empty: none */
    struct slice moved;         /* JOIN, LEAVE: the same */
    int64_t timeout_ms;         /* EMIT with a request_id: how long the asker waits; 0: it does not say */
    bool is_volatile, closes;
    bool is_ours; /* from a stoa: whoever hears the bus has it already */
};

/* False: not a message of that channel and namespace. json and binaries are the storage of what message_r points to
 * (unless it points into bytes). */
bool adapter_read(enum adapter_channel channel, struct slice namespace_name, struct slice bytes, struct buffer *json,
                  struct msgpack_binaries *binaries, struct adapter_message *message_r) MUST_CHECK;

/* The names that rooms, except or moved hold: an array of strings and numbers, or one string. text is the storage.
 * False: more than max, or others in it; len_r is then how many there are. */
bool adapter_names(struct slice json, struct buffer *text, struct slice *names, size_t max, size_t *len_r) MUST_CHECK;

struct adapter_emit {
    struct slice namespace_name;
    const struct slice *rooms, *except; /* plain names */
    size_t rooms_len, except_len;
    bool is_volatile;
    struct slice args; /* JSON array, the event's name first */
    const struct slice *attachments;
    unsigned attachments_len;
};
/* Appends an emit in a form, marked as ours. uid: plain. */
void adapter_write_emit(struct buffer *out, enum adapter_form form, struct slice uid, const struct adapter_emit *emit);

enum adapter_answer {
    ANSWER_SOCKET_IDS, /* to SOCKETS: an array of ids */
    ANSWER_ROOMS,      /* to ROOMS: an array of names */
    ANSWER_DONE,       /* to JOIN, LEAVE of old */
    ANSWER_SOCKETS,    /* to FETCH: an array of {id, handshake, rooms, data} */
    ANSWER_EVENT,      /* to SERVER_EVENT: one value */
    ANSWER_COUNT,      /* to EMIT: a number, of the sockets reached; then for each that answers */
    ANSWER_ACK         /* the first argument of its acknowledgement */
};
/* Appends an answer to a request. uid is plain; value is JSON (empty for DONE). */
void adapter_write_answer(struct buffer *out, enum adapter_form form, enum adapter_answer answer, struct slice uid,
                          struct slice namespace_name, struct slice request_id, struct slice value,
                          const struct slice *attachments, unsigned attachments_len);

#endif
