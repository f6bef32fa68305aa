/* SPDX-License-Identifier: Apache-2.0 */
/* channel_follow.h - joining a channel without a gap: the missed tail from the store, then live, nothing twice, nothing
 * lost.
 *
 * Reads the tail, brings the node's log to the same number, joins the room and holds live events in one step
 * (socket_hold), so that the acknowledgement which carries the tail is on its way before what follows it.
 */
#ifndef SESSION_CHANNEL_FOLLOW_H
#define SESSION_CHANNEL_FOLLOW_H

#include "store/store.h"

struct channel_log;
struct hub;

struct channel_follow_result {
    /* UNAVAILABLE also when the connection has ended meanwhile, or the socket was taken out: it has not joined. */
    enum store_status status;
    int64_t seq; /* the head; live events continue at seq + 1 */
    struct slice epoch;
    struct slice events;      /* JSON array; "[]" when nothing was missed or no cursor was given */
    int64_t gap_from, gap_to; /* gap_to > 0: this range is not in events */
    const char *gap_reason;   /* "too_large", "trimmed" */
    int64_t fork_seq;         /* >= 0: reset */
};
typedef void channel_follow_done(void *owner, const struct channel_follow_result *result);

/* since_seq < 0: no cursor, join at the head. done exactly once, later, from the loop. */
void channel_follow_channel(struct hub *hub, struct channel_log *log, struct store *store, struct slice socket_id,
                            struct slice channel_id, int64_t since_seq, struct slice since_epoch,
                            channel_follow_done *done, void *owner);

/* For socket.c. */
struct packet;
struct socket;
/* The socket leaves the room, or is not to join it. */
void channel_follow_left(struct socket *socket, struct slice room);
/* A live event of the room is held back: it does not go out if a follow fails for which the socket has joined. */
void channel_follow_held(struct socket *socket, struct slice room, struct packet *packet);

#endif
