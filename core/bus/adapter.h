/* SPDX-License-Identifier: Apache-2.0 */
/* adapter.h - shares rooms with Node.js Socket.IO servers and emitters over Redis: receives, answers and emits.
 *
 * It acts for this worker as one more server (the other servers count the subscribers of their request channel, and
 * wait for an answer from each). The owner decides which sockets an emit or a request concerns, and what to do.
 */
#ifndef BUS_ADAPTER_H
#define BUS_ADAPTER_H

#include "bus/adapter_message.h"

struct adapter;
struct redis;

struct adapter_settings {
    bool is_classic, is_sharded; /* the message forms of the fleet's servers: one or both */
};

/* Borrowed for the call. */
struct adapter_heard {
    enum adapter_form form;
    struct slice namespace_name;
    const struct adapter_message *message;
    const struct slice *attachments;
    unsigned attachments_len;
};

/* Leaves out messages from this or another stoa, and kind OTHER. Every request must be answered by adapter_reply_new,
 * at once or later. */
struct adapter_events {
    void (*heard)(void *owner, const struct adapter_heard *heard);
};

/* redis and events must outlive it. Serves the main namespace. */
struct adapter *adapter_new(struct redis *redis, const struct adapter_settings *settings,
                            const struct adapter_events *events, void *owner);
void adapter_free(struct adapter **adapter);
/* Sets the namespaces served beside the main one; replaces the previous list. */
void adapter_set_namespaces(struct adapter *adapter, const char *const *names, size_t len);
/* A room got its first local member, or lost its last one. */
void adapter_room_occupied(struct adapter *adapter, struct slice namespace_name, struct slice room);
void adapter_room_vacated(struct adapter *adapter, struct slice namespace_name, struct slice room);
/* Emits to the sockets of the other servers, in each form that they use. Does nothing if a name is not UTF-8: no such
 * server can have it. */
void adapter_publish(struct adapter *adapter, const struct adapter_emit *emit);
/* Emits to all sockets of all namespaces that we serve, on the other servers. */
void adapter_broadcast(struct adapter *adapter, struct slice args);

/* Sends the answers to one request. */
struct adapter_reply;
/* NULL: the request wants no answer. The adapter must outlive it. */
struct adapter_reply *adapter_reply_new(struct adapter *adapter, const struct adapter_heard *heard);
void adapter_reply_send(struct adapter_reply *reply, enum adapter_answer answer, struct slice value,
                        const struct slice *attachments, unsigned attachments_len);
void adapter_reply_free(struct adapter_reply **reply);

#endif
