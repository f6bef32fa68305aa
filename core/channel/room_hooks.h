/* room_hooks.h - what others are told of rooms, and are asked about them. */
#ifndef CHANNEL_ROOM_HOOKS_H
#define CHANNEL_ROOM_HOOKS_H

#include "channel/room.h"

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
