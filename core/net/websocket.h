/* SPDX-License-Identifier: Apache-2.0 */
/* websocket.h - one accepted WebSocket connection: whole messages in, prebuilt frames out, one write a flush. */
#ifndef NET_WEBSOCKET_H
#define NET_WEBSOCKET_H

#include <stdint.h>

#include "base/slice.h"

struct conn;
struct seat;

/* What the layer above does with a connection. Not called from within websocket_* calls. */
struct conn_events {
    /* A whole message; text is valid UTF-8. */
    void (*message)(void *owner, struct slice message, bool binary);
    /* The peer answered a WebSocket ping (a prebuilt FRAME_PING is written like any frame). May be NULL. */
    void (*pong)(void *owner);
    /* After websocket_write answered false: bytes can be written again. */
    void (*drained)(void *owner);
    /* How large a message may be; NULL: as the server has it. */
    size_t (*max_message_bytes)(const void *owner);
    /* It gives way to somebody who needs its place: websocket_close may say so, closed follows at once. May be NULL. */
    void (*displaced)(void *owner);
    /* The last call: the connection is gone. What the Close frame said, the peer's or ours, whichever came first; code:
     * 1005 when it said nothing, 1006 when there was none. */
    void (*closed)(void *owner, uint16_t code, struct slice reason);
};

/* Whole frames (wire/websocket_writer.h), copied by the call when the kernel takes only a part. False: the socket is
 * full now; write no more until drained. At most WEBSOCKET_WRITE_MAX bytes a call, but for a single packet's frames,
 * which may be longer (a frame is never split over calls). */
enum { WEBSOCKET_WRITE_MAX = 65536 };
bool websocket_write(struct conn *conn, struct slice frames);
/* Into the caches, what the next write needs. */
void websocket_fetch(const struct conn *conn);
bool websocket_blocked(const struct conn *conn);
/* permessage-deflate was negotiated: frames may be compressed (with a 32 KiB window). */
bool websocket_deflates(const struct conn *conn);
/* Its place (limit/admission.h). */
struct seat *websocket_seat(struct conn *conn);
/* Nobody uses it: it gives its place to a newcomer when all are taken, until admission_use. */
void websocket_rest(struct conn *conn);
/* Stops or resumes reading; idempotent. Messages already read may still come. */
void websocket_pause(struct conn *conn, bool paused);
/* Sends what was written, then the close frame; closed follows, at the latest after WEBSOCKET_CLOSE_MS. reason: at most
 * 123 bytes. Twice is once. */
enum { WEBSOCKET_CLOSE_MS = 5000 };
void websocket_close(struct conn *conn, uint16_t code, struct slice reason);

#endif
