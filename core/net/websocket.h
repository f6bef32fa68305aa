/* SPDX-License-Identifier: Apache-2.0 */
/* websocket.h - one accepted WebSocket connection: whole messages in, prebuilt frames out, one write per flush. */
#ifndef NET_WEBSOCKET_H
#define NET_WEBSOCKET_H

#include <stdint.h>

#include "base/slice.h"

struct conn;
struct seat;

/* Callbacks of the layer above. Never called from within websocket_* functions. */
struct conn_events {
    /* A whole message; text is valid UTF-8. */
    void (*message)(void *owner, struct slice message, bool binary);
    /* The peer answered a WebSocket ping (a prebuilt FRAME_PING is written like any frame). May be NULL. */
    void (*pong)(void *owner);
    /* After websocket_write returned false: bytes can be written again. */
    void (*drained)(void *owner);
    /* Limit for a message; NULL: the server's setting. */
    size_t (*max_message_bytes)(const void *owner);
    /* A new connection takes its seat: the owner may call websocket_close with a reason; closed follows at once. May be
     * NULL. */
    void (*displaced)(void *owner);
    /* The last call: the connection is gone. code and reason of the first Close frame, the peer's or ours; code: 1005
     * when it had none, 1006 when there was no Close frame. */
    void (*closed)(void *owner, uint16_t code, struct slice reason);
};

/* Whole frames (wire/websocket_writer.h), copied by the call when the kernel takes only a part. False: the socket is
 * full now; write no more until drained. At most WEBSOCKET_WRITE_MAX bytes a call, but for a single packet's frames,
 * which may be longer (a frame is never split over calls). */
enum { WEBSOCKET_WRITE_MAX = 65536 };
bool websocket_write(struct conn *conn, struct slice frames);
/* Prefetches into the CPU caches what the next write needs. */
void websocket_fetch(const struct conn *conn);
bool websocket_blocked(const struct conn *conn);
/* True: permessage-deflate was negotiated; frames may be compressed (with a 32 KiB window). */
bool websocket_deflates(const struct conn *conn);
/* Its seat (limit/admission.h). */
struct seat *websocket_seat(struct conn *conn);
/* The connection is unused: until admission_use, it loses its seat to a new one when all seats are taken. */
void websocket_rest(struct conn *conn);
/* Stops or resumes reading; idempotent. Messages already read may still come. */
void websocket_pause(struct conn *conn, bool paused);
/* Sends what was written, then the Close frame; closed follows, at the latest after WEBSOCKET_CLOSE_MS. reason: at most
 * 123 bytes. A second call has no effect. */
enum { WEBSOCKET_CLOSE_MS = 5000 };
void websocket_close(struct conn *conn, uint16_t code, struct slice reason);

#endif
