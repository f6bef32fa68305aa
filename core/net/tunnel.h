/* SPDX-License-Identifier: Apache-2.0 */
/* tunnel.h - bytes between a client over TLS, whose socket cannot be given away, and the process that it asks for.
 * core/net only. */
#ifndef NET_TUNNEL_H
#define NET_TUNNEL_H

#include "base/slice.h"

struct conn;
struct tunnel;

/* Takes fd, the process's end, and what was received and not used. woken: tunnel_step has work. */
struct tunnel *tunnel_new(struct conn *conn, int fd, void (*woken)(void *owner), void *owner);
void tunnel_free(struct tunnel **tunnel);

enum tunnel_state {
    TUNNEL_GOES_ON,
    TUNNEL_MORE,   /* has had its share of this turn */
    TUNNEL_ENDING, /* the process has ended it; the client has not taken all yet */
    TUNNEL_OVER,   /* the client has all */
    TUNNEL_BROKEN  /* the client has gone */
};
/* Moves what can be moved. interest_r: what to watch the client's socket for. */
enum tunnel_state tunnel_step(struct tunnel *tunnel, int *interest_r);

#endif
