/* SPDX-License-Identifier: Apache-2.0 */
/* adapter.h - the channels on which Node.js Socket.IO servers and emitters share rooms with us: hears, answers, emits.
 *
 * It speaks for this worker as one server more among them (they count the subscribers of their request channel, and
 * wait for an answer of each). Whom an emit or a request concerns, and what is done, is the owner's.
 */
#ifndef BUS_ADAPTER_H
#define BUS_ADAPTER_H

#include "bus/adapter_message.h"

struct adapter;
struct redis;

struct adapter_settings {
    bool is_classic, is_sharded; /* the forms that the servers of the fleet speak: one or both */
};

/* Borrowed for the call. */
struct adapter_heard {
    enum adapter_form form;
    struct slice namespace_name;
    const struct adapter_message *message;
    const struct slice *attachments;
    unsigned attachments_len;
};

/* Not what we or another stoa said; nothing of kind OTHER. A request is answered by adapter_reply_new, at once or
 * later: it must be. */
struct adapter_events {
    void (*heard)(void *owner, const struct adapter_heard *heard);
};

/* redis and events outlive it. It serves the main namespace. */
struct adapter *adapter_new(struct redis *redis, const struct adapter_settings *settings,
                            const struct adapter_events *events, void *owner);
void adapter_free(struct adapter **adapter);
/* The namespaces served beside the main one. Replaces the list. */
void adapter_set_namespaces(struct adapter *adapter, const char *const *names, size_t len);
/* A room has its first local member, or its last one left. */
void adapter_room_occupied(struct adapter *adapter, struct slice namespace_name, struct slice room);
void adapter_room_vacated(struct adapter *adapter, struct slice namespace_name, struct slice room);
/* To the sockets of the other servers, in each form that they speak. Names that are not UTF-8 are none of theirs:
 * nothing is said. */
void adapter_publish(struct adapter *adapter, const struct adapter_emit *emit);
/* The same to all sockets of all namespaces that we serve. */
void adapter_broadcast(struct adapter *adapter, struct slice args);

/* What a request's answers are sent with. */
struct adapter_reply;
/* NULL: no answer is wanted. The adapter outlives it. */
struct adapter_reply *adapter_reply_new(struct adapter *adapter, const struct adapter_heard *heard);
void adapter_reply_send(struct adapter_reply *reply, enum adapter_answer answer, struct slice value,
                        const struct slice *attachments, unsigned attachments_len);
void adapter_reply_free(struct adapter_reply **reply);

#endif
