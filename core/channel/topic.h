/* SPDX-License-Identifier: Apache-2.0 */
/* topic.h - names of the bus's topics, for rooms, users and workers.
 *
 *  "/ns#room"  a room; workers with the room listen.   "/ns#"  a namespace; workers with a socket in it listen.
 *  "@user"     a user; workers with their sockets listen. ""     all workers.
 *  "!name"     one worker, by the prefix of its session ids.
 * A socket's own room has no topic, or there would be one for each connection: it is reached by its namespace's topic.
 */
#ifndef CHANNEL_TOPIC_H
#define CHANNEL_TOPIC_H

#include "base/buffer.h"

/* Appends the topic of a room. False: appends nothing, because the room has no topic. */
bool topic_write_room(struct buffer *out, struct slice namespace_name, struct slice room);
/* A channel's room is one of the main namespace. */
void topic_write_channel(struct buffer *out, struct slice channel_id);
void topic_write_user(struct buffer *out, struct slice user_id);
void topic_write_worker(struct buffer *out, struct slice name);
/* The id of the channel or user. Empty: the topic is not a channel room's, or not a user's. */
struct slice topic_channel(struct slice topic);
struct slice topic_user(struct slice topic);

#endif
