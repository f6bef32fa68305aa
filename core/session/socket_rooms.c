/* SPDX-License-Identifier: Apache-2.0 */
#include "session/socket_rooms.h"

#include "session/channel_follow.h"
#include "session/online.h"
#include "session/recovery.h"
#include "session/session_internal.h"

static struct membership *join_now(struct socket *socket, struct slice room) {
    struct rooms *rooms = socket->hub->rooms;
    if (socket->rooms_len >= socket->hub->settings.rooms_max) return NULL;
    socket->rooms_len++;
    return room_join(rooms, slice_of(socket->namespace_name), room, &socket->receiver, &socket->memberships,
                     rooms_offset(rooms));
}

bool socket_enter(struct socket *socket, struct slice room) {
    return room_membership(&socket->memberships, room) || join_now(socket, room);
}

/* From now on the room keeps events for it. */
static bool join_away(struct socket *socket, struct slice room) {
    if (socket_is_in(socket, room)) return true;
    struct membership *membership = join_now(socket, room);
    if (!membership) return false;
    record_add_room(&socket->record, room, membership->since_offset);
    room_leave(socket->hub->rooms, &membership);
    recovery_edited(socket);
    return true;
}

bool socket_join(struct socket *socket, struct slice room) {
    if (room.len == 0 || room.len > SOCKET_ROOM_NAME_MAX) return false;
    if (!socket->session) return recovery_is_awaited(socket) && join_away(socket, room);
    if (!socket_enter(socket, room)) return false;
    if (socket->counts) online_joined(socket, room);
    return true;
}

void socket_leave(struct socket *socket, struct slice room) {
    if (room.len == 0 || slice_is(room, socket->id)) return;
    struct membership *membership = room_membership(&socket->memberships, room);
    channel_follow_left(socket, room);
    if (membership)
        room_leave(socket->hub->rooms, &membership);
    else if (!record_remove_room(&socket->record, room))
        return;
    socket->rooms_len--;
    online_left(socket, room);
    if (!socket->session) recovery_edited(socket);
}

void socket_join_since(struct socket *socket, struct slice room, uint64_t since_offset) {
    room_join(socket->hub->rooms, slice_of(socket->namespace_name), room, &socket->receiver, &socket->memberships,
              since_offset);
    if (room.len > 0 && !slice_is(room, socket->id)) socket->rooms_len++;
}

void socket_join_namespace(struct socket *socket) {
    socket_join_since(socket, SLICE(""), rooms_offset(socket->hub->rooms));
}

static bool has_joined(struct socket *socket) {
    return room_membership(&socket->memberships, SLICE("")) != NULL;
}

bool socket_is_implied(struct rooms_implied *implied, struct slice namespace_name, struct slice name,
                       struct receiver **receiver_r, struct list **memberships_r) {
    struct hub *hub = CONTAINER(implied, struct hub, own_rooms);
    struct socket *socket = name.len == SOCKET_ID_LEN ? hub_find(hub, name) : NULL;
    if (!socket || !slice_is(namespace_name, socket->namespace_name) || !has_joined(socket)) return false;
    *receiver_r = &socket->receiver;
    *memberships_r = &socket->memberships;
    return true;
}

static void each_kept_room(struct socket *socket, void (*fn)(void *owner, struct slice room), void *owner) {
    struct slice rooms = record_rooms(&socket->record), name;
    uint64_t since;
    while (record_next_room(&rooms, &name, &since))
        if (name.len > 0) fn(owner, name);
}

void socket_each_room(struct socket *socket, void (*fn)(void *owner, struct slice room), void *owner) {
    if (has_joined(socket)) fn(owner, slice_of(socket->id));
    LIST_EACH(&socket->memberships, link) {
        struct slice name = room_name(CONTAINER(link, struct membership, link)->room);
        if (name.len > 0 && !slice_is(name, socket->id)) fn(owner, name);
    }
    each_kept_room(socket, fn, owner);
}

struct search {
    struct slice room;
    bool found;
};

static void compare_room(void *owner, struct slice room) {
    struct search *search = owner;
    search->found = search->found || slice_equal(search->room, room);
}

bool socket_is_in(struct socket *socket, struct slice room) {
    struct search search = {.room = room};
    socket_each_room(socket, compare_room, &search);
    return search.found;
}

/* Events to its own room are kept for it from now on too, as those to other rooms. */
void socket_keep_rooms(struct socket *socket) {
    record_forget_away(&socket->record);
    room_find(socket->hub->rooms, slice_of(socket->namespace_name), slice_of(socket->id));
    while (!list_empty(&socket->memberships)) {
        struct membership *membership = CONTAINER(socket->memberships.next, struct membership, link);
        record_add_room(&socket->record, room_name(membership->room), membership->since_offset);
        room_leave(socket->hub->rooms, &membership);
    }
}
