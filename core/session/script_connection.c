/* SPDX-License-Identifier: Apache-2.0 */
#include "session/script_connection.h"

#include <stdlib.h>

#include "session/parting.h"
#include "session/session_internal.h"
#include "wire/websocket_reader.h"

struct script_connection {
    struct receiver receiver;
    struct session *session;
    struct list memberships;
    size_t max_message_bytes;
    unsigned rooms_len;
    bool refused;
    uint16_t code; /* those of its end */
    struct buffer reason;
};

static void deliver(struct receiver *receiver, const struct room *room, struct packet *packet) {
    struct session *session = CONTAINER(receiver, struct script_connection, receiver)->session;
    if (session->state == SESSION_OPEN && packet_bytes(packet, session->form).len > 0) session_push(session, packet);
}

static const struct receiver_ops receiver_ops = {deliver};

struct script_connection *script_connection_new(struct session *session, size_t max_message_bytes) {
    struct script_connection *connection = NEW(struct script_connection);
    connection->session = session;
    connection->max_message_bytes = max_message_bytes;
    connection->receiver.ops = &receiver_ops;
    list_init(&connection->memberships);
    return connection;
}

void script_connection_free(struct script_connection **connection_r) {
    struct script_connection *connection = *connection_r;
    if (!connection) return;
    buffer_done(&connection->reason);
    free(connection);
    *connection_r = NULL;
}

/* NULL: the session is gone. */
static struct session *session_at(struct hub *hub, struct slice id) {
    struct session *session = map_find(hub->sessions, id);
    return session && session->state == SESSION_OPEN && session_is_scripts(session) ? session : NULL;
}

bool script_connection_is_there(struct hub *hub, struct slice session_id) {
    return session_at(hub, session_id) != NULL;
}

bool script_connection_send(struct hub *hub, struct slice session_id, struct slice message, bool binary) {
    struct session *session = session_at(hub, session_id);
    if (!session) return false;
    struct packet *packet;
    if (session->kind == SESSION_RAW) {
        packet = packet_new_raw(message, binary);
    } else if (binary) {
        packet = packet_new_binary(message);
    } else {
        struct buffer *text = &hub->scratch.text;
        buffer_clear(text);
        buffer_append_char(text, '4');
        buffer_append_slice(text, message);
        packet = packet_new_engine(buffer_slice(text));
    }
    session_push(session, packet);
    packet_unref(&packet);
    return true;
}

bool script_connection_close(struct hub *hub, struct slice session_id, uint16_t code, struct slice reason) {
    struct session *session = session_at(hub, session_id);
    if (!session) return false;
    session_close_saying(session, CLOSE_SERVER_DISCONNECT, code, reason);
    return true;
}

bool script_connection_join(struct hub *hub, struct slice session_id, struct slice room) {
    struct session *session = session_at(hub, session_id);
    if (!session || room.len == 0 || room.len > SOCKET_ROOM_NAME_MAX) return false;
    struct script_connection *connection = session->script;
    if (room_membership(&connection->memberships, room)) return true;
    if (connection->rooms_len >= hub->settings.rooms_max) return false;
    connection->rooms_len++;
    room_join(hub->rooms, SLICE("/"), room, &connection->receiver, &connection->memberships, rooms_offset(hub->rooms));
    return true;
}

static void leave(struct hub *hub, struct script_connection *connection, struct membership *membership) {
    room_leave(hub->rooms, &membership);
    connection->rooms_len--;
}

bool script_connection_leave(struct hub *hub, struct slice session_id, struct slice room) {
    struct session *session = session_at(hub, session_id);
    if (!session) return false;
    struct membership *membership = room_membership(&session->script->memberships, room);
    if (membership) leave(hub, session->script, membership);
    return true;
}

size_t script_connection_max_bytes(const struct session *session) {
    return session->script->max_message_bytes;
}

void script_connection_refuse(struct session *session) {
    session->script->refused = true;
}

void script_connection_end(struct session *session, uint16_t code, struct slice reason) {
    struct script_connection *connection = session->script;
    while (!list_empty(&connection->memberships))
        leave(session->hub, connection, CONTAINER(connection->memberships.next, struct membership, link));
    connection->code = code ? code : WEBSOCKET_NO_CODE;
    buffer_append_slice(&connection->reason, reason);
    if (!connection->refused) parting_begin_connection(session, connection->code, reason);
}

uint16_t script_connection_said(const struct session *session, struct slice *reason_r) {
    *reason_r = buffer_slice(&session->script->reason);
    return session->script->code;
}
