/* SPDX-License-Identifier: Apache-2.0 */
/* session.h - one client's connection over any transport: heartbeat, ending. For this folder only.
 *
 * Only session_step changes a session's state; transports and timers report to it. Clients' packets go to dispatch.c.
 */
#ifndef SESSION_SESSION_H
#define SESSION_SESSION_H

#include "base/ids.h"
#include "loop/loop.h"
#include "session/dispatch.h"
#include "session/flush.h"
#include "session/handshake.h"
#include "session/hub.h"
#include "session/outbox.h"
#include "session/policy_question.h"
#include "session/timing.h"
#include "session/transport.h"

/* ENGINE, RAW: endpoints of scripts. */
enum session_kind { SESSION_SOCKETIO, SESSION_PLAIN, SESSION_ENGINE, SESSION_RAW };
/* CLOSING: the transport is ending; input is ignored. GONE: freed at the end of the turn. */
enum session_state { SESSION_OPEN, SESSION_CLOSING, SESSION_GONE };
/* RESTING: the ping interval runs. QUEUED: the ping waits for the kernel to take it. SENT: waiting for the pong.
 * EXTENDED: the same, with the pong's timeout started once more. */
enum heartbeat { HEARTBEAT_RESTING, HEARTBEAT_QUEUED, HEARTBEAT_SENT, HEARTBEAT_EXTENDED };
enum upgrade { UPGRADE_NONE, UPGRADE_OPENED, UPGRADE_PROBED, UPGRADE_DONE };
enum { PAUSED_INBOX = 1, PAUSED_FLOOD = 2 };
enum { SESSION_LINGER_MS = 30000, SESSION_NOOP_MS = 100 };

struct engineio_packet;
struct packet_assembly;
struct script_connection;

struct session {
    struct hub *hub; /* a fan-out touches the fields from here to transport: they are close together */
    struct outbox outbox;
    struct flush_entry flush;
    enum session_state state : 8;
    enum session_kind kind : 8;
    enum upgrade upgrade : 8;
    enum heartbeat heartbeat : 8;
    bool let_in; /* false: its seat goes to a newcomer when all are taken */
    enum packet_form form : 8;
    uint16_t sockets_len;
    struct transport *transport; /* NULL: it is gone */
    struct transport *probe;     /* the WebSocket of an upgrade under way */
    struct handshake *handshake;
    struct list sockets;
    struct session_timing timing;
    struct dispatch_queue dispatch;
    struct hub_user *claimed; /* the user whose connection it counts as; NULL: none */
    uint64_t paid_ns;         /* when the cost of all its requests will be paid off (flood.h) */
    union {
        struct packet_assembly *assembly; /* SOCKETIO: a binary packet that lacks attachments */
        struct script_connection *script; /* ENGINE, RAW */
    };
    char id[ID_SESSION_LEN + 1]; /* its length and the next three fields add up to a multiple of 8 bytes */
    uint8_t paused;              /* PAUSED_… */
    uint8_t violations;          /* in a row */
    bool lagging;                /* one of its sockets is */
};

static inline bool session_is_scripts(const struct session *session) {
    return session->kind == SESSION_ENGINE || session->kind == SESSION_RAW;
}
/* True: messages are Engine.IO packets. False: messages are plain, and the heartbeat is WebSocket's. */
static inline bool session_has_packets(const struct session *session) {
    return session->kind == SESSION_SOCKETIO || session->kind == SESSION_ENGINE;
}

/* Takes the handshake's reference. The open packet is queued. */
struct session *session_open(struct hub *hub, enum session_kind kind, struct transport *transport,
                             struct handshake *handshake);
/* The transport is ready: scripts may be asked (so call this last), and queued packets are sent. */
void session_begin(struct session *session);
/* Begins the ending: sockets are detached or end, and the transport is closed. Nothing if it is ending already. */
void session_close(struct session *session, enum close_reason reason);
/* The same with a code and text of their own for the Close frame. */
void session_close_saying(struct session *session, enum close_reason reason, uint16_t code, struct slice text);
/* The same, counted as the client's fault (stoa_rejected_total). */
void session_reject(struct session *session, enum close_reason reason);
/* The same as session_close, at the end of the turn: for callers within a fan-out. */
void session_doom(struct session *session, enum close_reason reason);
void session_push(struct session *session, struct packet *packet);
void session_flush(struct session *session);
static inline void session_deadline_set(struct session *session, enum session_deadline deadline, uint64_t delay_ms) {
    timing_set(&session->timing, deadline, delay_ms);
}
/* The session is closed with CLOSE_EXPIRED after this delay. */
void session_expire_in(struct session *session, uint64_t delay_ms);
static inline void session_deadline_clear(struct session *session, enum session_deadline deadline) {
    timing_clear(&session->timing, deadline);
}
/* why: PAUSED_… */
void session_pause(struct session *session, uint8_t why, bool paused);
/* The session continues over another transport; the old one is closed. */
void session_move(struct session *session, struct transport *to);
/* Frees a session that is GONE; called by the hub. */
void session_free(struct session *session);

/* Calls by the transport. */

/* A whole WebSocket message. */
void session_message(struct session *session, struct transport *from, struct slice message, bool binary);
/* A decoded Engine.IO packet (polling). */
void session_packet(struct session *session, const struct engineio_packet *packet);
/* The peer answered a WebSocket ping. */
void session_pong(struct session *session);
void session_drained(struct session *session, struct transport *from);
/* The peer disconnected during an exchange: ends the session. */
void session_broken(struct session *session);
/* The transport's last call: the transport frees itself after it. code, reason: those of the Close frame. */
void session_gone(struct session *session, struct transport *from, uint16_t code, struct slice reason);

#endif
