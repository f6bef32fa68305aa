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
#include "net/http_exchange.h"
#include "wire/utf8.h"

enum {
    CODE_NONE = 1005,
    CODE_ABNORMAL = 1006,
    CODE_PROTOCOL = 1002,
    CODE_POLICY = 1008,
    CODE_TRY_LATER = 1013,
    CODE_END = 5000
};
enum { PONGS_A_SECOND = 200, OFFER_MAX = 256, REASON_MAX = 123 };
_Static_assert(PONGS_A_SECOND < UINT8_MAX, "conn.pongs");

/* What libwebsockets repeats to a client that offers it. */
enum { OPTION_CLIENT_RESETS, OPTION_SERVER_RESETS };
static const struct lws_ext_options deflate_options[] = {
    [OPTION_CLIENT_RESETS] = {"client_no_context_takeover", EXTARG_NONE},
    [OPTION_SERVER_RESETS] = {"server_no_context_takeover", EXTARG_NONE},
    {NULL, EXTARG_NONE},
};

/* Negotiates, and lets all payloads pass as they are: inbound.c inflates, our own frames come compressed. */
static int deflate_callback(struct lws_context *context, const struct lws_extension *extension, struct lws *wsi,
                            enum lws_extension_callback_reasons reason, void *user, void *in, size_t len) {
    struct conn *conn = lws_get_opaque_user_data(wsi);
    const struct lws_ext_option_arg *option = in;
    if (reason == LWS_EXT_CB_CONSTRUCT) *(const struct lws_ext_options **)in = deflate_options;
    if (reason == LWS_EXT_CB_OPTION_SET && option->option_index == OPTION_CLIENT_RESETS && conn)
        conn->inbound.resets = true;
    return 0;
}

const struct lws_extension websocket_extensions[] = {{"permessage-deflate", deflate_callback, NULL},
                                                     {NULL, NULL, NULL}};

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
static void close_now(struct conn *conn) {
    if (!conn->wsi || conn->closing || conn->blocked) return;
    conn->closing = true;
    conn->closed_code = conn->close_code;
    lws_close_reason(conn->wsi, (enum lws_close_status)conn->close_code, (unsigned char *)conn->close_reason,
                     conn->close_reason ? strlen(conn->close_reason) : 0);
    conn_kill(conn);
}

static void task_run(struct loop_task *task) {
    struct conn *conn = CONTAINER(task, struct conn, task);
    if (conn->close_code)
        close_now(conn);
    else if (conn->wsi && !conn->blocked && !conn->closing)
        conn->events->drained(conn->owner);
}

void websocket_init(struct conn *conn) {
    loop_task_init(&conn->task, task_run);
}

/* Only changes are told: each costs libuv a walk and a system call. While a partial write waits reading rests too, for
 * libwebsockets 4.1.6 cuts a peer whose close frame it reads then. */
static void set_reading(struct conn *conn) {
    bool rests = (conn->paused && !conn->close_code) || conn->blocked;
    if (!conn->wsi || conn->closing || conn->reading_rests == rests) return;
    conn->reading_rests = rests;
    lws_rx_flow_control(conn->wsi, !rests);
    if (!rests) conn->write_wanted = true; /* libwebsockets asks for it, to go on with what it has read */
    loop_uv_wake(conn->host->server->loop);
}

/* RFC 7692, section 7.1.2.2. */
static bool client_windows_legal(const char *offer) {
    static const char name[] = "client_max_window_bits";
    while ((offer = strstr(offer, name))) {
        offer += sizeof name - 1;
        if (*offer != '=') continue;
        long bits = strtol(offer + 1, NULL, 10);
        if (bits < 8 || bits > 15) return false;
    }
    return true;
}

/* A client that asks for a smaller window of ours could not read frames that are compressed for all. */
static int confirm_extension(struct conn *conn) {
    char offer[OFFER_MAX];
    bool refused = lws_hdr_copy(conn->wsi, offer, sizeof offer, WSI_TOKEN_EXTENSIONS) < 0 ||
                   strstr(offer, "server_max_window_bits") != NULL || !client_windows_legal(offer);
    conn->deflates = !refused;
    return refused;
}

/* What the owner writes at once goes in one packet with the answer to the handshake. */
static int established(struct conn *conn) {
    conn->upgraded = true;
    loop_timer_cancel(&conn->deadline);
    conn->host->server->events.http.opened(conn->owner, conn);
    if (conn->fd >= 0) socket_cork(conn, false);
    return 0;
}

static void refuse_message(struct conn *conn, unsigned code) {
    net_reject(conn, code == 1009 ? "message_too_large" : code == CODE_PROTOCOL ? "frame" : "message_data");
    conn_close(conn, (uint16_t)code, SLICE_NONE);
}

static void receive(struct conn *conn, struct slice bytes) {
    if (conn->closing || conn->close_code) return;
    struct inbound_piece piece = {
        .bytes = bytes,
        .binary = lws_frame_is_binary(conn->wsi),
        .compressed = lws_get_reserved_bits(conn->wsi) != 0,
        .left = lws_remaining_packet_payload(conn->wsi),
        .final = lws_is_final_fragment(conn->wsi),
    };
    struct slice message;
    unsigned code = inbound_add(&conn->inbound, &piece, conn->host->max_message_bytes, &message);
    if (code) {
        refuse_message(conn, code);
    } else if (message.ptr) {
        conn->events->message(conn->owner, message, conn->inbound.binary);
        inbound_next(&conn->inbound);
    }
    conn_hold(conn, message.ptr ? 0 : inbound_waiting(&conn->inbound) + piece.left);
}

void websocket_cut(struct conn *conn) {
    inbound_done(&conn->inbound);
    net_reject(conn, "inbound_budget");
    conn_close(conn, CODE_TRY_LATER, SLICE_NONE);
}

/* Libwebsockets answers pings itself and tells nobody, but for a writeable callback that nobody asked for. */
static void count_pong(struct conn *conn) {
    uint32_t now_ms = (uint32_t)loop_now_ms(conn->host->server->loop);
    if (now_ms - conn->pongs_since_ms >= 1000) {
        conn->pongs_since_ms = now_ms;
        conn->pongs = 0;
    }
    if (++conn->pongs <= PONGS_A_SECOND || conn->close_code) return;
    net_reject(conn, "ping_flood");
    conn_close(conn, CODE_POLICY, SLICE_NONE);
}

static void writeable(struct conn *conn) {
    bool was_blocked = conn->blocked;
    if (conn->closing) return;
    conn->blocked = lws_partial_buffered(conn->wsi);
    if (conn->blocked) return;
    if (!was_blocked && !conn->write_wanted) count_pong(conn);
    conn->write_wanted = false;
    set_reading(conn);
    if (conn->close_code)
        loop_flush(conn->host->server->loop, &conn->task);
    else if (was_blocked) /* what the peer has sent meanwhile is read first */
        loop_post(conn->host->server->loop, &conn->task);
}

/* -1: libwebsockets sends what we set instead of the echo. It checks most codes; the rest is ours. */
static int peer_closes(struct conn *conn, const unsigned char *payload, size_t len) {
    struct slice reason = {(const char *)payload + 2, len > 2 ? len - 2 : 0};
    conn->closing = true;
    if (!conn->closed_code) conn->closed_code = len >= 2 ? (uint16_t)(payload[0] << 8 | payload[1]) : CODE_NONE;
    if (len != 1 && conn->closed_code < CODE_END && utf8_valid(reason)) return 0;
    net_reject(conn, "frame");
    lws_close_reason(conn->wsi, LWS_CLOSE_STATUS_PROTOCOL_ERR, NULL, 0);
    return -1;
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
            return peer_closes(conn, in, len);
        default: /* CLOSED */
            conn_gone(conn);
            return 0;
    }
}

void websocket_gone(struct conn *conn) {
    loop_task_cancel(&conn->task);
    inbound_done(&conn->inbound);
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
        set_reading(conn);
        loop_uv_wake(conn->host->server->loop);
    }
    return !conn->blocked;
}

void conn_fetch(const struct conn *conn) {
    enum { LWS_BYTES = 880, LINE = 64 }; /* what libwebsockets 4.1.6 has of a connection */
    for (int at = 0; conn->wsi && at < LWS_BYTES; at += LINE) __builtin_prefetch((const char *)conn->wsi + at);
}

bool conn_blocked(const struct conn *conn) {
    return conn->blocked;
}

bool conn_deflates(const struct conn *conn) {
    return conn->deflates;
}

void conn_pause(struct conn *conn, bool paused) {
    conn->paused = paused;
    set_reading(conn);
}

void conn_close(struct conn *conn, uint16_t code, struct slice reason) {
    if (conn->close_code || conn->closing) return;
    conn->close_code = code;
    if (reason.len > 0) conn->close_reason = memory_copy(reason.ptr, reason.len < REASON_MAX ? reason.len : REASON_MAX);
    loop_timer_set(&conn->deadline, CONN_CLOSE_MS);
    set_reading(conn); /* the peer's close frame must be read */
    loop_task_cancel(&conn->task);
    loop_flush(conn->host->server->loop, &conn->task);
}
