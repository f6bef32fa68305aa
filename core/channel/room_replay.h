/* room_replay.h - rooms for those who come back: what they missed here, and what they bring along from elsewhere. */
#ifndef CHANNEL_ROOM_REPLAY_H
#define CHANNEL_ROOM_REPLAY_H

#include "channel/room.h"

/* Replays to the receiver, in order and each once, all packets after offset of the rooms it is a member of, as its
 * memberships allow; without those that left it (its identity) or one of its rooms out. False, nothing delivered: a
 * room's log no longer reaches back so far, or more than max_events or max_bytes would be due. */
bool rooms_replay(struct rooms *rooms, struct list *memberships, struct receiver *receiver, uint64_t offset,
                  unsigned max_events, size_t max_bytes) MUST_CHECK;

/* The next count offsets are for room_keep alone. */
void rooms_reserve(struct rooms *rooms, unsigned count);
/* Keeps an event for recovery that was not emitted here, as one of the room, with an offset that was reserved. Nothing
 * when there is no such room. Of emit, args, attachments and class count. */
void room_keep(struct rooms *rooms, struct slice namespace_name, struct slice name, uint64_t offset,
               const struct room_emit *emit);

#endif
