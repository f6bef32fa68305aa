/* SPDX-License-Identifier: Apache-2.0 */
#include "session/online.h"

#include "channel/log.h"
#include "presence/presence.h"
#include "session/session_internal.h"

static struct slice channel_of(const struct socket *socket, struct slice room) {
    return channel_of_room(slice_of(socket->namespace_name), room);
}

void online_left(struct socket *socket, struct slice room) {
    struct slice channel_id = channel_of(socket, room);
    if (!socket->counts || channel_id.len == 0) return;
    presence_left(socket->hub->presence, channel_id, slice_of(socket->user.of->id), slice_of(socket->id));
}

void online_ended(struct socket *socket) {
    if (!socket->counts) return;
    socket->counts = false;
    presence_disconnected(socket->hub->presence, slice_of(socket->user.of->id), slice_of(socket->id));
}

static void look_at(struct socket *socket, struct slice room) {
    struct slice channel_id = channel_of(socket, room);
    if (channel_id.len > 0)
        presence_joined(socket->hub->presence, channel_id, slice_of(socket->user.of->id), slice_of(socket->id));
}

bool online_begin(struct socket *socket, const struct presence_said *before) {
    struct presence *presence = socket->hub->presence;
    if (!socket->session || !socket->user.of) return false;
    if (!presence) return true;
    socket->counts = true;
    presence_connected(presence, slice_of(socket->user.of->id), slice_of(socket->id), before);
    LIST_EACH(&socket->memberships, link) look_at(socket, room_name(CONTAINER(link, struct membership, link)->room));
    return true;
}

void online_joined(struct socket *socket, struct slice room) {
    if (socket->counts)
        look_at(socket, room);
    else
        (void)!online_begin(socket, NULL);
}
