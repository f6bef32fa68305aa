/* SPDX-License-Identifier: Apache-2.0 */
/* A WebSocket on an accepted socket: frames in by wire/websocket_reader.h, prebuilt frames out. The rules
 * (docs/transport.md) live here and nowhere else:  1. a write holds whole frames; what the kernel does not take is
 * copied once, and nothing more is written until it
 *     has drained;
 *  2. from the moment our side begins to close no data frame is written; when the peer does, or errs, what answers
 *     its messages before that leaves first, within the turn; one Close frame, then TCP ends, ours first;
 *  3. while messages rest (paused, or blocked) control frames in front of them are still obeyed;
 *  4. the answer to the handshake leaves with what the owner says at once. */
#include "net/websocket.h"

#include <stdlib.h>

#include "base/fault.h"
#include "base/metrics.h"
#include "loop/loop_fd.h"
#include "net/conn_bytes.h"
#include "net/net_internal.h"
#include "wire/websocket_reader.h"
#include "wire/websocket_writer.h"

enum { PONGS_A_SECOND = 200, READS_A_TURN = 4, FRAMES_A_LOOK = 16 };

static struct loop *loop_of(const struct conn *conn) {
    return conn->host->server->loop;
}

/* ---- out */

/* True: a message comes next, but messages are not wanted now. */
static bool rests(const struct conn *conn, const char *at, const char *end) {
    enum { CONTROL_BIT = 8 };
    if ((!conn->paused && !conn->blocked && !conn->yields) || conn->closing.wanted) return false;
    return conn->in.reader.left > 0 || (at < end && !(*at & CONTROL_BIT));
}

/* The kept input begins with a message that must wait. */
static bool holds_message(const struct conn *conn) {
    struct slice unread = conn_unread(conn);
    return unread.len > 0 && rests(conn, unread.ptr, slice_end(unread));
}

static void watch(struct conn *conn) {
    if (conn->state != CONN_OPEN && conn->state != CONN_CLOSING) return;
    bool reads = !conn->closing.received && !holds_message(conn);
    loop_fd_set(conn->watch, (reads ? LOOP_READ : 0) | (conn->blocked ? LOOP_WRITE : 0));
}

/* Keeps the bytes that the kernel did not take. */
static void keep_unsent(struct conn *conn, struct slice rest) {
    buffer_append_slice(&conn_unfinished(conn)->unsent, rest);
    conn->blocked = true;
    conn_charge_unsent(conn);
    watch(conn);
}

/* Over TLS, each write takes one record. */
static bool write_all(struct conn *conn, struct slice *bytes) {
    while (bytes->len > 0) {
        ssize_t n = conn_bytes_write(conn, bytes->ptr, bytes->len);
        if (n < 0) conn_break(conn);
        if (n <= 0) return n == 0;
        *bytes = slice_from(*bytes, (size_t)n);
        if (!conn->ssl) break; /* what was not taken would not be */
    }
    return true;
}

static bool send_frames(struct conn *conn, struct slice frames) {
    metric_add(METRIC_WRITES, 1);
    if (conn->corked) { /* behind the answer to the handshake */
        struct buffer together = conn->unfinished->unsent;
        conn->unfinished->unsent = (struct buffer){0};
        conn->corked = false;
        buffer_append_slice(&together, frames);
        struct slice rest = buffer_slice(&together);
        if (write_all(conn, &rest) && rest.len > 0) keep_unsent(conn, rest);
        buffer_done(&together);
    } else if (write_all(conn, &frames) && frames.len > 0) {
        keep_unsent(conn, frames);
    }
    return !conn->blocked;
}

static void send_control(struct conn *conn, enum frame_opcode opcode, struct slice payload) {
    struct buffer frame = {0};
    websocket_writer_write(&frame, opcode, false, payload);
    send_frames(conn, buffer_slice(&frame));
    buffer_done(&frame);
}

/* True: our side began to close; later data frames are dropped. */
static bool closes(const struct conn *conn) {
    return conn->closing.wanted && !conn->closing.received;
}

bool websocket_write(struct conn *conn, struct slice frames) {
    if (conn->state != CONN_OPEN || closes(conn) || conn->closing.broken) return true;
    return send_frames(conn, frames);
}

void websocket_fetch(const struct conn *conn) {
    enum { LINE = 64 };
    __builtin_prefetch(conn);
    __builtin_prefetch((const char *)conn + LINE);
}

bool websocket_blocked(const struct conn *conn) {
    return conn->blocked;
}

bool websocket_deflates(const struct conn *conn) {
    return conn->deflates;
}

struct seat *websocket_seat(struct conn *conn) {
    return &conn->seat;
}

void websocket_rest(struct conn *conn) {
    conn_rest(conn);
}

/* ---- the end */

/* Both Close frames are exchanged, or ours is sent and the peer's is not awaited. */
static bool is_over(const struct conn *conn) {
    return conn->state == CONN_CLOSING && conn->closing.received && !conn->blocked && !conn->closing.broken;
}

/* Call only when nothing is unsent, and never within a call from the layer above. */
static void send_close(struct conn *conn) {
    conn->state = CONN_CLOSING;
    send_control(conn, FRAME_CLOSE, buffer_slice(&conn_unfinished(conn)->close));
    if (fault_planted("close_twice")) send_control(conn, FRAME_CLOSE, buffer_slice(&conn_unfinished(conn)->close));
    watch(conn);
    if (is_over(conn)) conn_end(conn);
}

/* payload: of our Close frame. */
static void want_close(struct conn *conn, struct slice payload) {
    conn->closing.wanted = true;
    buffer_append_slice(&conn_unfinished(conn)->close, payload);
    conn_set_deadline(conn, WEBSOCKET_CLOSE_MS);
    loop_task_cancel(&conn->task);
    loop_flush(loop_of(conn), &conn->task);
}

void websocket_close(struct conn *conn, uint16_t code, struct slice reason) {
    char payload[WEBSOCKET_CONTROL_MAX] = {(char)(code >> 8), (char)code};
    if (conn->state != CONN_OPEN || conn->closing.wanted) return;
    if (reason.len > WEBSOCKET_REASON_MAX) reason.len = WEBSOCKET_REASON_MAX;
    if (reason.len > 0) memcpy(payload + 2, reason.ptr, reason.len);
    conn->closing.code = code;
    want_close(conn, (struct slice){payload, 2 + reason.len});
}

/* RFC 6455, section 7.1.7: nothing more is read from the peer, not even a Close frame. */
static void fail(struct conn *conn, unsigned code, const char *reason) {
    net_reject(conn, reason);
    websocket_close(conn, (uint16_t)code, SLICE_NONE);
    conn->closing.received = true;
    if (is_over(conn)) conn_end(conn);
}

void websocket_cut(struct conn *conn) {
    inbound_done(&conn->in.inbound);
    net_reject(conn, "inbound_budget");
    websocket_close(conn, WEBSOCKET_TRY_LATER, SLICE_NONE);
}

/* Tells the owner, with the Close frame's code and reason. */
void websocket_displaced(struct conn *conn) {
    if (conn->state != CONN_OPEN || !conn->owner.events->displaced) return;
    conn->owner.events->displaced(conn->owner.of);
    if (conn->closing.wanted && !conn->blocked) send_close(conn);
}

/* Section 5.5.1: the answer repeats the peer's code. */
static void peer_closes(struct conn *conn, const struct websocket_found *found) {
    conn->closing.received = true;
    if (is_over(conn)) conn_end(conn);
    if (conn->closing.wanted) return; /* ours has left, or is about to */
    conn->closing.code = found->code;
    bool has_code = found->code != WEBSOCKET_NO_CODE;
    want_close(conn, has_code ? (struct slice){found->payload.ptr - 2, found->payload.len + 2} : SLICE_NONE);
}

void websocket_gone(struct conn *conn) {
    inbound_done(&conn->in.inbound);
    if (!conn->owner.events) return;
    const struct conn_events *events = conn->owner.events;
    struct slice said = conn->unfinished ? buffer_slice(&conn->unfinished->close) : SLICE_NONE;
    conn->owner.events = NULL;
    events->closed(conn->owner.of, conn->closing.code ? conn->closing.code : WEBSOCKET_ABNORMAL,
                   said.len > 2 ? slice_from(said, 2) : SLICE_NONE);
}

/* ---- in */

/* RFC 6455, section 5.5.3: while no pong can be written, answering the last ping is enough. */
static void answer_ping(struct conn *conn, struct slice payload) {
    uint32_t now_ms = (uint32_t)loop_now_ms(loop_of(conn));
    if (conn->closing.wanted) return;
    if (now_ms - conn->pings_since_ms >= 1000) {
        conn->pings_since_ms = now_ms;
        conn->pings = 0;
    }
    if (++conn->pings > PONGS_A_SECOND) {
        fail(conn, WEBSOCKET_POLICY, "ping_flood");
    } else if (conn->blocked) {
        struct unfinished *unfinished = conn_unfinished(conn);
        unfinished->has_pong = true;
        buffer_clear(&unfinished->pong);
        buffer_append_slice(&unfinished->pong, payload);
    } else {
        send_control(conn, FRAME_PONG, payload);
    }
}

static void add_piece(struct conn *conn, const struct websocket_found *piece) {
    struct slice message;
    loop_part(loop_of(conn), piece->compressed ? "inflate" : "message");
    if (conn->closing.wanted) return; /* the owner gets no more messages */
    size_t max_bytes = conn->owner.events->max_message_bytes ? conn->owner.events->max_message_bytes(conn->owner.of)
                                                             : conn->host->max_message_bytes;
    unsigned code = inbound_add(&conn->in.inbound, &conn->host->server->inflating, piece, max_bytes,
                                loop_now_ms(loop_of(conn)), &message);
    if (code)
        fail(conn, code, code == WEBSOCKET_TOO_LARGE ? "message_too_large" : "message_data");
    else if (message.ptr)
        conn->owner.events->message(conn->owner.of, message, piece->binary);
}

static void obey(struct conn *conn, enum websocket_event event, const struct websocket_found *found) {
    switch (event) {
        case WEBSOCKET_PIECE:
            add_piece(conn, found);
            break;
        case WEBSOCKET_PING:
            answer_ping(conn, found->payload);
            break;
        case WEBSOCKET_PONG:
            if (conn->owner.events->pong && !conn->closing.wanted) conn->owner.events->pong(conn->owner.of);
            break;
        case WEBSOCKET_CLOSE:
            peer_closes(conn, found);
            break;
        default:
            fail(conn, found->code, "frame");
            break;
    }
}

/* True: further input is discarded. */
static bool is_deaf(const struct conn *conn) {
    return conn->closing.received || conn->closing.broken || conn->state >= CONN_ENDED;
}

/* Other connections wait: its messages are delivered in the next turn. */
static void yield(struct conn *conn) {
    conn->yields = true;
    loop_post(loop_of(conn), &conn->task);
}

static size_t use(struct conn *conn, char *bytes, size_t len) {
    char *at = bytes, *end = bytes + len;
    for (unsigned frames = 1; !is_deaf(conn) && !rests(conn, at, end); frames++) {
        struct websocket_found found;
        enum websocket_event event = websocket_reader_read(&conn->in.reader, &at, end, &found);
        if (event == WEBSOCKET_MORE) break;
        obey(conn, event, &found);
        if (frames % FRAMES_A_LOOK == 0 && loop_overdue(loop_of(conn))) yield(conn);
    }
    return is_deaf(conn) ? len : (size_t)(at - bytes);
}

/* True: TLS has more. */
static bool read_once(struct conn *conn, bool more) {
    char *bytes;
    ssize_t n = conn_input(conn, more, &bytes);
    if (n < 0) conn_kill(conn);
    if (n <= 0) return false;
    size_t used = use(conn, bytes, (size_t)n);
    conn_used(conn, bytes, (size_t)n, used);
    conn_charge(conn);
    return conn->state < CONN_ENDED && conn_bytes_has_more(conn);
}

static void read_frames(struct conn *conn) {
    bool more = true;
    for (int i = 0; more && !conn->yields && !holds_message(conn) && i < READS_A_TURN; i++)
        more = read_once(conn, true);
    if (conn->state >= CONN_ENDED) return;
    if (more && !holds_message(conn)) loop_post(loop_of(conn), &conn->task); /* TLS holds bytes: no event comes */
    watch(conn);
    conn_settle(conn);
}

/* Messages are wanted again. */
static void go_on(struct conn *conn) {
    conn->yields = false;
    if (conn_unread(conn).len > 0) read_once(conn, false);
    if (conn->state < CONN_ENDED && conn_bytes_has_more(conn)) read_frames(conn);
    watch(conn);
    conn_settle(conn);
}

static void drain(struct conn *conn) {
    struct unfinished *unfinished = conn->unfinished;
    struct slice rest = buffer_slice(&unfinished->unsent);
    if (!write_all(conn, &rest)) return;
    buffer_consume(&unfinished->unsent, unfinished->unsent.len - rest.len);
    conn_charge_unsent(conn);
    if (rest.len > 0) return;
    buffer_done(&unfinished->unsent);
    conn->blocked = false;
    conn->drained = true;
    if (unfinished->has_pong) send_control(conn, FRAME_PONG, buffer_slice(&unfinished->pong));
    unfinished->has_pong = false;
    buffer_done(&unfinished->pong);
    watch(conn);
    loop_post(loop_of(conn), &conn->task); /* input that arrived meanwhile is read first */
}

/* Does the work that calls from above requested and that is now possible. */
void websocket_run(struct conn *conn) {
    if (conn->closing.broken) {
        conn_kill(conn);
        return;
    }
    if (conn->closing.wanted && conn->state == CONN_OPEN && !conn->blocked) send_close(conn);
    if (is_over(conn)) conn_end(conn);
    if (conn->state >= CONN_ENDED) return;
    if (conn->drained && !conn->blocked) {
        conn->drained = false;
        if (conn->state == CONN_OPEN && !conn->closing.wanted) conn->owner.events->drained(conn->owner.of);
    }
    go_on(conn);
}

void websocket_ready(struct conn *conn, int what) {
    if (what & LOOP_WRITE && conn->blocked) drain(conn);
    if (what & LOOP_READ) read_frames(conn);
}

void websocket_pause(struct conn *conn, bool paused) {
    if (conn->paused == paused || conn->state != CONN_OPEN) return;
    conn->paused = paused;
    if (!paused && conn_unread(conn).len > 0) loop_post(loop_of(conn), &conn->task);
}

void websocket_begin(struct conn *conn, bool may_compress, struct slice answer) {
    conn->state = CONN_OPEN;
    conn->in.reader.may_compress = may_compress;
    conn_cancel_deadline(conn);
    loop_task_cancel(&conn->task);
    buffer_append_slice(&conn_unfinished(conn)->unsent, answer);
    conn->corked = true;
    conn->host->server->events.http.opened(conn->owner.of, conn);
    if (conn->corked) send_frames(conn, SLICE_NONE);
    if (conn_unread(conn).len > 0 || conn_bytes_has_more(conn)) loop_post(loop_of(conn), &conn->task);
    watch(conn);
    conn_settle(conn);
}
