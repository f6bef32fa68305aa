/* SPDX-License-Identifier: Apache-2.0 */
/* presence_sync_views.h - what each other worker told of each channel, and what becomes of it when a worker goes.
 * presence_sync.c's own. */
#ifndef PRESENCE_PRESENCE_SYNC_VIEWS_H
#define PRESENCE_PRESENCE_SYNC_VIEWS_H

#include <stdint.h>

#include "base/list.h"
#include "base/slice.h"

struct bus;
struct presence_sync_tell;
struct loop;
struct peer;
struct socketio_peers;
struct presence;
struct view;

/* Of one channel. */
struct views {
    struct presence *presence;
    struct slice channel_id; /* the owner's */
    struct list all;
    uint64_t hash; /* of the channel's id, the same on all workers */
    uint64_t told; /* the version of what this worker told last; 0: nothing */
};
void views_init(struct views *views, struct presence *presence, struct slice channel_id);
/* Whom they told of is not present any more on their account. */
void views_done(struct views *views);
bool views_empty(const struct views *views);
void views_tell(struct views *views, uint64_t version);
unsigned views_bucket(const struct views *views);

struct view *view_find(const struct views *views, const struct peer *peer);
/* A new one was heard now. */
struct view *view_get(struct views *views, struct peer *peer, uint64_t now_ms);
/* False: something before it is missing. */
bool view_take(struct view *view, const struct presence_sync_tell *tell, uint64_t now_ms) MUST_CHECK;
/* At most once an interval. */
bool view_may_ask(struct view *view, uint64_t now_ms, uint64_t interval_ms);
/* The worker does not listen to the channel: if it told of nobody there, the view goes. */
void view_pass(struct view *view);
/* In list number `list` the worker has listed the channel; false: that is not what was heard. */
bool view_is_listed(struct view *view, uint64_t version, uint64_t list);

/* Of each worker there are two sums for each bucket, over the channels to which both listen: of what this one told,
 * and of what it heard. Where nothing was lost, one worker's told is the other one's heard. */
struct socketio_peers *peers_new(struct loop *loop, const struct bus *bus);
/* After all views. */
void peers_free(struct socketio_peers **peers);
void peers_set_grace(struct socketio_peers *peers, uint64_t grace_ms);
size_t peers_len(const struct socketio_peers *peers);
/* So often each of them gets a digest: the more there are, the less often. */
uint64_t peers_interval_ms(const struct socketio_peers *peers);
/* The one that must get a digest now, NULL: none; not before the interval is over again. */
struct peer *peers_due(struct socketio_peers *peers, uint64_t now_ms);
struct peer *peer_find(const struct socketio_peers *peers, struct slice worker_id);
/* It was heard. */
struct peer *peer_get(struct socketio_peers *peers, struct slice worker_id, uint64_t now_ms);
struct slice peer_id(const struct peer *peer);
/* It lives, and will be heard again within so long. */
void peer_lives(struct peer *peer, uint64_t now_ms, uint64_t within_ms);
bool peer_is_silent(const struct peer *peer, uint64_t now_ms);
/* PRESENCE_SYNC_BUCKETS of them; peer NULL: zeros. */
const uint64_t *peer_told(const struct peer *peer);
const uint64_t *peer_heard(const struct peer *peer);
/* What it told is not so any more. */
void peer_drop(struct peer *peer);
/* As peer_drop, of what is in these buckets, was not in the list, and was not told just before it. A peer without views
 * goes. */
void peer_drop_unlisted(struct peer *peer, uint64_t buckets, uint64_t list, uint64_t now_ms);
/* What it told holds for a while yet. */
void peers_gone(struct socketio_peers *peers, struct slice worker_id);
/* Earlier processes of that worker's place are gone. */
void peers_replaced(struct socketio_peers *peers, struct slice worker_id);
void peers_will_go(struct socketio_peers *peers, struct slice worker_id);

#endif
