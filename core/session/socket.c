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
#include "session/transfer_taker.h"
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

/* Output. */

/* From now on events are not queued: the log has them. */
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

void socket_hold_back(struct socket *socket, struct packet *packet) {
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
        socket_hold_back(socket, packet);
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
    if (socket->connecting || socket->delivery.holding) { /* it will catch up when released */
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
    session->timing.ping_offset = 0; /* the ping under way is older than the events that this socket will get */
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
    if (!list_empty(&socket->memberships)) socket_keep_rooms(socket);
    held_free(socket);
    socket_end_calls(socket);
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
