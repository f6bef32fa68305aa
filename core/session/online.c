#include "session/online.h"

#include "channel/log.h"
#include "channel/presence.h"
#include "session/hub_state.h"

static struct slice channel_of(const struct socket *socket, struct slice room) {
    return channel_of_room(slice_of(socket->namespace_name), room);
}

void online_joined(struct socket *socket, struct slice room) {
    struct presence *presence = socket->hub->presence;
    struct slice channel_id = channel_of(socket, room);
    if (!presence || !socket->session || channel_id.len == 0) return;
    socket->counts = true;
    presence_joined(presence, channel_id, slice_of(socket->user->id), slice_of(socket->id));
}

void online_left(struct socket *socket, struct slice room) {
    struct slice channel_id = channel_of(socket, room);
    if (!socket->counts || channel_id.len == 0) return;
    presence_left(socket->hub->presence, channel_id, slice_of(socket->user->id), slice_of(socket->id));
}

void online_ended(struct socket *socket) {
    if (!socket->counts) return;
    socket->counts = false;
    presence_disconnected(socket->hub->presence, slice_of(socket->user->id), slice_of(socket->id));
}

bool socket_count(struct socket *socket) {
    struct presence *presence = socket->hub->presence;
    if (!socket->session || !socket->user) return false;
    if (!presence) return true;
    socket->counts = true;
    presence_connected(presence, slice_of(socket->user->id), slice_of(socket->id));
    LIST_EACH(&socket->memberships, link)
    online_joined(socket, room_name(CONTAINER(link, struct membership, link)->room));
    return true;
}
