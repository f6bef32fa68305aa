/* SPDX-License-Identifier: Apache-2.0 */
#include "session/socket.h"

#include <stdlib.h>

#include "base/fault.h"
#include "base/ids.h"
#include "base/metrics.h"
#include "session/channel_follow.h"
#include "session/dispatch.h"
#include "session/namespace_connect.h"
#include "session/online.h"
#include "session/parting.h"
#include "session/recovery.h"
#include "session/seating.h"
#include "session/session_internal.h"
#include "session/transfer.h"
#include "session/watch.h"

struct slice socket_id(const struct socket *socket) {
    return slice_of(socket->id);
}

struct slice socket_namespace(const struct socket *socket) {
    return slice_of(socket->namespace_name);
}

struct slice socket_user_id(const struct socket *socket) {
    return socket->user.of ? slice_of(socket->user.of->id) : SLICE_NONE;
}

struct slice socket_user(const struct socket *socket) {
    return socket->user.json ? slice_of(socket->user.json) : SLICE("null");
}

struct slice socket_handshake(const struct socket *socket) {
    struct buffer *text = &socket->hub->scratch.handshake;
    buffer_clear(text);
    buffer_append_str(text, "{\"auth\":");
    buffer_append_slice(text, socket->connecting ? namespace_connect_auth(socket->connecting) : SLICE("{}"));
    buffer_append_char(text, ',');
    buffer_append_str(text, socket->handshake->json);
    buffer_append_char(text, '}');
    return buffer_slice(text);
}

unsigned socket_generation(const struct socket *socket) {
    return socket->generation;
}

bool socket_is_connected(const struct socket *socket) {
    return socket->session != NULL;
}

bool socket_recovered(const struct socket *socket) {
    return socket->recovered;
}

struct slice socket_state(const struct socket *socket) {
    return socket->state_json ? slice_of(socket->state_json) : SLICE("null");
}

bool socket_set_state(struct socket *socket, struct slice json) {
    if (json.len > SOCKET_STATE_MAX) return false;
    char *copy = memory_copy(json.ptr, json.len);
    free(socket->state_json);
    socket->state_json = copy;
    if (!socket->session) recovery_edited(socket);
    return true;
}

bool socket_is_claimed(const struct socket *socket) {
    return socket->session && socket->session->claimed;
}

bool socket_claim(struct socket *socket) {
    struct session *session = socket->session;
    if (!session || session->claimed || session->state != SESSION_OPEN) return false;
    session->claimed = hub_user(socket->hub, slice_of(socket->user.of->id));
    return true;
}

void socket_expires(struct socket *socket, uint64_t wall_ms) {
    if (!socket->session || socket->session->state != SESSION_OPEN) return;
    uint64_t now = loop_wall_ms(socket->hub->loop);
    if (!wall_ms)
        session_deadline_clear(socket->session, DEADLINE_EXPIRES);
    else
        session_expire_in(socket->session, wall_ms > now ? wall_ms - now : 0);
}

/* Out. */

/* The log has what is not queued from here on. */
static void lag_begin(struct socket *socket) {
    if (socket->delivery.lagging) return;
    if (!socket->hub->settings.recovery.window_ms) {
        session_doom(socket->session, CLOSE_SLOW);
        return;
    }
    socket->delivery.lagging = socket->session->lagging = true;
    socket->lag_offset = rooms_offset(socket->hub->rooms) - 1;
}

static bool may_be_lost(const struct packet *packet) {
    return packet_class_of(packet) >= PACKET_PRESENCE;
}

static void deliver_now(struct socket *socket, struct packet *packet) {
    struct session *session = socket->session;
    switch (outbox_push(&session->outbox, packet, socket->hub->settings.outbox_bytes)) {
        case OUTBOX_QUEUED:
        case OUTBOX_SHED:
            flush_held(session);
            return;
        case OUTBOX_NO_ROOM:
            lag_begin(socket);
            return;
        case OUTBOX_OVERFLOW:
            session_doom(session, CLOSE_SLOW);
            return;
    }
}

static void hold_back(struct socket *socket, struct packet *packet) {
    if (!socket->held) socket->held = NEW(struct outbox_queue);
    outbox_queue_push(socket->held, packet);
}

static void held_free(struct socket *socket) {
    if (socket->held) outbox_queue_done(socket->held);
    free(socket->held);
    socket->held = NULL;
}

static void deliver_held(struct socket *socket, const struct room *room, struct packet *packet) {
    size_t held_bytes = socket->held ? socket->held->bytes : 0;
    if (held_bytes + packet_size(packet) <= socket->hub->settings.outbox_bytes) {
        hold_back(socket, packet);
        if (room) channel_follow_held(socket, room_name(room), packet);
    } else if (!may_be_lost(packet)) {
        lag_begin(socket);
    }
}

void socket_note_had(struct socket *socket, uint64_t tag) {
    uint64_t late_ms = TRANSFER_MS + socket->hub->settings.recovery.window_ms;
    record_note_had(&socket->record, tag, loop_now_ms(socket->hub->loop) + late_ms);
}

bool socket_has_had(struct socket *socket, const struct packet *packet) {
    uint64_t tag = packet_tag(packet);
    return socket->record.had && tag % 2 == 1 && record_has_had(&socket->record, tag, loop_now_ms(socket->hub->loop));
}

static void socket_deliver(struct receiver *receiver, const struct room *room, struct packet *packet) {
    struct socket *socket = CONTAINER(receiver, struct socket, receiver);
    struct session *session = socket->session;
    if (!session || session->state != SESSION_OPEN) return;
    if (socket->moved && socket_has_had(socket, packet)) return;
    if (socket->delivery.replaying) {
        outbox_push_always(&session->outbox, packet);
        flush_soon(session);
        return;
    }
    if (socket->connecting && socket->recovered) return; /* the replay will bring it */
    if (socket->delivery.lagging) {
        if (may_be_lost(packet)) metric_add_labelled(METRIC_DROPPED, "lagging", 1);
        return;
    }
    if (socket->connecting || socket->delivery.holding)
        deliver_held(socket, room, packet);
    else
        deliver_now(socket, packet);
}

void socket_drop_held(struct socket *socket, const struct packet *packet) {
    if (socket->held) outbox_queue_remove(socket->held, packet);
}

bool socket_catch_up(struct socket *socket) {
    if (socket->connecting || socket->delivery.holding) { /* released, it will catch up */
        socket->session->lagging = true;
        return true;
    }
    socket->delivery.lagging = false;
    return recovery_replay(socket, socket->lag_offset);
}

void socket_release(struct socket *socket) {
    struct packet *packet;
    socket->delivery.holding = false;
    if (!socket->held || !socket->session) return;
    while ((packet = outbox_queue_pop(socket->held))) {
        outbox_push_always(&socket->session->outbox, packet);
        packet_unref(&packet);
        flush_soon(socket->session);
    }
    held_free(socket);
}

void socket_hold(struct socket *socket) {
    if (fault_planted("live_before_tail")) return;
    if (socket->session && dispatch_answering(socket->session, socket)) socket->delivery.holding = true;
}

bool socket_emit(struct socket *socket, struct slice args, const struct slice *attachments, unsigned attachments_len,
                 enum packet_class class) {
    if (!room_emit_allowed(args, attachments_len)) return false;
    struct slice own_room = slice_of(socket->id);
    struct room_emit emit = {
        .namespace_name = slice_of(socket->namespace_name),
        .to = &own_room,
        .to_len = 1,
        .class = class,
        .args = args,
        .attachments = attachments,
        .attachments_len = attachments_len,
        .unlogged = class == PACKET_VOLATILE,
    };
    room_emit_checked(socket->hub->rooms, &emit);
    return true;
}

/* Questions to the client. */

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
        hold_back(socket, packet);
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

/* Rooms. */

static struct membership *join_now(struct socket *socket, struct slice room) {
    struct rooms *rooms = socket->hub->rooms;
    if (socket->rooms_len >= socket->hub->settings.rooms_max) return NULL;
    socket->rooms_len++;
    return room_join(rooms, slice_of(socket->namespace_name), room, &socket->receiver, &socket->memberships,
                     rooms_offset(rooms));
}

bool socket_enter(struct socket *socket, struct slice room) {
    return room_membership(&socket->memberships, room) || join_now(socket, room);
}

/* From now on the room keeps events for it. */
static bool join_away(struct socket *socket, struct slice room) {
    if (socket_is_in(socket, room)) return true;
    struct membership *membership = join_now(socket, room);
    if (!membership) return false;
    record_add_room(&socket->record, room, membership->since_offset);
    room_leave(socket->hub->rooms, &membership);
    recovery_edited(socket);
    return true;
}

bool socket_join(struct socket *socket, struct slice room) {
    if (room.len == 0 || room.len > SOCKET_ROOM_NAME_MAX) return false;
    if (!socket->session) return recovery_is_awaited(socket) && join_away(socket, room);
    if (!socket_enter(socket, room)) return false;
    if (socket->counts) online_joined(socket, room);
    return true;
}

void socket_leave(struct socket *socket, struct slice room) {
    if (room.len == 0 || slice_is(room, socket->id)) return;
    struct membership *membership = room_membership(&socket->memberships, room);
    channel_follow_left(socket, room);
    if (membership)
        room_leave(socket->hub->rooms, &membership);
    else if (!record_remove_room(&socket->record, room))
        return;
    socket->rooms_len--;
    online_left(socket, room);
    if (!socket->session) recovery_edited(socket);
}

void socket_join_since(struct socket *socket, struct slice room, uint64_t since_offset) {
    room_join(socket->hub->rooms, slice_of(socket->namespace_name), room, &socket->receiver, &socket->memberships,
              since_offset);
    if (room.len > 0 && !slice_is(room, socket->id)) socket->rooms_len++;
}

void socket_join_namespace(struct socket *socket) {
    socket_join_since(socket, SLICE(""), rooms_offset(socket->hub->rooms));
}

static bool has_joined(struct socket *socket) {
    return room_membership(&socket->memberships, SLICE("")) != NULL;
}

bool socket_is_implied(struct rooms_implied *implied, struct slice namespace_name, struct slice name,
                       struct receiver **receiver_r, struct list **memberships_r) {
    struct hub *hub = CONTAINER(implied, struct hub, own_rooms);
    struct socket *socket = name.len == SOCKET_ID_LEN ? hub_find(hub, name) : NULL;
    if (!socket || !slice_is(namespace_name, socket->namespace_name) || !has_joined(socket)) return false;
    *receiver_r = &socket->receiver;
    *memberships_r = &socket->memberships;
    return true;
}

static void each_kept_room(struct socket *socket, void (*fn)(void *owner, struct slice room), void *owner) {
    struct slice rooms = record_rooms(&socket->record), name;
    uint64_t since;
    while (record_next_room(&rooms, &name, &since))
        if (name.len > 0) fn(owner, name);
}

void socket_each_room(struct socket *socket, void (*fn)(void *owner, struct slice room), void *owner) {
    if (has_joined(socket)) fn(owner, slice_of(socket->id));
    LIST_EACH(&socket->memberships, link) {
        struct slice name = room_name(CONTAINER(link, struct membership, link)->room);
        if (name.len > 0 && !slice_is(name, socket->id)) fn(owner, name);
    }
    each_kept_room(socket, fn, owner);
}

struct search {
    struct slice room;
    bool found;
};

static void compare_room(void *owner, struct slice room) {
    struct search *search = owner;
    search->found = search->found || slice_equal(search->room, room);
}

bool socket_is_in(struct socket *socket, struct slice room) {
    struct search search = {.room = room};
    socket_each_room(socket, compare_room, &search);
    return search.found;
}

/* What is sent to its own room from now on is kept for it, like that of the others. */
static void keep_rooms(struct socket *socket) {
    record_forget_away(&socket->record);
    room_find(socket->hub->rooms, slice_of(socket->namespace_name), slice_of(socket->id));
    while (!list_empty(&socket->memberships)) {
        struct membership *membership = CONTAINER(socket->memberships.next, struct membership, link);
        record_add_room(&socket->record, room_name(membership->room), membership->since_offset);
        room_leave(socket->hub->rooms, &membership);
    }
}

/* Life. */

static void deliver_with_offset(struct receiver *receiver, const struct room *room, struct packet *packet) {
    socket_deliver(receiver, room, packet_with_offset(packet));
}

static const struct receiver_ops socket_ops = {socket_deliver}, recoverable_ops = {deliver_with_offset};

void socket_want_recovery(struct socket *socket) {
    socket->receiver.ops = &recoverable_ops;
}

bool socket_wants_recovery(const struct socket *socket) {
    return socket->receiver.ops == &recoverable_ops;
}

struct socket *socket_receiving(struct receiver *receiver) {
    bool is_socket = receiver->ops == &socket_ops || receiver->ops == &recoverable_ops;
    return is_socket ? CONTAINER(receiver, struct socket, receiver) : NULL;
}

static const char main_namespace[] = "/";

struct socket *session_socket(struct session *session, struct slice namespace_name) {
    LIST_EACH(&session->sockets, link) {
        struct socket *socket = CONTAINER(link, struct socket, link);
        if (slice_is(namespace_name, socket->namespace_name)) return socket;
    }
    return NULL;
}

struct socket *socket_new(struct session *session, struct slice namespace_name) {
    struct socket *socket = NEW(struct socket);
    socket->receiver.ops = &socket_ops;
    socket->hub = session->hub;
    id_random(socket->id, SOCKET_ID_LEN);
    list_init(&socket->link);
    list_init(&socket->user.link);
    list_init(&socket->memberships);
    list_init(&socket->calls);
    socket->namespace_name =
        slice_is(namespace_name, main_namespace) ? main_namespace : memory_copy(namespace_name.ptr, namespace_name.len);
    map_put(session->hub->sockets, slice_of(socket->id), socket);
    socket_attach(socket, session);
    return socket;
}

void socket_rename(struct socket *socket, struct slice id) {
    map_remove(socket->hub->sockets, slice_of(socket->id));
    memcpy(socket->id, id.ptr, SOCKET_ID_LEN);
    map_put(socket->hub->sockets, slice_of(socket->id), socket);
}

void socket_become_other(struct socket *socket) {
    char id[SOCKET_ID_LEN + 1];
    while (!list_empty(&socket->memberships)) {
        struct membership *membership = CONTAINER(socket->memberships.next, struct membership, link);
        room_leave(socket->hub->rooms, &membership);
    }
    socket->rooms_len = 0;
    socket->recovered = false;
    free(socket->state_json);
    socket->state_json = NULL;
    id_random(id, SOCKET_ID_LEN);
    socket_rename(socket, slice_of(id));
}

void socket_attach(struct socket *socket, struct session *session) {
    socket->session = session;
    socket->generation++;
    list_append(&session->sockets, &socket->link);
    session->sockets_len++;
    handshake_unref(&socket->handshake);
    socket->handshake = session->handshake;
    socket->handshake->refs++;
    socket->delivery.lagging = socket->delivery.holding = false;
    session->timing.ping_offset = 0; /* a ping that is on its way was before what this one still gets */
}

void socket_set_user(struct socket *socket, struct slice user_id, struct slice user_json) {
    struct hub_user *before = socket->user.of;
    list_remove(&socket->user.link);
    socket->user.of = hub_user(socket->hub, user_id);
    list_append(&socket->user.of->sockets, &socket->user.link);
    if (before) hub_unref_user(socket->hub, &before);
    free(socket->user.json);
    socket->user.json = memory_copy(user_json.ptr, user_json.len);
    socket->generation++;
}

void socket_detach(struct socket *socket) {
    struct session *session = socket->session;
    namespace_connect_abandon(&socket->connecting);
    bool stays = fault_planted("follow_outlives") && socket->watches;
    watches_tell(socket);
    if (!stays) online_ended(socket);
    if (session) {
        dispatch_forget_socket(session, socket);
        list_remove(&socket->link);
        bool last = --session->sockets_len == 0 && session->state == SESSION_OPEN;
        if (last && !session->timing.due_ms[DEADLINE_CONNECT]) {
            session_deadline_set(session, DEADLINE_CONNECT, session->hub->settings.connect_timeout_ms);
            seating_let_in(session, false);
        }
    }
    socket->session = NULL;
    if (!list_empty(&socket->memberships)) keep_rooms(socket);
    held_free(socket);
    while (!list_empty(&socket->calls)) {
        call_answer(CONTAINER(socket->calls.next, struct socket_call, link), SOCKET_CALL_GONE);
    }
}

void socket_part(struct socket *socket, const char *reason, bool keep) {
    bool announced = socket->script.announced;
    socket_detach(socket);
    socket->script.announced = false;
    if (announced && hub_policy_handles(socket->hub, POLICY_DISCONNECT, slice_of(socket->namespace_name)))
        parting_begin(socket, reason);
    if (keep && socket->record.pid && socket->hub->settings.recovery.window_ms > 0) {
        recovery_keep(socket);
    } else {
        recovery_drop(socket);
        hub_bury_socket(socket);
    }
}

void socket_disconnect(struct socket *socket) {
    struct session *session = socket->session;
    if (!session) {
        recovery_revoke(socket);
        return;
    }
    if (session->kind == SESSION_PLAIN) {
        session_close(session, CLOSE_SERVER_DISCONNECT);
        return;
    }
    struct socketio_packet parts = {.type = SOCKETIO_DISCONNECT, .namespace_name = slice_of(socket->namespace_name)};
    struct packet *packet = packet_new(&parts, NULL, SLICE_NONE, PACKET_CONTROL);
    session_push(session, packet);
    packet_unref(&packet);
    dispatch_drop(session, slice_of(socket->namespace_name));
    socket_part(socket, "server namespace disconnect", false);
}

void socket_expel(struct socket *socket) {
    struct session *session = socket->session;
    if (!session) {
        recovery_revoke(socket);
        return;
    }
    while (!list_empty(&session->sockets)) socket_disconnect(CONTAINER(session->sockets.next, struct socket, link));
    session_close(session, CLOSE_SERVER_DISCONNECT);
}

void socket_close(struct socket *socket, enum close_reason reason) {
    if (socket->session) session_close(socket->session, reason);
}

void socket_free(struct socket *socket) {
    map_remove(socket->hub->sockets, slice_of(socket->id));
    if (socket->user.of) hub_unref_user(socket->hub, &socket->user.of);
    handshake_unref(&socket->handshake);
    record_forget_away(&socket->record);
    record_forget_had(&socket->record);
    held_free(socket);
    if (socket->namespace_name != main_namespace) free((char *)socket->namespace_name);
    free(socket->user.json);
    free(socket->state_json);
    free(socket);
}
