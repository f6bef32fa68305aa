/* SPDX-License-Identifier: Apache-2.0 */
/* channel_follow.h - joins a channel without a gap: the missed tail from the store, then live events. No event is lost
 * or doubled.
 *
 * Reads the tail, brings the node's log to the same number, joins the room and holds live events in one step
 * (socket_hold), so that the acknowledgement, which carries the tail, leaves before the live events.
 */
#ifndef SESSION_CHANNEL_FOLLOW_H
#define SESSION_CHANNEL_FOLLOW_H

#include "store/store.h"

struct channel_log;
struct hub;

struct channel_follow_result {
    /* UNAVAILABLE also if the connection ended or the socket was removed meanwhile: it has not joined. */
    enum store_status status;
    int64_t seq; /* the head; live events continue at seq + 1 */
    struct slice epoch;
    struct slice events;      /* JSON array; "[]" when nothing was missed or no cursor was given */
    int64_t gap_from, gap_to; /* gap_to > 0: this range is missing from events */
    const char *gap_reason;   /* "too_large", "trimmed" */
    int64_t fork_seq;         /* >= 0: reset */
};
typedef void channel_follow_done(void *owner, const struct channel_follow_result *result);

/* since_seq < 0: no cursor, join at the head. done is called exactly once, later, from the loop. */
void channel_follow_channel(struct hub *hub, struct channel_log *log, struct store *store, struct slice socket_id,
                            struct slice channel_id, int64_t since_seq, struct slice since_epoch,
                            channel_follow_done *done, void *owner);

/* For socket.c. */
struct packet;
struct socket;
/* The socket leaves the room, or must not join it. */
void channel_follow_left(struct socket *socket, struct slice room);
/* A live event of the room is held back. It is dropped if the socket joined only for a follow that fails. */
void channel_follow_held(struct socket *socket, struct slice room, struct packet *packet);

#endif
