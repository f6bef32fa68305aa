/* SPDX-License-Identifier: Apache-2.0 */
#include "session/socket_call.h"

#include <stdlib.h>

#include "base/metrics.h"
#include "session/session_internal.h"

struct socket_call {
    struct list link;
    struct socket *socket;
    uint64_t id;
    struct loop_timer timer;
    struct loop_task task;
    socket_call_done *done;
    void *owner;
    enum socket_call_status status;
    struct buffer json, attachments[SOCKETIO_ATTACHMENTS_MAX];
    unsigned attachments_len;
};

static void call_run(struct loop_task *task) {
    struct socket_call *call = CONTAINER(task, struct socket_call, task);
    struct slice attachments[SOCKETIO_ATTACHMENTS_MAX];
    for (unsigned i = 0; i < call->attachments_len; i++) attachments[i] = buffer_slice(&call->attachments[i]);
    call->done(call->owner, call->status, buffer_slice(&call->json), attachments, call->attachments_len);
    for (unsigned i = 0; i < call->attachments_len; i++) buffer_done(&call->attachments[i]);
    buffer_done(&call->json);
    free(call);
}

static void call_answer(struct socket_call *call, enum socket_call_status status) {
    call->status = status;
    loop_timer_cancel(&call->timer);
    list_remove(&call->link);
    loop_post(call->socket->hub->loop, &call->task);
}

static void call_timeout(struct loop_timer *timer) {
    call_answer(CONTAINER(timer, struct socket_call, timer), SOCKET_CALL_TIMEOUT);
}

bool socket_ask(struct socket *socket, struct slice args, const struct slice *attachments, unsigned attachments_len,
                unsigned timeout_ms, socket_call_done *done, void *owner) {
    unsigned open = 0;
    LIST_EACH(&socket->calls, link) open++;
    if (open >= SOCKET_CALLS_MAX || !socket->session || !room_emit_allowed(args, attachments_len)) return false;
    struct socket_call *call = NEW(struct socket_call);
    call->socket = socket;
    call->id = socket->hub->calls++;
    call->done = done;
    call->owner = owner;
    loop_timer_init(&call->timer, socket->hub->loop, call_timeout);
    loop_timer_set(&call->timer, timeout_ms);
    loop_task_init(&call->task, call_run);
    list_append(&socket->calls, &call->link);
    struct socketio_packet parts = {
        .type = attachments_len > 0 ? SOCKETIO_BINARY_EVENT : SOCKETIO_EVENT,
        .attachments = attachments_len,
        .namespace_name = slice_of(socket->namespace_name),
        .has_id = true,
        .id = call->id,
        .json = args,
    };
    struct packet *packet = packet_new(&parts, attachments, SLICE_NONE, PACKET_CONTROL);
    if (socket->connecting || socket->delivery.holding)
        socket_hold_back(socket, packet);
    else
        session_push(socket->session, packet);
    packet_unref(&packet);
    return true;
}

void socket_hear_ack(struct socket *socket, const struct arrival *ack) {
    LIST_EACH(&socket->calls, link) {
        struct socket_call *call = CONTAINER(link, struct socket_call, link);
        if (!ack->has_id || call->id != ack->id) continue;
        buffer_append_slice(&call->json, ack->json);
        call->attachments_len = ack->attachments_len;
        for (unsigned i = 0; i < ack->attachments_len; i++) {
            buffer_append_slice(&call->attachments[i], ack->attachments[i]);
        }
        call_answer(call, SOCKET_CALL_OK);
        return;
    }
    metric_add_labelled(METRIC_REJECTED, "ack", 1);
}

void socket_end_calls(struct socket *socket) {
    while (!list_empty(&socket->calls))
        call_answer(CONTAINER(socket->calls.next, struct socket_call, link), SOCKET_CALL_GONE);
}
