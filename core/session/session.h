/* SPDX-License-Identifier: Apache-2.0 */
/* session.h - one client's connection, whatever carries it: heartbeat, ending. For this folder only.
 *
 * session_step is the one place where a session's state moves; transports and timers report to it. What clients say
 * goes to dispatch.c.
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
/* CLOSING: the transport is ending; nothing more is heard. GONE: freed at the end of the turn. */
enum session_state { SESSION_OPEN, SESSION_CLOSING, SESSION_GONE };
/* A ping waits for its interval; for the kernel to take it; for its pong. EXTENDED: sent, and the pong has got its time
 * once more. */
enum heartbeat { HEARTBEAT_RESTING, HEARTBEAT_QUEUED, HEARTBEAT_SENT, HEARTBEAT_EXTENDED };
enum upgrade { UPGRADE_NONE, UPGRADE_OPENED, UPGRADE_PROBED, UPGRADE_DONE };
enum { PAUSED_INBOX = 1, PAUSED_FLOOD = 2 };
enum { SESSION_LINGER_MS = 30000, SESSION_NOOP_MS = 100 };

struct engineio_packet;
struct packet_assembly;
struct script_connection;

struct session {
    struct hub *hub; /* from here to transport: what a fan-out touches, close together */
    struct outbox outbox;
    struct flush_entry flush;
    enum session_state state : 8;
    enum session_kind kind : 8;
    enum upgrade upgrade : 8;
    enum heartbeat heartbeat : 8;
    bool let_in; /* by somebody; its place goes to a newcomer else, when all are taken */
    enum packet_form form : 8;
    uint16_t sockets_len;
    struct transport *transport; /* NULL: gone */
    struct transport *probe;     /* the WebSocket of an upgrade under way */
    struct handshake *handshake;
    struct list sockets;
    struct session_timing timing;
    struct dispatch_queue dispatch;
    struct hub_user *claimed; /* whose connection it counts as; NULL: nobody's */
    uint64_t paid_ns;         /* when all that it has asked for will be paid (flood.h) */
    union {
        struct packet_assembly *assembly; /* SOCKETIO: a binary packet whose attachments are still coming */
        struct script_connection *script; /* ENGINE, RAW */
    };
    char id[ID_SESSION_LEN + 1]; /* with these three a multiple of 8 bytes */
    uint8_t paused;              /* PAUSED_… */
    uint8_t violations;          /* one after the other */
    bool lagging;                /* a socket of it is */
};

static inline bool session_is_scripts(const struct session *session) {
    return session->kind == SESSION_ENGINE || session->kind == SESSION_RAW;
}
/* Its messages are Engine.IO's packets. Else they are its own, and the heartbeat is WebSocket's. */
static inline bool session_has_packets(const struct session *session) {
    return session->kind == SESSION_SOCKETIO || session->kind == SESSION_ENGINE;
}

/* Takes the handshake's reference. The open packet is queued. */
struct session *session_open(struct hub *hub, enum session_kind kind, struct transport *transport,
                             struct handshake *handshake);
/* Its transport is ready: scripts may be asked (so this comes last), and what is queued leaves. */
void session_begin(struct session *session);
/* Begins the ending: sockets are detached or end, the transport is closed. Nothing if it has begun. */
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
/* Closed with CLOSE_EXPIRED then. */
void session_expire_in(struct session *session, uint64_t delay_ms);
static inline void session_deadline_clear(struct session *session, enum session_deadline deadline) {
    timing_clear(&session->timing, deadline);
}
/* why: PAUSED_… */
void session_pause(struct session *session, uint8_t why, bool paused);
/* It goes on over another transport; the one that it had is closed. */
void session_move(struct session *session, struct transport *to);
/* Frees what is GONE; the hub's. */
void session_free(struct session *session);

/* What its transport tells. */

/* A whole WebSocket message. */
void session_message(struct session *session, struct transport *from, struct slice message, bool binary);
/* A decoded Engine.IO packet (polling). */
void session_packet(struct session *session, const struct engineio_packet *packet);
/* The peer answered a WebSocket ping. */
void session_pong(struct session *session);
void session_drained(struct session *session, struct transport *from);
/* The peer went away within an exchange: ends the session. */
void session_broken(struct session *session);
/* The transport's last call: it frees itself when this returns. code, reason: of the Close frame. */
void session_gone(struct session *session, struct transport *from, uint16_t code, struct slice reason);

#endif
