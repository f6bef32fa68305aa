/* SPDX-License-Identifier: Apache-2.0 */
/* transport.h - what carries a session's packets: a WebSocket, polling exchanges, or a client within the process.
 *
 * A driver embeds struct transport and tells its session what happens (session.h). It knows bytes only.
 */
#ifndef SESSION_TRANSPORT_H
#define SESSION_TRANSPORT_H

#include <stdint.h>

#include "wire/packet.h"

struct seat;
struct session;

struct transport {
    const struct transport_ops *ops;
    struct session *session; /* NULL: the session no longer needs it */
    bool base64;             /* the client has no binary frames */
};

struct transport_ops {
    /* Bytes are polling payloads rather than WebSocket frames: a write ends the poll, CLOSE is a packet. */
    bool polling;
    /* Whole packets; copied where needed. False: full, or no poll waits; do not write until session_drained. */
    bool (*write)(struct transport *transport, struct slice bytes);
    bool (*blocked)(const struct transport *transport);
    /* A write will soon follow: may prefetch its memory into the CPU caches. May be NULL. */
    void (*fetch)(const struct transport *transport);
    bool (*deflates)(const struct transport *transport);
    void (*pause)(struct transport *transport, bool paused);
    /* Its seat (limit/admission.h). NULL: it has none. */
    struct seat *(*seat)(struct transport *transport);
    /* From now on it gives its seat to a newcomer when all are taken. Only if it has a seat. */
    void (*rest)(struct transport *transport);
    /* Ends it after what was written; session_gone follows later, from the loop. code 0: the client closed it or
     * continues over another transport. With any other code a waiting poll is told that the session is unknown. */
    void (*close)(struct transport *transport, uint16_t code, struct slice reason);
};

#endif
