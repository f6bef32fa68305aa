/* gossip_views.h - what each other worker told of each channel, and what becomes of it when a worker goes. gossip.c's
 * own. */
#ifndef CHANNEL_GOSSIP_VIEWS_H
#define CHANNEL_GOSSIP_VIEWS_H

#include <stdint.h>

#include "base/list.h"
#include "base/slice.h"

struct bus;
struct gossip_tell;
struct loop;
struct peer;
struct peers;
struct presence;
struct view;

/* Of one channel. */
struct views {
    struct presence *presence;
    struct slice channel_id; /* the owner's */
    struct list all;
};
void views_init(struct views *views, struct presence *presence, struct slice channel_id);
/* Whom they told of is not present any more on their account. */
void views_done(struct views *views);
bool views_empty(const struct views *views);
void views_drop_silent(struct views *views, uint64_t now_ms);

/* A new one was heard now. */
struct view *view_get(struct views *views, struct peer *peer, uint64_t now_ms);
/* False: something before it is missing. */
bool view_take(struct view *view, const struct gossip_tell *tell, uint64_t now_ms) MUST_CHECK;
/* At most once an interval. */
bool view_may_ask(struct view *view, uint64_t now_ms, uint64_t interval_ms);

struct peers *peers_new(struct loop *loop, const struct bus *bus);
/* After all views. */
void peers_free(struct peers **peers);
void peers_set_grace(struct peers *peers, uint64_t grace_ms);
struct peer *peer_get(struct peers *peers, struct slice worker_id);
/* What it told holds for a while yet. */
void peers_gone(struct peers *peers, struct slice worker_id);
/* Earlier processes of that worker's place are gone. */
void peers_replaced(struct peers *peers, struct slice worker_id);
void peers_will_go(struct peers *peers, struct slice worker_id);

#endif
