/* SPDX-License-Identifier: Apache-2.0 */
#include "session/session.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/ids.h"
#include "base/metrics.h"
#include "session/backlog.h"
#include "session/dispatch.h"
#include "session/flood.h"
#include "session/packet_assembly.h"
#include "session/script_connection.h"
#include "session/seating.h"
#include "session/session_internal.h"
#include "session/upgrade.h"
#include "wire/engineio.h"

enum session_input { INPUT_PACKET, INPUT_PONG, INPUT_DRAINED, INPUT_BROKEN, INPUT_DUE };
struct session_news {
    enum session_input input;
    const struct engineio_packet *packet; /* PACKET */
    enum session_deadline deadline;       /* DUE */
};

static void session_step(struct session *session, const struct session_news *news);

static void session_set_state(struct session *session, enum session_state state) {
    static const char *const names[] = {"open", "closing", "gone"};
    LOG(LOG_DEBUG, "session.state", LOG_TEXT("from", names[session->state]), LOG_TEXT("to", names[state]));
    session->state = state;
}

/* Deadlines. */

void session_expire_in(struct session *session, uint64_t delay_ms) {
    session->timing.expires_ms = loop_now_ms(session->hub->loop) + delay_ms;
    session_deadline_set(session, DEADLINE_EXPIRES, delay_ms);
}

static void expire(struct session *session) {
    uint64_t now = loop_now_ms(session->hub->loop), end_ms = session->timing.expires_ms;
    if (end_ms > now)
        session_deadline_set(session, DEADLINE_EXPIRES, end_ms - now);
    else
        session_close(session, CLOSE_EXPIRED);
}

static void timer_fired(struct loop_timer *timer) {
    struct session *session = CONTAINER(timer, struct session, timing.timer);
    enum session_deadline deadline = DEADLINE_PING;
    while (timing_take_due(&session->timing, &deadline))
        session_step(session, &(struct session_news){.input = INPUT_DUE, .deadline = deadline++});
    timing_arm(&session->timing);
}

/* Heartbeat: the server pings on schedule, independent of other traffic; only a pong counts. Any input before the pong
 * extends its timeout once: the pong may be queued behind something large. */

/* True: all events emitted to its sockets so far are queued. The pong to a ping queued now confirms them. */
static bool is_settled(const struct session *session) {
    LIST_EACH(&session->sockets, link) {
        const struct socket *socket = CONTAINER(link, struct socket, link);
        if (socket->connecting || socket->delivery.holding || socket->delivery.lagging) return false;
    }
    return true;
}

static void heartbeat_ping(struct session *session) {
    struct hub *hub = session->hub;
    session->heartbeat = HEARTBEAT_QUEUED;
    session->timing.ping_offset = is_settled(session) ? rooms_offset(hub->rooms) : 0;
    if (session_has_packets(session)) session_push(session, hub->shared.ping);
    flush_soon(session);
}

static void heartbeat_await_pong(struct session *session) {
    session->heartbeat = HEARTBEAT_SENT;
    if (!session->paused) session_deadline_set(session, DEADLINE_PONG, session->timing.ping_timeout_ms);
}

static void heartbeat_extend(struct session *session) {
    heartbeat_await_pong(session);
    session->heartbeat = HEARTBEAT_EXTENDED;
}

/* Ignores harmless input without meaning, unless it is repeated too often. */
static void pass_over(struct session *session, const char *what) {
    metric_add_labelled(METRIC_REJECTED, what, 1);
    flood_violation(session);
}

static void heartbeat_pong(struct session *session) {
    if (session->heartbeat == HEARTBEAT_RESTING) {
        pass_over(session, "pong");
        return;
    }
    session->heartbeat = HEARTBEAT_RESTING;
    session->violations = 0;
    session_deadline_clear(session, DEADLINE_PONG);
    session_deadline_set(session, DEADLINE_PING, session->timing.ping_interval_ms);
    outbox_queue_rest(&session->outbox.queue);
    LIST_EACH(&session->sockets, link) {
        struct record *record = &CONTAINER(link, struct socket, link)->record;
        if (session->timing.ping_offset > record->known_offset) record->known_offset = session->timing.ping_offset;
    }
}

void session_pause(struct session *session, uint8_t why, bool paused) {
    uint8_t before = session->paused;
    session->paused = paused ? before | why : before & ~why;
    if (!session->paused == !before || !session->transport) return;
    session->transport->ops->pause(session->transport, session->paused);
    if (session->heartbeat < HEARTBEAT_SENT) return;
    if (session->paused)
        session_deadline_clear(session, DEADLINE_PONG);
    else
        session_deadline_set(session, DEADLINE_PONG, session->timing.ping_timeout_ms);
}

/* Output. */

/* At once, even if packets are unsent. */
static void close_transport(struct session *session) {
    struct slice reason = SLICE_NONE;
    uint16_t code = session_is_scripts(session) ? script_connection_said(session, &reason) : 1000;
    session->transport->ops->close(session->transport, code, reason);
}

static enum packet_form form_for(const struct session *session, const struct transport *transport) {
    if (transport->ops->polling) return PACKET_POLL;
    bool deflated = transport->ops->deflates(transport);
    if (session->kind == SESSION_PLAIN) return deflated ? PACKET_PLAIN_DEFLATED : PACKET_PLAIN;
    if (session->kind == SESSION_RAW) return deflated ? PACKET_RAW_DEFLATED : PACKET_RAW;
    if (transport->base64) return PACKET_FRAME_BASE64;
    return deflated ? PACKET_FRAME_DEFLATED : PACKET_FRAME;
}

static void take_transport(struct session *session, struct transport *transport) {
    session->transport = transport;
    seating_moved(session);
    session->form = form_for(session, transport);
}

void session_push(struct session *session, struct packet *packet) {
    if (session->state != SESSION_OPEN) return;
    switch (outbox_push(&session->outbox, packet, session->hub->settings.outbox_bytes)) {
        case OUTBOX_QUEUED:
        case OUTBOX_SHED:
            flush_soon(session);
            return;
        case OUTBOX_NO_ROOM: /* only for a socket's message: socket.c checks before */
        case OUTBOX_OVERFLOW:
            session_doom(session, CLOSE_SLOW);
            return;
    }
}

void session_doom(struct session *session, enum close_reason reason) {
    if (session->state != SESSION_OPEN || session->flush.doom >= 0) return;
    session->flush.doom = (int16_t)reason;
    flush_soon(session);
}

static void slow_no_more(struct session *session) {
    if (!session->flush.slow) return;
    session->flush.slow = false;
    backlog_release(session);
    session_deadline_clear(session, DEADLINE_SLOW);
}

/* After a flush, sets the deadlines of a slow client and of the ping by what is still queued. */
static void session_settle(struct session *session, bool wrote) {
    struct transport *transport = session->transport;
    bool polling = session->form == PACKET_POLL;
    bool stuck = session->outbox.queue.len > 0 || (!polling && transport->ops->blocked(transport));
    if (!stuck) {
        slow_no_more(session);
    } else if (wrote || !session->flush.slow) {
        session->flush.slow = true;
        session_deadline_set(session, DEADLINE_SLOW, session->hub->settings.slow_close_ms);
    }
    if (session->flush.slow) backlog_charge(session);
    if (session->heartbeat != HEARTBEAT_QUEUED || (stuck && !polling)) return;
    if (!session_has_packets(session)) {
        transport->ops->write(transport, buffer_slice(&session->hub->shared.plain_ping));
    }
    heartbeat_await_pong(session);
}

static void session_catch_up(struct session *session) {
    if (!session->lagging || session->outbox.queue.bytes > session->hub->settings.outbox_bytes / 2) return;
    session->lagging = false;
    LIST_EACH(&session->sockets, link) {
        struct socket *socket = CONTAINER(link, struct socket, link);
        if (socket->delivery.lagging && !socket_catch_up(socket)) {
            session_close(session, CLOSE_SLOW);
            return;
        }
    }
}

void session_flush(struct session *session) {
    flush_forget(session);
    if (session->state == SESSION_GONE || !session->transport) return;
    if (session->flush.doom >= 0 && session->state == SESSION_OPEN) {
        session_close(session, (enum close_reason)session->flush.doom);
        return;
    }
    bool wrote = outbox_flush(&session->outbox, session->transport, session->form, &session->hub->scratch.gathering);
    if (session->state == SESSION_CLOSING) {
        if (session->outbox.queue.len == 0) close_transport(session);
        return;
    }
    session_settle(session, wrote);
    session_catch_up(session);
}

void session_move(struct session *session, struct transport *to) {
    struct transport *from = session->transport;
    take_transport(session, to);
    slow_no_more(session);
    from->session = NULL;
    from->ops->close(from, 0, SLICE_NONE);
    if (session->paused) to->ops->pause(to, true);
    flush_soon(session);
}

/* Input. */

static void engine_packet(struct session *session, const struct engineio_packet *packet) {
    if (session->heartbeat == HEARTBEAT_SENT && packet->type != ENGINEIO_PONG) heartbeat_extend(session);
    switch (packet->type) {
        case ENGINEIO_MESSAGE:
            if (session->kind == SESSION_ENGINE)
                packet_assembly_message(session, packet->body, packet->binary);
            else
                packet_assembly_socketio(session, packet->body, packet->binary);
            return;
        case ENGINEIO_PONG:
            heartbeat_pong(session);
            return;
        case ENGINEIO_CLOSE:
            session_close(session, CLOSE_CLIENT_GONE);
            return;
        case ENGINEIO_PING: /* only servers send it */
            session_reject(session, CLOSE_TRANSPORT_ERROR);
            return;
        case ENGINEIO_OPEN:
        case ENGINEIO_UPGRADE:
        case ENGINEIO_NOOP: /* the Swift client sends it during an upgrade */
            pass_over(session, "packet");
            return;
    }
}

static void deadline_passed(struct session *session, enum session_deadline deadline) {
    switch (deadline) {
        case DEADLINE_PING:
            heartbeat_ping(session);
            return;
        case DEADLINE_PONG:
            session_close(session, CLOSE_PING_TIMEOUT);
            return;
        case DEADLINE_CONNECT:
            session_reject(session, CLOSE_CONNECT_TIMEOUT);
            return;
        case DEADLINE_ATTACHMENT:
            session_reject(session, CLOSE_PARSE_ERROR);
            return;
        case DEADLINE_SLOW:
            session_close(session, CLOSE_SLOW);
            return;
        case DEADLINE_UPGRADE:
            upgrade_end(session);
            return;
        case DEADLINE_NOOP:
            upgrade_release_poll(session);
            return;
        case DEADLINE_EXPIRES:
            expire(session);
            return;
        case DEADLINE_CALM:
            flood_calm(session);
            return;
        case DEADLINE_LINGER:
        case DEADLINES:
            return;
    }
}

static void step_open(struct session *session, const struct session_news *news) {
    switch (news->input) {
        case INPUT_PACKET:
            engine_packet(session, news->packet);
            return;
        case INPUT_PONG:
            heartbeat_pong(session);
            return;
        case INPUT_DRAINED:
            slow_no_more(session);
            session_flush(session);
            if (session->upgrade == UPGRADE_PROBED) session_deadline_set(session, DEADLINE_NOOP, SESSION_NOOP_MS);
            return;
        case INPUT_BROKEN:
            session_close(session, CLOSE_TRANSPORT_ERROR);
            return;
        case INPUT_DUE:
            deadline_passed(session, news->deadline);
            return;
    }
}

static void session_step(struct session *session, const struct session_news *news) {
    switch (session->state) {
        case SESSION_OPEN:
            step_open(session, news);
            return;
        case SESSION_CLOSING:
            if (!session->transport) return;
            if (news->input == INPUT_DRAINED)
                session_flush(session);
            else if (news->input == INPUT_DUE)
                close_transport(session);
            return;
        case SESSION_GONE:
            return;
    }
}

void session_message(struct session *session, struct transport *from, struct slice message, bool binary) {
    if (session->state != SESSION_OPEN) return;
    if (from == session->probe) {
        upgrade_heard(session, message, binary);
    } else if (session->kind == SESSION_PLAIN) {
        packet_assembly_plain(session, message, binary);
    } else if (session->kind == SESSION_RAW) {
        packet_assembly_message(session, message, binary);
    } else {
        struct engineio_packet packet;
        struct buffer bytes = {0};
        if (engineio_decode(message, binary, &bytes, &packet))
            session_packet(session, &packet);
        else
            session_reject(session, CLOSE_PARSE_ERROR);
        buffer_done(&bytes);
    }
}

void session_packet(struct session *session, const struct engineio_packet *packet) {
    session_step(session, &(struct session_news){.input = INPUT_PACKET, .packet = packet});
}

void session_pong(struct session *session) {
    session_step(session, &(struct session_news){.input = INPUT_PONG});
}

void session_drained(struct session *session, struct transport *from) {
    if (from == session->transport) session_step(session, &(struct session_news){.input = INPUT_DRAINED});
}

void session_broken(struct session *session) {
    session_step(session, &(struct session_news){.input = INPUT_BROKEN});
}

void session_gone(struct session *session, struct transport *from, uint16_t code, struct slice reason) {
    if (from == session->probe) upgrade_gone(session);
    if (from != session->transport) return;
    session->transport = NULL;
    if (session->state == SESSION_OPEN)
        session_close_saying(session, code == 1009 ? CLOSE_TOO_LARGE : CLOSE_CLIENT_GONE, code, reason);
    timing_clear_all(&session->timing);
    if (session->state != SESSION_GONE) {
        session_set_state(session, SESSION_GONE);
        hub_bury_session(session);
    }
}

/* The beginning and the end. */

static void pump_run(struct loop_task *task) {
    dispatch_pump(CONTAINER(task, struct session, dispatch.pump));
}

static void push_open_packet(struct session *session) {
    struct hub *hub = session->hub;
    struct buffer *text = &hub->scratch.text;
    buffer_clear(text);
    engineio_write_open(text, &(struct engineio_open){
                                  .sid = slice_of(session->id),
                                  .upgrade_to_websocket = session->transport->ops->polling && hub->settings.websocket,
                                  .ping_interval_ms = session->timing.ping_interval_ms,
                                  .ping_timeout_ms = session->timing.ping_timeout_ms,
                                  .max_payload_bytes = hub->settings.max_payload_bytes,
                              });
    struct packet *packet = packet_new_engine(buffer_slice(text));
    session_push(session, packet);
    packet_unref(&packet);
}

static void begin_script(struct session *session) {
    const char *path = session->handshake->endpoint_path;
    const struct hub_endpoint *endpoint =
        script_endpoints_find(&session->hub->http.endpoints, path, session->kind == SESSION_RAW);
    size_t own = endpoint ? endpoint->max_message_bytes : 0;
    session->script = script_connection_new(session, own ? own : session->hub->settings.max_payload_bytes);
    if (endpoint && endpoint->ping_interval_ms) session->timing.ping_interval_ms = endpoint->ping_interval_ms;
    if (endpoint && endpoint->ping_timeout_ms) session->timing.ping_timeout_ms = endpoint->ping_timeout_ms;
}

struct session *session_open(struct hub *hub, enum session_kind kind, struct transport *transport,
                             struct handshake *handshake) {
    struct session *session = NEW(struct session);
    session->hub = hub;
    session->kind = kind;
    session->flush.doom = -1;
    take_transport(session, transport);
    session->handshake = handshake;
    transport->session = session;
    memcpy(session->id, hub->node, ID_OWNER_LEN);
    id_random(session->id + ID_OWNER_LEN, ID_SECRET_LEN);
    list_init(&session->sockets);
    list_init(&session->flush.link);
    inbox_init(&session->dispatch.inbox);
    loop_task_init(&session->dispatch.pump, pump_run);
    loop_timer_init(&session->timing.timer, hub->loop, timer_fired);
    session->timing.ping_interval_ms = hub->settings.ping_interval_ms;
    session->timing.ping_timeout_ms = hub->settings.ping_timeout_ms;
    session->timing.opened_ms = loop_now_ms(hub->loop);
    map_put(hub->sessions, slice_of(session->id), session);
    hub->sessions_open++;
    metric_add(METRIC_SESSIONS, 1);
    if (session_is_scripts(session))
        begin_script(session);
    else
        session_deadline_set(session, DEADLINE_CONNECT, hub->settings.connect_timeout_ms);
    session_deadline_set(session, DEADLINE_PING, session->timing.ping_interval_ms);
    if (session_has_packets(session)) push_open_packet(session);
    return session;
}

void session_begin(struct session *session) {
    if (session_is_scripts(session)) dispatch(session, &(struct arrival){.kind = ARRIVAL_OPEN});
    session_flush(session);
}

static void log_close(const struct session *session, enum close_reason reason) {
    char who[400]; /* ids of a socket and a user, an address */
    const struct socket *socket =
        list_empty(&session->sockets) ? NULL : CONTAINER(session->sockets.next, struct socket, link);
    snprintf(who, sizeof who, "%s/%s@%s", socket ? socket->id : "-",
             socket && socket->user.of ? socket->user.of->id : "-", session->handshake->address);
    metric_add_labelled(METRIC_CLOSED, close_reason_name(reason), 1);
    LOG(close_reason_level(reason), "session.close", LOG_TEXT("who", who),
        LOG_TEXT("reason", close_reason_name(reason)),
        LOG_NUMBER("age_s", (loop_now_ms(session->hub->loop) - session->timing.opened_ms) / 1000),
        LOG_NUMBER("queued_bytes", session->outbox.queue.bytes));
}

/* Messages sent before a script closed the session leave first, if possible. */
static void close_websocket(struct session *session, enum close_reason reason, uint16_t code, struct slice text) {
    bool waits = session_is_scripts(session) && reason == CLOSE_SERVER_DISCONNECT && session->outbox.queue.len > 0;
    if (waits)
        session_deadline_set(session, DEADLINE_LINGER, session->hub->settings.slow_close_ms);
    else
        session->transport->ops->close(session->transport, code, text);
}

/* A polling client gets its last packets with its next poll, unless it broke the protocol. */
static void close_polling(struct session *session, enum close_reason reason) {
    if (reason != CLOSE_CLIENT_GONE && !close_reason_returns(reason))
        outbox_push_always(&session->outbox, session->hub->shared.close);
    outbox_flush(&session->outbox, session->transport, PACKET_POLL, &session->hub->scratch.gathering);
    if (session->outbox.queue.len > 0 && close_reason_lingers(reason))
        session_deadline_set(session, DEADLINE_LINGER, SESSION_LINGER_MS);
    else
        session->transport->ops->close(session->transport, close_reason_code(reason), SLICE_NONE);
}

/* The session no longer counts as a connection of its user. */
static void unclaim(struct session *session) {
    struct hub *hub = session->hub;
    if (!session->claimed) return;
    if (hub->user_events) hub->user_events->left(hub->user_events_owner, slice_of(session->claimed->id));
    hub_unref_user(hub, &session->claimed);
}

/* A client without Socket.IO reads this name in the Close frame. */
void session_close(struct session *session, enum close_reason reason) {
    char text[64];
    if (session->state != SESSION_OPEN) return;
    if (reason == CLOSE_SHUTTING_DOWN || reason == CLOSE_OVERLOAD) {
        char random[3];
        id_random(random, 2);
        unsigned spread = (unsigned char)random[0] * 61u + (unsigned char)random[1];
        snprintf(text, sizeof text, "{\"retryAfterMs\":%u}", 500 + spread % 4500);
    } else {
        snprintf(text, sizeof text, "%s", close_reason_name(reason));
    }
    session_close_saying(session, reason, close_reason_code(reason), slice_of(text));
}

void session_close_saying(struct session *session, enum close_reason reason, uint16_t code, struct slice text) {
    if (session->state != SESSION_OPEN) return;
    log_close(session, reason);
    if (session->transport && !session->transport->ops->polling && reason != CLOSE_SLOW) {
        outbox_flush(&session->outbox, session->transport, session->form, &session->hub->scratch.gathering);
    }
    session_set_state(session, SESSION_CLOSING);
    session->hub->sessions_open--;
    metric_add(METRIC_SESSIONS, -1);
    timing_clear_all(&session->timing);
    upgrade_end(session);
    dispatch_forget(session);
    loop_task_cancel(&session->dispatch.pump);
    inbox_done(&session->dispatch.inbox);
    if (session_is_scripts(session))
        script_connection_end(session, code, text);
    else
        packet_assembly_free(&session->assembly);
    while (!list_empty(&session->sockets)) {
        struct socket *socket = CONTAINER(session->sockets.next, struct socket, link);
        socket_part(socket, close_reason_name(reason), close_reason_recoverable(reason));
    }
    unclaim(session);
    slow_no_more(session);
    if (reason == CLOSE_SLOW) outbox_done(&session->outbox); /* the packets that the client did not read */
    if (session->transport && session->transport->ops->polling)
        close_polling(session, reason);
    else if (session->transport)
        close_websocket(session, reason, code, text);
}

void session_reject(struct session *session, enum close_reason reason) {
    if (session->state != SESSION_OPEN) return;
    metric_add_labelled(METRIC_REJECTED, close_reason_name(reason), 1);
    session_close(session, reason);
}

void session_free(struct session *session) {
    map_remove(session->hub->sessions, slice_of(session->id));
    list_remove(&session->flush.link);
    outbox_done(&session->outbox);
    if (session_is_scripts(session)) script_connection_free(&session->script);
    handshake_unref(&session->handshake);
    free(session);
}
