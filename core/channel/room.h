/* SPDX-License-Identifier: Apache-2.0 */
/* room.h - named sets of members, for fan-out, and the packets recently sent to each, for recovery.
 *
 * A room knows members, not sockets. It exists from its first join until the recovery window after its last leave:
 * while a member may come back, packets are kept for it. Names are bytes; the namespace is part of the key. The empty
 * name is the room of all members of a namespace.
 */
#ifndef CHANNEL_ROOM_H
#define CHANNEL_ROOM_H

#include <stdint.h>

#include "base/list.h"
#include "wire/packet.h"

struct loop;
struct room;
struct rooms;

/* One receiver: embedded in what a room's members are (a socket). */
struct receiver {
    const struct receiver_ops *ops;
    uint64_t identity; /* given at the first join; copied when its session comes back as another receiver */
    uint64_t stamp;    /* the emit that last reached or excluded it; for room.c only */
};
struct receiver_ops {
    /* Refs the packet itself; must not join or leave. room: the room through which the packet came; NULL: a recovery
     * replays it. */
    void (*deliver)(struct receiver *receiver, const struct room *room, struct packet *packet);
};

struct room_limits {
    uint64_t window_ms;  /* how long packets are kept for recovery; 0: none */
    unsigned max_events; /* a room */
    size_t max_bytes;    /* a room */
    size_t total_bytes;  /* all rooms; 0: ROOMS_LOG_BYTES */
};
enum { ROOMS_LOG_BYTES = 256 << 20 };

/* Connects a receiver to a room, and holds where its view of the log begins. Owned by the rooms. */
struct membership {
    struct list link; /* in the receiver's own list of memberships */
    struct room *room;
    uint32_t index;        /* of its receiver in room->members */
    uint64_t since_offset; /* packets up to here are older than the membership */
};
struct rooms *rooms_new(struct loop *loop, const struct room_limits *limits);
/* Does not touch receivers' lists. */
void rooms_free(struct rooms **rooms);
void rooms_set_limits(struct rooms *rooms, const struct room_limits *limits);

/* Joining twice is joining once (the same membership, its since_offset kept). memberships: the receiver's own list.
 * since_offset: rooms_offset() for "from now", or an older one when a session is recovered. */
struct membership *room_join(struct rooms *rooms, struct slice namespace_name, struct slice name,
                             struct receiver *receiver, struct list *memberships, uint64_t since_offset);
void room_leave(struct rooms *rooms, struct membership **membership);
struct membership *room_membership(struct list *memberships, struct slice name);
/* NULL: there is none. Makes the room if it was only implied. */
struct room *room_find(struct rooms *rooms, struct slice namespace_name, struct slice name);
struct slice room_name(const struct room *room);
size_t room_size(const struct room *room);

/* The offset of the last packet emitted; offsets ascend over all rooms and never repeat within a process. */
uint64_t rooms_offset(const struct rooms *rooms);
/* Writes and reads the text that is appended to events. False: the text was not written by this process. */
enum { ROOM_OFFSET_LEN = 24 };
size_t room_offset_write(const struct rooms *rooms, uint64_t offset, char *out);
bool room_offset_read(const struct rooms *rooms, struct slice text, uint64_t *offset_r) MUST_CHECK;

struct room_emit {
    struct slice namespace_name;
    const struct slice *to, *except; /* rooms (none: all of the namespace); rooms whose members are excluded */
    size_t to_len, except_len;
    struct receiver *except_receiver; /* may be NULL */
    enum packet_class class;
    struct slice args;               /* JSON array: event name, then arguments */
    const struct slice *attachments; /* binary */
    unsigned attachments_len;
    bool unlogged; /* not kept for recovery, but it still has an offset */
    uint64_t tag;  /* packet_tag */
};
/* False, and counted: clients would close their connection on such an event (name reserved or missing, too many
 * attachments). */
bool room_emit_allowed(struct slice args, unsigned attachments_len) MUST_CHECK;
/* Appends pointers to the receivers that the emit would reach, each once. Ignores its event. */
void room_gather(struct rooms *rooms, const struct room_emit *emit, struct buffer *receivers);
/* The next room with a member and a name, without implied rooms that are unused. Start with *cursor = 0; NULL: no more.
 * No room may begin or end meanwhile. */
const struct room *rooms_next(const struct rooms *rooms, struct slice namespace_name, size_t *cursor);
/* Encodes once, reaches each receiver once, and keeps the packet in the rooms' logs. Returns the number of receivers; 0
 * if refused. */
size_t room_emit(struct rooms *rooms, const struct room_emit *emit);
/* The same for an event that room_emit_allowed accepted. */
size_t room_emit_checked(struct rooms *rooms, const struct room_emit *emit);

/* Replays to the receiver, in order and each once, all packets after offset of the rooms it is a member of, as its
 * memberships allow; without packets that excluded it (its identity) or one of its rooms. False, nothing delivered: a
 * room's log no longer reaches back so far, or more than max_events or max_bytes would be replayed. */
bool rooms_replay(struct rooms *rooms, struct list *memberships, struct receiver *receiver, uint64_t offset,
                  unsigned max_events, size_t max_bytes) MUST_CHECK;

/* Reserves the next count offsets for room_keep. */
void rooms_reserve(struct rooms *rooms, unsigned count);
/* Keeps an event that was not emitted here for recovery in the room, with a reserved offset. Nothing if there is no
 * such room. Uses only args, attachments and class of emit. */
void room_keep(struct rooms *rooms, struct slice namespace_name, struct slice name, uint64_t offset,
               const struct room_emit *emit);

/* Called when a room begins and ends; must not call back. */
struct rooms_watch {
    void (*opened)(struct rooms_watch *watch, struct slice namespace_name, struct slice name);
    void (*closed)(struct rooms_watch *watch, struct slice namespace_name, struct slice name);
};
void rooms_set_watch(struct rooms *rooms, struct rooms_watch *watch_or_null);

/* Rooms that are made on first use, such as every socket's own. member gives the receiver that is in such a room from
 * its beginning, and that receiver's list of memberships. False: the room is not implied. Must not call back. */
struct rooms_implied {
    bool (*member)(struct rooms_implied *implied, struct slice namespace_name, struct slice name,
                   struct receiver **receiver_r, struct list **memberships_r);
};
void rooms_set_implied(struct rooms *rooms, struct rooms_implied *implied_or_null);

#endif
