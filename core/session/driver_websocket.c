#include <stdlib.h>

#include "session/driver.h"
#include "session/hub_state.h"

struct websocket {
    struct transport transport;
    struct hub *hub;
    struct conn *conn; /* NULL: not opened yet */
    enum session_kind kind;
    struct handshake *handshake; /* NULL: a probe */
    char *session_id;            /* a probe's; else NULL */
};

static struct websocket *websocket_of(const struct transport *transport) {
    return CONTAINER(transport, struct websocket, transport);
}

static bool websocket_write(struct transport *transport, struct slice bytes) {
    return conn_write(websocket_of(transport)->conn, bytes);
}

static bool websocket_blocked(const struct transport *transport) {
    return conn_blocked(websocket_of(transport)->conn);
}

static void websocket_fetch(const struct transport *transport) {
    conn_fetch(websocket_of(transport)->conn);
}

static bool websocket_deflates(const struct transport *transport) {
    return conn_deflates(websocket_of(transport)->conn);
}

static void websocket_pause(struct transport *transport, bool paused) {
    conn_pause(websocket_of(transport)->conn, paused);
}

static void websocket_close(struct transport *transport, uint16_t code, struct slice reason) {
    struct conn *conn = websocket_of(transport)->conn;
    conn_pause(conn, false); /* so that the end of the peer is seen */
    conn_close(conn, code ? code : 1000, reason);
}

static const struct transport_ops websocket_ops = {
    .write = websocket_write,
    .blocked = websocket_blocked,
    .fetch = websocket_fetch,
    .deflates = websocket_deflates,
    .pause = websocket_pause,
    .close = websocket_close,
};

static void on_message(void *owner, struct slice message, bool binary) {
    struct transport *transport = owner;
    if (transport->session) session_message(transport->session, transport, message, binary);
}

static void on_pong(void *owner) {
    struct transport *transport = owner;
    if (transport->session && transport->session->kind == SESSION_PLAIN) session_pong(transport->session);
}

static void on_drained(void *owner) {
    struct transport *transport = owner;
    if (transport->session) session_drained(transport->session, transport);
}

static void websocket_free(struct websocket *websocket) {
    free(websocket->session_id);
    free(websocket);
}

static void on_closed(void *owner, uint16_t code) {
    struct transport *transport = owner;
    if (transport->session) session_gone(transport->session, transport, code);
    websocket_free(websocket_of(transport));
}

static const struct conn_events websocket_events = {
    .message = on_message,
    .pong = on_pong,
    .drained = on_drained,
    .closed = on_closed,
};

static struct websocket *websocket_new(struct hub *hub, struct http_upgrade *upgrade_r) {
    struct websocket *websocket = NEW(struct websocket);
    websocket->transport.ops = &websocket_ops;
    websocket->hub = hub;
    *upgrade_r = (struct http_upgrade){.events = &websocket_events, .owner = &websocket->transport};
    return websocket;
}

void websocket_accept(struct hub *hub, enum session_kind kind, struct handshake *handshake,
                      struct http_upgrade *upgrade_r) {
    struct websocket *websocket = websocket_new(hub, upgrade_r);
    websocket->kind = kind;
    websocket->handshake = handshake;
}

void websocket_accept_probe(struct hub *hub, struct slice session_id, struct http_upgrade *upgrade_r) {
    struct websocket *websocket = websocket_new(hub, upgrade_r);
    websocket->session_id = memory_copy(session_id.ptr, ID_SESSION_LEN);
}

void hub_opened(void *upgrade_owner, struct conn *conn) {
    struct websocket *websocket = websocket_of(upgrade_owner);
    websocket->conn = conn;
    if (websocket->handshake) {
        session_flush(session_open(websocket->hub, websocket->kind, &websocket->transport, websocket->handshake));
        return;
    }
    struct session *session = map_find(websocket->hub->sessions, slice_of(websocket->session_id));
    if (!session || !session_probe(session, &websocket->transport)) conn_close(conn, 1000, SLICE_NONE);
}

void hub_upgrade_failed(void *upgrade_owner) {
    struct websocket *websocket = websocket_of(upgrade_owner);
    handshake_unref(&websocket->handshake);
    websocket_free(websocket);
}
