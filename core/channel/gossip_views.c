#include "channel/gossip_views.h"

#include <stdlib.h>

#include "base/map.h"
#include "bus/bus.h"
#include "channel/gossip.h"
#include "channel/gossip_message.h"
#include "loop/loop.h"

/* Another worker. Lives while it has views. */
struct peer {
    struct peers *peers;
    struct list views;
    struct loop_timer hold; /* it is gone */
    bool will_go;           /* by itself: its users are on their way to others */
    size_t id_len;
    char id[];
};
struct peers {
    struct loop *loop;
    const struct bus *bus;
    struct map *by_id;
    uint64_t grace_ms;
};

/* What a worker told of a channel. */
struct view {
    struct list link, peer_link;
    struct views *views;
    struct peer *peer;
    struct map *users;
    uint64_t version, heard_ms, asked_ms;
    uint64_t round;   /* counts the wholes */
    uint64_t unnamed; /* it told no names */
};
struct told {
    uint64_t version, round;
    size_t id_len;
    char id[];
};

/* Workers. */

static void peer_tidy(struct peer *peer) {
    if (!list_empty(&peer->views)) return;
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
    list_remove(&view->link);
    list_remove(&view->peer_link);
    if (view->unnamed > 0) count_unnamed(view->views);
    map_free(&view->users);
    free(view);
}

void views_init(struct views *views, struct presence *presence, struct slice channel_id) {
    *views = (struct views){.presence = presence, .channel_id = channel_id};
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

void views_drop_silent(struct views *views, uint64_t now_ms) {
    LIST_EACH(&views->all, link) {
        struct view *view = CONTAINER(link, struct view, link);
        if (view->heard_ms + GOSSIP_SILENT_MS <= now_ms) drop(view);
    }
}

struct view *view_get(struct views *views, struct peer *peer, uint64_t now_ms) {
    LIST_EACH(&views->all, link) {
        struct view *view = CONTAINER(link, struct view, link);
        if (view->peer == peer) return view;
    }
    struct view *view = NEW(struct view);
    view->views = views;
    view->peer = peer;
    view->heard_ms = now_ms;
    view->users = map_new();
    list_append(&views->all, &view->link);
    list_append(&peer->views, &view->peer_link);
    return view;
}

static void take_entry(struct view *view, const struct gossip_entry *entry) {
    struct presence *presence = view->views->presence;
    struct slice channel_id = view->views->channel_id;
    struct told *told = map_find(view->users, entry->user_id);
    /* He went and came again in between: what he said before is forgotten. */
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

bool view_take(struct view *view, const struct gossip_tell *tell, uint64_t now_ms) {
    bool whole = tell->from == 0;
    if (tell->to < view->version) return true;
    view->heard_ms = now_ms;
    loop_timer_cancel(&view->peer->hold); /* it lives after all */
    if (tell->to == view->version) return true;
    if (!whole && tell->from != view->version) return false;
    struct slice rest = tell->entries;
    struct gossip_entry entry;
    if (whole) view->round++;
    while (rest.len > 0 && gossip_read_entry(&rest, &entry)) take_entry(view, &entry);
    if (whole) drop_users(view, view->round, true);
    uint64_t unnamed = tell->names ? 0 : tell->online, before = view->unnamed;
    view->unnamed = unnamed;
    if (unnamed != before) count_unnamed(view->views);
    view->version = tell->to;
    return true;
}

bool view_may_ask(struct view *view, uint64_t now_ms, uint64_t interval_ms) {
    if (view->asked_ms > 0 && view->asked_ms + interval_ms > now_ms) return false;
    view->asked_ms = now_ms;
    return true;
}

/* Workers go. */

static void hold_ended(struct loop_timer *timer) {
    struct peer *peer = CONTAINER(timer, struct peer, hold);
    if (bus_is_degraded(peer->peers->bus)) { /* who is alive says so, once he is heard again */
        loop_timer_set(timer, GOSSIP_DIGEST_MS);
        return;
    }
    LIST_EACH(&peer->views, link) view_free(CONTAINER(link, struct view, peer_link), false);
    peer_tidy(peer);
}

struct peer *peer_get(struct peers *peers, struct slice worker_id) {
    struct peer *peer = map_find(peers->by_id, worker_id);
    if (peer) return peer;
    peer = memory_new(sizeof *peer + worker_id.len);
    peer->peers = peers;
    peer->id_len = worker_id.len;
    memcpy(peer->id, worker_id.ptr, worker_id.len);
    list_init(&peer->views);
    loop_timer_init(&peer->hold, peers->loop, hold_ended);
    map_put(peers->by_id, (struct slice){peer->id, peer->id_len}, peer);
    return peer;
}

static void peer_gone(struct peer *peer) {
    if (loop_timer_pending(&peer->hold)) return;
    loop_timer_set(&peer->hold, peer->will_go ? peer->peers->grace_ms : GOSSIP_HOLD_MS);
}

void peers_gone(struct peers *peers, struct slice worker_id) {
    struct peer *peer = map_find(peers->by_id, worker_id);
    if (peer) peer_gone(peer);
}

/* Of "NODE.PLACE.INCARNATION", up to the last dot. */
static struct slice place_of(struct slice worker_id) {
    while (worker_id.len > 0 && worker_id.ptr[worker_id.len - 1] != '.') worker_id.len--;
    return worker_id;
}

void peers_replaced(struct peers *peers, struct slice worker_id) {
    struct slice place = place_of(worker_id);
    size_t cursor = 0;
    if (place.len == 0) return;
    for (struct peer *peer; (peer = map_next(peers->by_id, &cursor));) {
        struct slice id = {peer->id, peer->id_len};
        if (slice_equal(place_of(id), place) && !slice_equal(id, worker_id)) peer_gone(peer);
    }
}

void peers_will_go(struct peers *peers, struct slice worker_id) {
    struct peer *peer = map_find(peers->by_id, worker_id);
    if (peer) peer->will_go = true;
}

struct peers *peers_new(struct loop *loop, const struct bus *bus) {
    struct peers *peers = NEW(struct peers);
    peers->loop = loop;
    peers->bus = bus;
    peers->by_id = map_new();
    return peers;
}

void peers_set_grace(struct peers *peers, uint64_t grace_ms) {
    peers->grace_ms = grace_ms;
}

void peers_free(struct peers **peers_owner) {
    struct peers *peers = *peers_owner;
    *peers_owner = NULL;
    if (!peers) return;
    map_free(&peers->by_id); /* all went with their views */
    free(peers);
}
