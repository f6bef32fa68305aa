/* SPDX-License-Identifier: Apache-2.0 */
#include "presence/presence_sync_views.h"

#include <stdlib.h>

#include "base/hash.h"
#include "base/map.h"
#include "bus/bus.h"
#include "loop/loop.h"
#include "presence/presence_sync.h"
#include "presence/presence_sync_message.h"

enum { DIGESTS_A_SECOND = 20 }; /* upper bound */

/* Another worker. It is kept while it has views. */
struct peer {
    struct socketio_peers *peers;
    struct list views;
    struct list order_link; /* in peers->order */
    uint64_t told[PRESENCE_SYNC_BUCKETS], heard[PRESENCE_SYNC_BUCKETS];
    uint64_t heard_ms, within_ms; /* when it was last heard; it sends within this time */
    uint64_t digest_ms;           /* when it gets its next digest */
    struct loop_timer hold;       /* runs after it is gone */
    bool will_go;                 /* it said farewell: its users are moving to other workers */
    size_t id_len;
    char id[];
};
struct socketio_peers {
    struct loop *loop;
    const struct bus *bus;
    struct map *by_id;
    struct list order; /* by the time of their next digest */
    uint64_t grace_ms;
};

/* What a worker reported of a channel. */
struct view {
    struct list link, peer_link;
    struct views *views;
    struct peer *peer;
    struct map *users;
    uint64_t version, heard_ms, asked_ms;
    uint64_t round;   /* counts whole lists */
    uint64_t unnamed; /* users that it reported without names */
    uint64_t list;    /* number of the last list that named it */
};
struct told {
    uint64_t version, round;
    size_t id_len;
    char id[];
};

/* Sums. */

/* The weight of a channel at a version: any difference makes the sums differ. */
static uint64_t weight(const struct views *views, uint64_t version) {
    return version > 0 ? hash_keyed(views->hash, version, SLICE_NONE) : 0;
}

unsigned views_bucket(const struct views *views) {
    return (unsigned)(views->hash % PRESENCE_SYNC_BUCKETS);
}

void views_tell(struct views *views, uint64_t version) {
    uint64_t more = weight(views, version) - weight(views, views->told);
    LIST_EACH(&views->all, link) CONTAINER(link, struct view, link)->peer->told[views_bucket(views)] += more;
    views->told = version;
}

static void view_set_version(struct view *view, uint64_t version) {
    const struct views *views = view->views;
    view->peer->heard[views_bucket(views)] += weight(views, version) - weight(views, view->version);
    view->version = version;
}

/* Workers. */

static void peer_tidy(struct peer *peer) {
    if (!list_empty(&peer->views)) return;
    list_remove(&peer->order_link);
    map_remove(peer->peers->by_id, (struct slice){peer->id, peer->id_len});
    loop_timer_cancel(&peer->hold);
    free(peer);
}

/* Views. */

static void count_unnamed(struct views *views) {
    size_t unnamed = 0;
    LIST_EACH(&views->all, link) unnamed += CONTAINER(link, struct view, link)->unnamed;
    presence_set_unnamed(views->presence, views->channel_id, unnamed);
}

static void told_drop(struct view *view, struct told *told, bool was_told) {
    struct slice id = {told->id, told->id_len};
    map_remove(view->users, id);
    presence_went_elsewhere(view->views->presence, view->views->channel_id, id, was_told);
    free(told);
}

static void drop_users(struct view *view, uint64_t but_of_round, bool was_told) {
    size_t cursor = 0;
    for (struct told *told; (told = map_next(view->users, &cursor));) {
        if (told->round != but_of_round) told_drop(view, told, was_told);
    }
}

static void view_free(struct view *view, bool was_told) {
    drop_users(view, UINT64_MAX, was_told);
    view_set_version(view, 0);
    view->peer->told[views_bucket(view->views)] -= weight(view->views, view->views->told);
    list_remove(&view->link);
    list_remove(&view->peer_link);
    if (view->unnamed > 0) count_unnamed(view->views);
    map_free(&view->users);
    free(view);
}

void views_init(struct views *views, struct presence *presence, struct slice channel_id) {
    *views = (struct views){.presence = presence, .channel_id = channel_id, .hash = hash_fixed(channel_id)};
    list_init(&views->all);
}

static void drop(struct view *view) {
    struct peer *peer = view->peer;
    view_free(view, true);
    peer_tidy(peer);
}

void views_done(struct views *views) {
    LIST_EACH(&views->all, link) drop(CONTAINER(link, struct view, link));
}

bool views_empty(const struct views *views) {
    return list_empty(&views->all);
}

struct view *view_find(const struct views *views, const struct peer *peer) {
    LIST_EACH(&views->all, link) {
        struct view *view = CONTAINER(link, struct view, link);
        if (view->peer == peer) return view;
    }
    return NULL;
}

struct view *view_get(struct views *views, struct peer *peer, uint64_t now_ms) {
    struct view *known = view_find(views, peer);
    if (known) return known;
    struct view *view = NEW(struct view);
    view->views = views;
    view->peer = peer;
    view->heard_ms = now_ms;
    view->users = map_new();
    list_append(&views->all, &view->link);
    list_append(&peer->views, &view->peer_link);
    peer->told[views_bucket(views)] += weight(views, views->told);
    return view;
}

static void take_entry(struct view *view, const struct presence_sync_entry *entry) {
    struct presence *presence = view->views->presence;
    struct slice channel_id = view->views->channel_id;
    struct told *told = map_find(view->users, entry->user_id);
    /* The user went offline and came back in between: forgets the earlier word. */
    if (told && (!entry->is_online || entry->word.version < told->version)) {
        told_drop(view, told, true);
        told = NULL;
    }
    if (!entry->is_online) return;
    if (!told) {
        told = memory_new(sizeof *told + entry->user_id.len);
        told->id_len = entry->user_id.len;
        memcpy(told->id, entry->user_id.ptr, entry->user_id.len);
        map_put(view->users, (struct slice){told->id, told->id_len}, told);
        presence_came_elsewhere(presence, channel_id, entry->user_id, &entry->word);
    } else {
        presence_hear(presence, entry->user_id, &entry->word);
    }
    told->round = view->round;
    told->version = entry->word.version;
}

bool view_take(struct view *view, const struct presence_sync_tell *tell, uint64_t now_ms) {
    bool whole = tell->from == 0;
    if (tell->to < view->version) return true;
    view->heard_ms = now_ms;
    loop_timer_cancel(&view->peer->hold); /* it is alive after all */
    if (tell->to == view->version) return true;
    if (!whole && tell->from != view->version) return false;
    struct slice rest = tell->entries;
    struct presence_sync_entry entry;
    if (whole) view->round++;
    while (rest.len > 0 && presence_sync_read_entry(&rest, &entry)) take_entry(view, &entry);
    if (whole) drop_users(view, view->round, true);
    uint64_t unnamed = tell->names ? 0 : tell->online, before = view->unnamed;
    view->unnamed = unnamed;
    if (unnamed != before) count_unnamed(view->views);
    view_set_version(view, tell->to);
    return true;
}

void view_pass(struct view *view) {
    if (map_size(view->users) == 0 && view->unnamed == 0) drop(view);
}

bool view_is_listed(struct view *view, uint64_t version, uint64_t list) {
    view->list = list;
    return view->version == version;
}

bool view_may_ask(struct view *view, uint64_t now_ms, uint64_t interval_ms) {
    if (view->asked_ms > 0 && view->asked_ms + interval_ms > now_ms) return false;
    view->asked_ms = now_ms;
    return true;
}

/* Workers go. */

static void hold_ended(struct loop_timer *timer) {
    struct peer *peer = CONTAINER(timer, struct peer, hold);
    if (bus_is_degraded(peer->peers->bus)) { /* a live worker will be heard again once the bus works */
        loop_timer_set(timer, PRESENCE_SYNC_DIGEST_MS);
        return;
    }
    LIST_EACH(&peer->views, link) view_free(CONTAINER(link, struct view, peer_link), false);
    peer_tidy(peer);
}

struct peer *peer_find(const struct socketio_peers *peers, struct slice worker_id) {
    return map_find(peers->by_id, worker_id);
}

struct slice peer_id(const struct peer *peer) {
    return (struct slice){peer->id, peer->id_len};
}

struct peer *peer_get(struct socketio_peers *peers, struct slice worker_id, uint64_t now_ms) {
    struct peer *peer = map_find(peers->by_id, worker_id);
    if (peer) {
        peer->heard_ms = now_ms;
        return peer;
    }
    peer = memory_new(sizeof *peer + worker_id.len);
    peer->peers = peers;
    peer->id_len = worker_id.len;
    memcpy(peer->id, worker_id.ptr, worker_id.len);
    list_init(&peer->views);
    peer->heard_ms = now_ms;
    peer->within_ms = PRESENCE_SYNC_DIGEST_MS;
    peer->digest_ms = now_ms + PRESENCE_SYNC_DIGEST_MS;
    list_append(&peers->order, &peer->order_link);
    loop_timer_init(&peer->hold, peers->loop, hold_ended);
    map_put(peers->by_id, (struct slice){peer->id, peer->id_len}, peer);
    return peer;
}

void peer_lives(struct peer *peer, uint64_t now_ms, uint64_t within_ms) {
    peer->heard_ms = now_ms;
    peer->within_ms = within_ms > PRESENCE_SYNC_DIGEST_MS ? within_ms : PRESENCE_SYNC_DIGEST_MS;
    loop_timer_cancel(&peer->hold);
}

bool peer_is_silent(const struct peer *peer, uint64_t now_ms) {
    return peer->heard_ms + peer->within_ms * PRESENCE_SYNC_SILENT_MS / PRESENCE_SYNC_DIGEST_MS <= now_ms;
}

static const uint64_t nothing[PRESENCE_SYNC_BUCKETS];

const uint64_t *peer_told(const struct peer *peer) {
    return peer ? peer->told : nothing;
}

const uint64_t *peer_heard(const struct peer *peer) {
    return peer ? peer->heard : nothing;
}

void peer_drop(struct peer *peer) {
    LIST_EACH(&peer->views, link) view_free(CONTAINER(link, struct view, peer_link), true);
    peer_tidy(peer);
}

void peer_drop_unlisted(struct peer *peer, uint64_t buckets, uint64_t list, uint64_t now_ms) {
    LIST_EACH(&peer->views, link) {
        struct view *view = CONTAINER(link, struct view, peer_link);
        bool is_among = buckets >> views_bucket(view->views) & 1 && view->version > 0 && view->list != list;
        if (is_among && view->heard_ms + PRESENCE_SYNC_DIGEST_MS <= now_ms) view_free(view, true);
    }
    peer_tidy(peer);
}

static void peer_gone(struct peer *peer) {
    if (loop_timer_pending(&peer->hold)) return;
    loop_timer_set(&peer->hold, peer->will_go ? peer->peers->grace_ms : PRESENCE_SYNC_HOLD_MS);
}

void peers_gone(struct socketio_peers *peers, struct slice worker_id) {
    struct peer *peer = map_find(peers->by_id, worker_id);
    if (peer) peer_gone(peer);
}

/* The part of "NODE.PLACE.INCARNATION" up to the last dot. */
static struct slice place_of(struct slice worker_id) {
    while (worker_id.len > 0 && worker_id.ptr[worker_id.len - 1] != '.') worker_id.len--;
    return worker_id;
}

void peers_replaced(struct socketio_peers *peers, struct slice worker_id) {
    struct slice place = place_of(worker_id);
    size_t cursor = 0;
    if (place.len == 0) return;
    for (struct peer *peer; (peer = map_next(peers->by_id, &cursor));) {
        struct slice id = {peer->id, peer->id_len};
        if (slice_equal(place_of(id), place) && !slice_equal(id, worker_id)) peer_gone(peer);
    }
}

void peers_will_go(struct socketio_peers *peers, struct slice worker_id) {
    struct peer *peer = map_find(peers->by_id, worker_id);
    if (peer) peer->will_go = true;
}

struct socketio_peers *peers_new(struct loop *loop, const struct bus *bus) {
    struct socketio_peers *peers = NEW(struct socketio_peers);
    peers->loop = loop;
    peers->bus = bus;
    peers->by_id = map_new();
    list_init(&peers->order);
    return peers;
}

void peers_set_grace(struct socketio_peers *peers, uint64_t grace_ms) {
    peers->grace_ms = grace_ms;
}

size_t peers_len(const struct socketio_peers *peers) {
    return map_size(peers->by_id);
}

uint64_t peers_interval_ms(const struct socketio_peers *peers) {
    uint64_t interval_ms = peers_len(peers) * 1000 / DIGESTS_A_SECOND;
    return interval_ms > PRESENCE_SYNC_DIGEST_MS ? interval_ms : PRESENCE_SYNC_DIGEST_MS;
}

struct peer *peers_due(struct socketio_peers *peers, uint64_t now_ms) {
    struct peer *peer = list_empty(&peers->order) ? NULL : CONTAINER(peers->order.next, struct peer, order_link);
    if (!peer || peer->digest_ms > now_ms) return NULL;
    peer->digest_ms = now_ms + peers_interval_ms(peers);
    list_remove(&peer->order_link);
    list_append(&peers->order, &peer->order_link);
    return peer;
}

void peers_free(struct socketio_peers **peers_owner) {
    struct socketio_peers *peers = *peers_owner;
    *peers_owner = NULL;
    if (!peers) return;
    map_free(&peers->by_id); /* empty: peers are freed with their views */
    free(peers);
}
