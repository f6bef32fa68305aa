/* SPDX-License-Identifier: Apache-2.0 */
/* tunnel.h - relays bytes between a TLS client, whose socket cannot be handed over, and the process that serves its
 * request. core/net only. */
#ifndef NET_TUNNEL_H
#define NET_TUNNEL_H

#include "base/slice.h"

struct conn;
struct tunnel;

/* Takes ownership of fd, the end to that process, and of the received but unused bytes. woken: tunnel_step has work. */
struct tunnel *tunnel_new(struct conn *conn, int fd, void (*woken)(void *owner), void *owner);
void tunnel_free(struct tunnel **tunnel);

enum tunnel_state {
    TUNNEL_GOES_ON,
    TUNNEL_MORE,   /* more to do, but its share of this turn is used up */
    TUNNEL_ENDING, /* the process has ended its side; the client has not taken all bytes yet */
    TUNNEL_OVER,   /* the client has all bytes */
    TUNNEL_BROKEN  /* the client has disconnected */
};
/* Moves what can be moved. interest_r: events to watch the client's socket for. */
enum tunnel_state tunnel_step(struct tunnel *tunnel, int *interest_r);

#endif
