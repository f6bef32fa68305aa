/* SPDX-License-Identifier: Apache-2.0 */
/* room.h - named sets of members, and the packets lately sent to each: what fan-out reaches and recovery replays.
 *
 * A room knows members, not sockets. It exists from its first join until the recovery window after its last leave: as
 * long as someone may come back to it, packets are kept for him. Names are bytes; the namespace is a part of the key.
 * The empty name is the room of all members of a namespace.
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
    uint64_t stamp;    /* the emit that reached or excluded it last; room.c's */
};
struct receiver_ops {
    /* Refs the packet itself; must not join or leave. room: the one that it came by; NULL: a recovery's. */
    void (*deliver)(struct receiver *receiver, const struct room *room, struct packet *packet);
};

struct room_limits {
    uint64_t window_ms;  /* how long packets are kept for recovery; 0: none */
    unsigned max_events; /* a room */
    size_t max_bytes;    /* a room */
    size_t total_bytes;  /* all rooms; 0: ROOMS_LOG_BYTES */
};
enum { ROOMS_LOG_BYTES = 256 << 20 };

/* A receiver's place in a room; holds where its view of the log begins. Owned by the rooms; found by both sides. */
struct membership {
    struct list link; /* in the receiver's own list of memberships */
    struct room *room;
    uint32_t index;        /* of its receiver in room->members */
    uint64_t since_offset; /* packets up to here were before its time */
};
struct rooms *rooms_new(struct loop *loop, const struct room_limits *limits);
/* Receivers' lists are not touched. */
void rooms_free(struct rooms **rooms);
void rooms_set_limits(struct rooms *rooms, const struct room_limits *limits);

/* Joining twice is joining once (the same membership, its since_offset kept). memberships: the receiver's own list.
 * since_offset: rooms_offset() for "from now", or an older one when a session is recovered. */
struct membership *room_join(struct rooms *rooms, struct slice namespace_name, struct slice name,
                             struct receiver *receiver, struct list *memberships, uint64_t since_offset);
void room_leave(struct rooms *rooms, struct membership **membership);
struct membership *room_membership(struct list *memberships, struct slice name);
/* NULL: there is none. One that was only implied is from now on. */
struct room *room_find(struct rooms *rooms, struct slice namespace_name, struct slice name);
struct slice room_name(const struct room *room);
size_t room_size(const struct room *room);

/* The offset of the last packet emitted; offsets ascend over all rooms and never repeat within a process. */
uint64_t rooms_offset(const struct rooms *rooms);
/* The text that is appended to events, and back (false: not one of ours). */
enum { ROOM_OFFSET_LEN = 24 };
size_t room_offset_write(const struct rooms *rooms, uint64_t offset, char *out);
bool room_offset_read(const struct rooms *rooms, struct slice text, uint64_t *offset_r) MUST_CHECK;

struct room_emit {
    struct slice namespace_name;
    const struct slice *to, *except; /* rooms, none: all of the namespace; rooms whose members are left out */
    size_t to_len, except_len;
    struct receiver *except_receiver; /* may be NULL */
    enum packet_class class;
    struct slice args;               /* JSON array: event name, then arguments */
    const struct slice *attachments; /* binary */
    unsigned attachments_len;
    bool unlogged; /* not kept for recovery (it has an offset all the same) */
    uint64_t tag;  /* packet_tag */
};
/* False, and counted: clients would close their connection (name reserved or missing, too many attachments). */
bool room_emit_allowed(struct slice args, unsigned attachments_len) MUST_CHECK;
/* Appends pointers to the receivers whom such an emit would reach, each once: its event is not looked at. */
void room_gather(struct rooms *rooms, const struct room_emit *emit, struct buffer *receivers);
/* The next room with a member and a name, implied ones left out until they are used; start with *cursor = 0; NULL: no
 * more. None may come or go meanwhile. */
const struct room *rooms_next(const struct rooms *rooms, struct slice namespace_name, size_t *cursor);
/* Encodes once, reaches each receiver once, keeps the packet in the rooms' logs. How many receivers (none: refused). */
size_t room_emit(struct rooms *rooms, const struct room_emit *emit);
/* The same for an event that room_emit_allowed has let pass. */
size_t room_emit_checked(struct rooms *rooms, const struct room_emit *emit);

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

/* Hears of each room's beginning and end; must not call back. */
struct rooms_watch {
    void (*opened)(struct rooms_watch *watch, struct slice namespace_name, struct slice name);
    void (*closed)(struct rooms_watch *watch, struct slice namespace_name, struct slice name);
};
void rooms_set_watch(struct rooms *rooms, struct rooms_watch *watch_or_null);

/* A room that is there only once it is used, such as every socket's own: who is in it from its beginning, and his own
 * list of memberships. False: it is not one of these. Must not call back. */
struct rooms_implied {
    bool (*member)(struct rooms_implied *implied, struct slice namespace_name, struct slice name,
                   struct receiver **receiver_r, struct list **memberships_r);
};
void rooms_set_implied(struct rooms *rooms, struct rooms_implied *implied_or_null);

#endif
