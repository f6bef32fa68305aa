/* SPDX-License-Identifier: Apache-2.0 */
/* adapter_message.h - the messages of Node.js Socket.IO servers and emitters over Redis. Pure.
 *
 * Two forms, as in @socket.io/redis-adapter 8.3: classic (PUBLISH; MessagePack arrays for emits, requests in JSON or
 * MessagePack) and sharded (SPUBLISH; objects in JSON, or in MessagePack if they hold binaries). Both carry the same
 * content, so one struct serves both. The JSON has placeholders for the binaries.
 */
#ifndef BUS_ADAPTER_MESSAGE_H
#define BUS_ADAPTER_MESSAGE_H

#include <stdint.h>

#include "base/buffer.h"

struct msgpack_binaries;

enum adapter_form { ADAPTER_CLASSIC, ADAPTER_SHARDED };

/* The kind of channel that bytes came from; the bytes themselves do not tell. */
enum adapter_channel { ADAPTER_CLASSIC_EMITS, ADAPTER_CLASSIC_REQUESTS, ADAPTER_SHARDED_ALL };

enum adapter_kind {
    ADAPTER_EMIT,    /* send args to the sockets of rooms; with a request_id, ask each for an acknowledgement */
    ADAPTER_SOCKETS, /* list the ids of sockets (classic, old) */
    ADAPTER_ROOMS,   /* list the rooms (classic) */
    ADAPTER_JOIN,    /* make the sockets join moved; with a request_id (classic, old) each server that has one answers
                        empty */
    ADAPTER_LEAVE,   /* as JOIN, leave */
    ADAPTER_DISCONNECT, /* make the sockets leave the namespace; closes: end their connections too; request_id: as JOIN
                         */
    ADAPTER_FETCH,      /* list the sockets with all that is known of them */
    ADAPTER_SERVER_EVENT, /* an event between servers; with a request_id, an answer is wanted */
    ADAPTER_OTHER         /* answers to others, heartbeats */
};

/* Selects sockets: those in one of rooms (no rooms: all), except those in one of except. Slices are JSON; they live as
 * long as the bytes and the text they were read from. */
struct adapter_message {
    enum adapter_kind kind;
    struct slice uid;           /* of the sender: a string; empty: an emitter's request */
    struct slice request_id;    /* a string; empty: no answer wanted */
    struct slice args;          /* EMIT, SERVER_EVENT: an array, the event's name first */
    struct slice rooms, except; /* adapter_names; empty: none */
    struct slice moved;         /* JOIN, LEAVE: adapter_names */
    int64_t timeout_ms;         /* EMIT with a request_id: how long the sender waits; 0: not given */
    bool is_volatile, closes;
    bool is_ours; /* from a stoa: subscribers of the bus have it already */
};

/* False: not a message of that channel and namespace. json and binaries store what message_r points to, unless it
 * points into bytes. */
bool adapter_read(enum adapter_channel channel, struct slice namespace_name, struct slice bytes, struct buffer *json,
                  struct msgpack_binaries *binaries, struct adapter_message *message_r) MUST_CHECK;

/* Reads the names in rooms, except or moved: an array of strings and numbers, or one string. text stores them. False:
 * more than max, or other values; len_r is then the number of elements. */
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
/* Appends an emit in the given form, marked as ours. uid: plain. */
void adapter_write_emit(struct buffer *out, enum adapter_form form, struct slice uid, const struct adapter_emit *emit);

enum adapter_answer {
    ANSWER_SOCKET_IDS, /* to SOCKETS: an array of ids */
    ANSWER_ROOMS,      /* to ROOMS: an array of names */
    ANSWER_DONE,       /* to JOIN, LEAVE in the old form */
    ANSWER_SOCKETS,    /* to FETCH: an array of {id, handshake, rooms, data} */
    ANSWER_EVENT,      /* to SERVER_EVENT: one value */
    ANSWER_COUNT,      /* to EMIT: the number of sockets reached, before an ACK from each that answers */
    ANSWER_ACK         /* the first argument of its acknowledgement */
};
/* Appends an answer to a request. uid is plain; value is JSON (empty for DONE). */
void adapter_write_answer(struct buffer *out, enum adapter_form form, enum adapter_answer answer, struct slice uid,
                          struct slice namespace_name, struct slice request_id, struct slice value,
                          const struct slice *attachments, unsigned attachments_len);

#endif
