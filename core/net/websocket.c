/* WebSocket over libwebsockets: it does the handshake, TLS, parsing, ping/pong and close; what goes out are prebuilt
 * frames, one LWS_WRITE_RAW a flush. The rules that make this safe (docs/transport.md) live here and nowhere else:
 *  1. whole frames only, never beside lws's own fragments or deflate;
 *  2. a partial write blocks the connection until SERVER_WRITEABLE (lws has copied the rest);
 *  3. once either side closes, nothing more is written;
 *  4. writes are capped, so that the copied rest is bounded;
 *  5. outside lws's callbacks, what is asked of lws needs a run of its loop (loop_uv_wake). */
#include <stdlib.h>

#include "base/log.h"
#include "base/metrics.h"
#include "net/net_state.h"

enum { FRAGMENTS_MAX = 4096, BYTES_A_FRAGMENT = 128, CODE_NONE = 1005, CODE_ABNORMAL = 1006, CODE_TOO_BIG = 1009 };

bool websocket_wants(enum lws_callback_reasons reason) {
    switch (reason) {
        case LWS_CALLBACK_CONFIRM_EXTENSION_OKAY:
        case LWS_CALLBACK_ESTABLISHED:
        case LWS_CALLBACK_RECEIVE:
        case LWS_CALLBACK_RECEIVE_PONG:
        case LWS_CALLBACK_SERVER_WRITEABLE:
        case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
        case LWS_CALLBACK_CLOSED:
            return true;
        default:
            return false;
    }
}

/* Outside lws's callbacks and with nothing of ours pending: lws sends the close frame and waits for the peer's.
 * (Closing by a callback's result would not do: this libwebsockets kills at once what its writeable callback wants
 * closed.) */
static void close_now(struct loop_task *task) {
    struct conn *conn = CONTAINER(task, struct conn, close_task);
    if (!conn->wsi || conn->closing || conn->blocked) return;
    conn->closing = true;
    conn->closed_code = conn->close_code;
    lws_close_reason(conn->wsi, (enum lws_close_status)conn->close_code, (unsigned char *)conn->close_reason,
                     strlen(conn->close_reason));
    conn_kill(conn);
}

void websocket_init(struct conn *conn) {
    loop_task_init(&conn->close_task, close_now);
}

/* A client that asks for a smaller window of ours could not read frames that are compressed for all. */
static int confirm_extension(struct conn *conn) {
    char offer[256];
    bool refused = lws_hdr_copy(conn->wsi, offer, sizeof offer, WSI_TOKEN_EXTENSIONS) < 0 ||
                   strstr(offer, "server_max_window_bits") != NULL;
    conn->deflates = !refused;
    return refused;
}

static int established(struct conn *conn) {
    conn->upgraded = true;
    loop_timer_cancel(&conn->deadline);
    conn->host->server->events.http.opened(conn->owner, conn);
    return 0;
}

static void whole(struct conn *conn, struct slice message) {
    conn->events->message(conn->owner, message, conn->binary);
    buffer_done(&conn->message);
    conn->fragments = 0;
}

/* lws hands out what a read brought: pieces of frames, to be put together. */
static void receive(struct conn *conn, struct slice piece) {
    if (conn->closing || conn->close_code) return;
    bool first = conn->fragments++ == 0;
    bool last = lws_is_final_fragment(conn->wsi) && !lws_remaining_packet_payload(conn->wsi);
    size_t max = conn->host->max_message_bytes;
    if (first) conn->binary = lws_frame_is_binary(conn->wsi);
    if (conn->message.len + piece.len > max || lws_remaining_packet_payload(conn->wsi) > max ||
        conn->fragments > FRAGMENTS_MAX + max / BYTES_A_FRAGMENT) {
        net_reject(conn, "message_too_large");
        conn_close(conn, CODE_TOO_BIG, SLICE_NONE);
        return;
    }
    if (!first || !last) buffer_append_slice(&conn->message, piece);
    if (last) whole(conn, first ? piece : buffer_slice(&conn->message));
}

static void writeable(struct conn *conn) {
    if (conn->closing) return;
    conn->blocked = lws_partial_buffered(conn->wsi);
    if (conn->blocked) return;
    if (conn->close_code)
        loop_flush(conn->host->server->loop, &conn->close_task);
    else
        conn->events->drained(conn->owner);
}

static void peer_closes(struct conn *conn, const unsigned char *payload, size_t len) {
    conn->closing = true;
    if (!conn->closed_code) conn->closed_code = len >= 2 ? (uint16_t)(payload[0] << 8 | payload[1]) : CODE_NONE;
}

int websocket_callback(struct conn *conn, enum lws_callback_reasons reason, void *in, size_t len) {
    switch (reason) {
        case LWS_CALLBACK_CONFIRM_EXTENSION_OKAY:
            return confirm_extension(conn);
        case LWS_CALLBACK_ESTABLISHED:
            return established(conn);
        case LWS_CALLBACK_RECEIVE:
            receive(conn, (struct slice){in, len});
            return 0;
        case LWS_CALLBACK_RECEIVE_PONG:
            if (conn->events->pong && !conn->closing) conn->events->pong(conn->owner);
            return 0;
        case LWS_CALLBACK_SERVER_WRITEABLE:
            writeable(conn);
            return 0;
        case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
            peer_closes(conn, in, len);
            return 0;
        default: /* CLOSED */
            conn_gone(conn);
            return 0;
    }
}

void websocket_gone(struct conn *conn) {
    loop_task_cancel(&conn->close_task);
    buffer_done(&conn->message);
    if (conn->upgraded)
        conn->events->closed(conn->owner, conn->closed_code ? conn->closed_code : CODE_ABNORMAL);
    else if (conn->accepted)
        conn->host->server->events.http.upgrade_failed(conn->owner);
    conn->upgraded = conn->accepted = false;
}

bool conn_write(struct conn *conn, struct slice frames) {
    if (conn->closing || conn->close_code || !conn->wsi) return true; /* nobody reads it any more */
    metric_add(METRIC_WRITES, 1);
    int written = lws_write(conn->wsi, (unsigned char *)frames.ptr, frames.len, LWS_WRITE_HTTP);
    if (written < 0) {
        conn->closing = true;
        loop_timer_set(&conn->deadline, 1);
        return true;
    }
    if (lws_partial_buffered(conn->wsi)) {
        conn->blocked = true;
        loop_uv_wake(conn->host->server->loop);
    }
    return !conn->blocked;
}

bool conn_blocked(const struct conn *conn) {
    return conn->blocked;
}

bool conn_deflates(const struct conn *conn) {
    return conn->deflates;
}

void conn_pause(struct conn *conn, bool paused) {
    if (conn->paused == paused || !conn->wsi) return;
    conn->paused = paused;
    lws_rx_flow_control(conn->wsi, !paused);
    loop_uv_wake(conn->host->server->loop);
}

void conn_close(struct conn *conn, uint16_t code, struct slice reason) {
    if (conn->close_code || conn->closing) return;
    conn->close_code = code;
    size_t len = reason.len < sizeof conn->close_reason ? reason.len : sizeof conn->close_reason - 1;
    if (len) memcpy(conn->close_reason, reason.ptr, len);
    conn->close_reason[len] = '\0';
    loop_timer_set(&conn->deadline, CONN_CLOSE_MS);
    conn_pause(conn, false); /* the peer's close frame must be read */
    loop_flush(conn->host->server->loop, &conn->close_task);
}

const char *conn_address(const struct conn *conn) {
    return conn->address;
}
