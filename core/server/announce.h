/* announce.h - tells channels who came and went: presence's changes as the event presence:changed to the channel's
 * room, and "last seen" to the store. */
#ifndef SERVER_ANNOUNCE_H
#define SERVER_ANNOUNCE_H

#include "channel/presence.h"

/* Their owner is a struct worker. */
extern const struct presence_events announce_events;

#endif
