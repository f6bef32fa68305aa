/* relay.h - bytes between a client over TLS, whose socket cannot be given away, and the process that it asks for.
 * core/net only. */
#ifndef NET_RELAY_H
#define NET_RELAY_H

#include "base/slice.h"

struct conn;
struct relay;

/* Takes fd, the process's end; first: bytes of the client that were read already. woken: relay_step has work. */
struct relay *relay_new(struct conn *conn, int fd, struct slice first, void (*woken)(void *owner), void *owner);
void relay_free(struct relay **relay);

enum relay_state {
    RELAY_GOES_ON,
    RELAY_MORE,   /* has had its share of this turn */
    RELAY_ENDING, /* the process has ended it; the client has not taken all yet */
    RELAY_OVER,   /* the client has all */
    RELAY_BROKEN  /* the client has gone */
};
/* Moves what can be moved. interest_r: what to watch the client's socket for. */
enum relay_state relay_step(struct relay *relay, int *interest_r);

#endif
