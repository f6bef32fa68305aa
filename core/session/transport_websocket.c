/* SPDX-License-Identifier: Apache-2.0 */
#include "session/transport_websocket.h"

#include <stdlib.h>

#include "net/websocket.h"
#include "session/packet_assembly.h"
#include "session/session_internal.h"
#include "session/upgrade.h"

/* What begins when the WebSocket is open. */
struct opening {
    struct hub *hub;
    enum session_kind kind;
    struct handshake *handshake;         /* NULL: it is a probe */
    char session_id[ID_SESSION_LEN + 1]; /* of a probe */
};

struct websocket {
    struct transport transport;
    union {
        struct opening *opening; /* valid until transport_websocket_opened */
        struct conn *conn;
    };
};

static struct websocket *websocket_of(const struct transport *transport) {
    return CONTAINER(transport, struct websocket, transport);
}

static bool driver_write(struct transport *transport, struct slice bytes) {
    return websocket_write(websocket_of(transport)->conn, bytes);
}

static bool driver_blocked(const struct transport *transport) {
    return websocket_blocked(websocket_of(transport)->conn);
}

static void driver_fetch(const struct transport *transport) {
    websocket_fetch(websocket_of(transport)->conn);
}

static bool driver_deflates(const struct transport *transport) {
    return websocket_deflates(websocket_of(transport)->conn);
}

static void driver_pause(struct transport *transport, bool paused) {
    websocket_pause(websocket_of(transport)->conn, paused);
}

static struct seat *driver_seat(struct transport *transport) {
    return websocket_seat(websocket_of(transport)->conn);
}

static void driver_rest(struct transport *transport) {
    websocket_rest(websocket_of(transport)->conn);
}

static void driver_close(struct transport *transport, uint16_t code, struct slice reason) {
    struct conn *conn = websocket_of(transport)->conn;
    websocket_pause(conn, false); /* reads on, so that the peer's end is noticed */
    websocket_close(conn, code ? code : 1000, reason);
}

static const struct transport_ops driver_ops = {
    .write = driver_write,
    .blocked = driver_blocked,
    .fetch = driver_fetch,
    .deflates = driver_deflates,
    .pause = driver_pause,
    .seat = driver_seat,
    .rest = driver_rest,
    .close = driver_close,
};

static void on_message(void *owner, struct slice message, bool binary) {
    struct transport *transport = owner;
    if (transport->session) session_message(transport->session, transport, message, binary);
}

static void on_pong(void *owner) {
    struct transport *transport = owner;
    if (transport->session && !session_has_packets(transport->session)) session_pong(transport->session);
}

static void on_drained(void *owner) {
    struct transport *transport = owner;
    if (transport->session) session_drained(transport->session, transport);
}

static void on_displaced(void *owner) {
    struct transport *transport = owner;
    if (transport->session) session_close(transport->session, CLOSE_OVERLOAD);
}

static void on_closed(void *owner, uint16_t code, struct slice reason) {
    struct transport *transport = owner;
    if (transport->session) session_gone(transport->session, transport, code, reason);
    free(websocket_of(transport));
}

static size_t max_message_bytes(const void *owner) {
    const struct transport *transport = owner;
    return transport->session ? packet_assembly_max_bytes(transport->session) : 0;
}

static const struct conn_events driver_events = {
    .message = on_message,
    .pong = on_pong,
    .drained = on_drained,
    .max_message_bytes = max_message_bytes,
    .displaced = on_displaced,
    .closed = on_closed,
};

static void driver_new(const struct opening *opening, bool base64, struct http_upgrade *upgrade_r) {
    struct websocket *websocket = NEW(struct websocket);
    websocket->transport.ops = &driver_ops;
    websocket->transport.base64 = base64;
    websocket->opening = NEW(struct opening);
    *websocket->opening = *opening;
    upgrade_r->events = &driver_events;
    upgrade_r->owner = &websocket->transport;
}

void transport_websocket_accept(struct hub *hub, enum session_kind kind, struct handshake *handshake, bool base64,
                                struct http_upgrade *upgrade_r) {
    driver_new(&(struct opening){.hub = hub, .kind = kind, .handshake = handshake}, base64, upgrade_r);
}

void transport_websocket_probe(struct hub *hub, struct slice session_id, bool base64, struct http_upgrade *upgrade_r) {
    struct opening opening = {.hub = hub};
    memcpy(opening.session_id, session_id.ptr, ID_SESSION_LEN);
    driver_new(&opening, base64, upgrade_r);
}

void transport_websocket_opened(void *upgrade_owner, struct conn *conn) {
    struct websocket *websocket = websocket_of(upgrade_owner);
    struct opening opening = *websocket->opening;
    free(websocket->opening);
    websocket->conn = conn;
    if (opening.handshake) {
        session_begin(session_open(opening.hub, opening.kind, &websocket->transport, opening.handshake));
        return;
    }
    struct session *session = map_find(opening.hub->sessions, slice_of(opening.session_id));
    if (!session || !upgrade_begin(session, &websocket->transport)) websocket_close(conn, 1000, SLICE_NONE);
}
