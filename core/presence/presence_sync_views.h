/* SPDX-License-Identifier: Apache-2.0 */
/* presence_sync_views.h - what each other worker reported of each channel, and what happens to it when a worker goes.
 * For presence_sync.c only. */
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
/* The users that they reported are no longer present by those workers. */
void views_done(struct views *views);
bool views_empty(const struct views *views);
void views_tell(struct views *views, uint64_t version);
unsigned views_bucket(const struct views *views);

struct view *view_find(const struct views *views, const struct peer *peer);
/* Makes one if there is none, last heard now. */
struct view *view_get(struct views *views, struct peer *peer, uint64_t now_ms);
/* False: an earlier report is missing. */
bool view_take(struct view *view, const struct presence_sync_tell *tell, uint64_t now_ms) MUST_CHECK;
/* At most once an interval. */
bool view_may_ask(struct view *view, uint64_t now_ms, uint64_t interval_ms);
/* The worker does not listen to the channel: frees the view if it has no users. */
void view_pass(struct view *view);
/* List number `list` of the worker names the channel with this version. False: another version was heard. */
bool view_is_listed(struct view *view, uint64_t version, uint64_t list);

/* For each other worker and bucket there are two sums over the channels to which both listen: of what this worker told,
 * and of what it heard. If nothing was lost, one worker's told equals the other's heard. */
struct socketio_peers *peers_new(struct loop *loop, const struct bus *bus);
/* Must be called after all views are freed. */
void peers_free(struct socketio_peers **peers);
void peers_set_grace(struct socketio_peers *peers, uint64_t grace_ms);
size_t peers_len(const struct socketio_peers *peers);
/* The interval of digests to each peer; longer with more peers. */
uint64_t peers_interval_ms(const struct socketio_peers *peers);
/* The peer that must get a digest now; NULL: none. Restarts that peer's interval. */
struct peer *peers_due(struct socketio_peers *peers, uint64_t now_ms);
struct peer *peer_find(const struct socketio_peers *peers, struct slice worker_id);
/* A message of the worker arrived. Makes the peer if there is none. */
struct peer *peer_get(struct socketio_peers *peers, struct slice worker_id, uint64_t now_ms);
struct slice peer_id(const struct peer *peer);
/* The peer lives, and will send again within this time. */
void peer_lives(struct peer *peer, uint64_t now_ms, uint64_t within_ms);
bool peer_is_silent(const struct peer *peer, uint64_t now_ms);
/* PRESENCE_SYNC_BUCKETS of them; peer NULL: zeros. */
const uint64_t *peer_told(const struct peer *peer);
const uint64_t *peer_heard(const struct peer *peer);
/* Drops all that the peer reported. */
void peer_drop(struct peer *peer);
/* As peer_drop, for channels that are in these buckets, were not in the list, and were not reported just before it. A
 * peer without views is freed. */
void peer_drop_unlisted(struct peer *peer, uint64_t buckets, uint64_t list, uint64_t now_ms);
/* The worker is dead: its reports hold for a while. */
void peers_gone(struct socketio_peers *peers, struct slice worker_id);
/* Earlier processes of that worker are gone. */
void peers_replaced(struct socketio_peers *peers, struct slice worker_id);
void peers_will_go(struct socketio_peers *peers, struct slice worker_id);

#endif
