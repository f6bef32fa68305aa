/* SPDX-License-Identifier: Apache-2.0 */
/* topic.h - what the bus's topics are called: where rooms, users and all workers are spoken to.
 *
 *  "/ns#room"  a room; workers with the room listen.   "/ns#"  a namespace; workers with a socket in it listen.
 *  "@user"     a user; workers with his sockets listen. ""     all workers.
 *  "!name"     one worker, by what its sessions' ids begin with.
 * A socket's own room has none of its own, or there would be one a connection: it is reached by its namespace's.
 */
#ifndef CHANNEL_TOPIC_H
#define CHANNEL_TOPIC_H

#include "base/buffer.h"

/* Appends the topic of a room; false: nothing, as it has none of its own. */
bool topic_write_room(struct buffer *out, struct slice namespace_name, struct slice room);
/* A channel's room is one of the main namespace. */
void topic_write_channel(struct buffer *out, struct slice channel_id);
void topic_write_user(struct buffer *out, struct slice user_id);
void topic_write_worker(struct buffer *out, struct slice name);
/* The channel's or the user's id, or an empty slice: the topic is none of a channel's room, of a user. */
struct slice topic_channel(struct slice topic);
struct slice topic_user(struct slice topic);

#endif
