/* announce.h - tells who came and went: presence's changes as the event presence:changed to the members here of the
 * channel, to other workers as gossip (they tell their members), and "last seen" to the store. */
#ifndef SERVER_ANNOUNCE_H
#define SERVER_ANNOUNCE_H

#include "channel/presence.h"

struct announce;
struct worker;

struct announce *announce_new(struct worker *worker);
/* What is not noted yet goes to the store. */
void announce_free(struct announce **announce);

/* Their owner is a struct worker. */
extern const struct presence_events announce_events;

#endif
