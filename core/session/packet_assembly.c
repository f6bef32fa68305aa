/* SPDX-License-Identifier: Apache-2.0 */
#include "session/packet_assembly.h"

#include <stdlib.h>

#include "limit/memory_budget.h"
#include "session/dispatch.h"
#include "session/script_connection.h"
#include "session/seating.h"
#include "session/session_internal.h"
#include "wire/json_client.h"

enum { ASSEMBLY_FACTOR = 4 }; /* limit of a binary packet with its attachments, times max_payload_bytes */

struct packet_assembly {
    struct session *session;
    struct holder holder;
    struct arrival arrival; /* its slices point into text */
    struct buffer text;
    struct buffer attachments[SOCKETIO_ATTACHMENTS_MAX];
    unsigned expected, len;
    size_t bytes;
};

void packet_assembly_free(struct packet_assembly **assembly) {
    if (!*assembly) return;
    memory_budget_hold((*assembly)->session->hub->settings.inbound, &(*assembly)->holder, 0);
    for (unsigned i = 0; i < (*assembly)->len; i++) buffer_done(&(*assembly)->attachments[i]);
    buffer_done(&(*assembly)->text);
    free(*assembly);
    *assembly = NULL;
}

static enum arrival_kind kind_of(enum socketio_type type) {
    static const enum arrival_kind kinds[] = {
        [SOCKETIO_CONNECT] = ARRIVAL_CONNECT,
        [SOCKETIO_DISCONNECT] = ARRIVAL_DISCONNECT,
        [SOCKETIO_EVENT] = ARRIVAL_EVENT,
        [SOCKETIO_BINARY_EVENT] = ARRIVAL_EVENT,
        [SOCKETIO_ACK] = ARRIVAL_ACK,
        [SOCKETIO_BINARY_ACK] = ARRIVAL_ACK,
        [SOCKETIO_CONNECT_ERROR] = ARRIVAL_CONNECT_ERROR,
    };
    return kinds[type];
}

static void cut(struct holder *holder) {
    session_reject(CONTAINER(holder, struct packet_assembly, holder)->session, CLOSE_OVERLOAD);
}

void packet_assembly_move(struct session *session) {
    if (session->assembly) holder_join(&session->assembly->holder, seating_share(session));
}

static void assembly_begin(struct session *session, struct slice message, unsigned expected) {
    struct packet_assembly *assembly = session->assembly = NEW(struct packet_assembly);
    struct socketio_packet packet;
    assembly->session = session;
    holder_init(&assembly->holder, cut);
    packet_assembly_move(session);
    buffer_append_slice(&assembly->text, message);
    if (!socketio_decode(buffer_slice(&assembly->text), &packet)) abort(); /* it was decoded before */
    assembly->arrival = (struct arrival){kind_of(packet.type), packet.namespace_name, packet.has_id, false, packet.id,
                                         packet.json,          packet.event,          NULL,          0};
    assembly->expected = expected;
    assembly->bytes = message.len;
    session_deadline_set(session, DEADLINE_ATTACHMENT, session->hub->settings.connect_timeout_ms);
    memory_budget_hold(session->hub->settings.inbound, &assembly->holder, assembly->bytes);
}

static void assembly_attach(struct session *session, struct slice message) {
    struct packet_assembly *assembly = session->assembly;
    assembly->bytes += message.len;
    if (assembly->bytes > session->hub->settings.max_payload_bytes * ASSEMBLY_FACTOR) {
        session_reject(session, CLOSE_TOO_LARGE);
        return;
    }
    buffer_append_slice(&assembly->attachments[assembly->len++], message);
    if (assembly->len < assembly->expected) {
        memory_budget_hold(session->hub->settings.inbound, &assembly->holder, assembly->bytes);
        return;
    }
    struct slice attachments[SOCKETIO_ATTACHMENTS_MAX];
    for (unsigned i = 0; i < assembly->len; i++) attachments[i] = buffer_slice(&assembly->attachments[i]);
    assembly->arrival.attachments = attachments;
    assembly->arrival.attachments_len = assembly->len;
    session->assembly = NULL;
    session_deadline_clear(session, DEADLINE_ATTACHMENT);
    dispatch(session, &assembly->arrival);
    packet_assembly_free(&assembly);
}

/* The session was admitted to a namespace. */
static bool is_known(const struct session *session) {
    LIST_EACH(&session->sockets, link) {
        if (!CONTAINER(link, struct socket, link)->connecting) return true;
    }
    return false;
}

size_t packet_assembly_max_bytes(const struct session *session) {
    size_t max_bytes = session->hub->settings.max_payload_bytes;
    if (session_is_scripts(session)) return script_connection_max_bytes(session);
    return is_known(session) || max_bytes < PACKET_ASSEMBLY_STRANGER_BYTES ? max_bytes : PACKET_ASSEMBLY_STRANGER_BYTES;
}

/* Checked before decoding: messages of a session without a namespace, and every CONNECT. */
static bool is_too_large(const struct session *session, struct slice message) {
    if (message.len <= PACKET_ASSEMBLY_STRANGER_BYTES) return false;
    return message.ptr[0] == '0' + SOCKETIO_CONNECT || message.len > packet_assembly_max_bytes(session);
}

void packet_assembly_socketio(struct session *session, struct slice message, bool binary) {
    struct socketio_packet packet;
    if (!binary && is_too_large(session, message)) {
        session_reject(session, CLOSE_TOO_LARGE);
    } else if (binary != (session->assembly != NULL)) {
        session_reject(session, CLOSE_PARSE_ERROR);
    } else if (binary) {
        assembly_attach(session, message);
    } else if (!socketio_decode(message, &packet)) {
        session_reject(session, CLOSE_PARSE_ERROR);
    } else if (packet.attachments > 0) {
        assembly_begin(session, message, packet.attachments);
    } else {
        struct arrival arrival = {kind_of(packet.type), packet.namespace_name, packet.has_id, false, packet.id,
                                  packet.json,          packet.event,          NULL,          0};
        dispatch(session, &arrival);
    }
}

void packet_assembly_message(struct session *session, struct slice message, bool binary) {
    dispatch(session, &(struct arrival){.kind = ARRIVAL_MESSAGE, .json = message, .binary = binary});
}

/* Writes [event, arg…] as in Socket.IO. */
static void gather_event(struct buffer *text, const struct json_client_packet *packet) {
    buffer_clear(text);
    buffer_append_char(text, '[');
    buffer_append_slice(text, packet->event);
    struct slice rest = slice_from(packet->args, 1);
    bool empty = true;
    for (size_t i = 0; i < rest.len && empty; i++) empty = strchr(" \t\r\n]", rest.ptr[i]) != NULL;
    if (empty) {
        buffer_append_char(text, ']');
        return;
    }
    buffer_append_char(text, ',');
    buffer_append_slice(text, rest);
}

void packet_assembly_plain(struct session *session, struct slice message, bool binary) {
    struct json_client_packet packet;
    if (is_too_large(session, message)) {
        session_reject(session, CLOSE_TOO_LARGE);
        return;
    }
    enum json_client_result result = binary ? JSON_CLIENT_OK : json_client_decode(message, &packet);
    if (binary || result != JSON_CLIENT_OK) {
        session_reject(session, binary                           ? CLOSE_BINARY_ON_PLAIN
                                : result == JSON_CLIENT_BAD_JSON ? CLOSE_BAD_JSON
                                                                 : CLOSE_BAD_TYPE);
        return;
    }
    struct arrival arrival = {.namespace_name = SLICE("/"), .has_id = packet.has_id, .id = packet.id};
    struct buffer text = {0};
    switch (packet.type) {
        case JSON_CLIENT_CONNECT:
            arrival.kind = ARRIVAL_CONNECT;
            arrival.json = packet.auth;
            break;
        case JSON_CLIENT_EVENT:
            gather_event(&text, &packet);
            arrival.kind = ARRIVAL_EVENT;
            arrival.json = buffer_slice(&text);
            arrival.event = (struct slice){text.ptr + 1, packet.event.len};
            break;
        case JSON_CLIENT_ACK:
            arrival.kind = ARRIVAL_ACK;
            arrival.json = packet.args;
            break;
    }
    dispatch(session, &arrival);
    buffer_done(&text);
}
