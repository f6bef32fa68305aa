/* SPDX-License-Identifier: Apache-2.0 */
#include "presence/presence_sync.h"

#include <stdlib.h>

#include "base/list.h"
#include "base/map.h"
#include "bus/bus.h"
#include "bus/fields.h"
#include "channel/topic.h"
#include "loop/loop.h"
#include "presence/presence_sync_message.h"
#include "presence/presence_sync_views.h"

enum { DIGEST_TICK_MS = 500, DIGESTS_MAX = 10, ASK_MS = 1000, LISTED_MAX = 4000 };
/* Interval between announcements of channels; longer with more peers, to bound the announcements that one worker
 * receives. */
enum { ANNOUNCE_MS = 200, ANNOUNCE_MS_A_PEER = 5 };

/* A channel about which this worker reports or listens. */
struct forum {
    struct presence_sync *presence_sync;
    struct list order_link; /* followed: in gossip->fresh, then in gossip->order */
    struct list due_link;   /* in gossip->due */
    struct views views;
    struct buffer changed; /* users with changes not yet reported to other workers, as parts */
    bool is_followed, wants_whole, told_names;
    uint64_t followed_ms;  /* followed since this time */
    uint64_t announced_ms; /* or followed */
    size_t id_len;
    char id[];
};

struct presence_sync {
    struct loop *loop;
    struct presence *presence;
    struct bus *bus;
    struct presence_settings settings;
    struct socketio_peers *peers;
    struct map *forums;
    struct list fresh, order; /* fresh: never announced; order: announced, the longest ago first */
    struct list due;          /* with changes to report */
    uint64_t announce_ms;     /* the next announcement is not before this time */
    uint64_t version, lists;
    uint64_t deaf_ms; /* when the bus was last degraded */
    struct loop_timer tick, digest;
    struct buffer topic, body; /* of the current message */
};

static struct slice forum_id(const struct forum *forum) {
    return (struct slice){forum->id, forum->id_len};
}

/* Sends gossip->body. */
static void publish(struct presence_sync *presence_sync, struct slice topic) {
    const struct bus_message message = {.kind = BUS_PRESENCE, .body = buffer_slice(&presence_sync->body)};
    (void)!bus_publish(presence_sync->bus, topic, &message); /* counts if too large; a digest repairs it */
}

static void publish_on_channel(struct presence_sync *presence_sync, struct slice channel_id) {
    buffer_clear(&presence_sync->topic);
    topic_write_channel(&presence_sync->topic, channel_id);
    publish(presence_sync, buffer_slice(&presence_sync->topic));
}

static void publish_about(struct presence_sync *presence_sync, struct slice user_id) {
    buffer_clear(&presence_sync->topic);
    topic_write_user(&presence_sync->topic, user_id);
    publish(presence_sync, buffer_slice(&presence_sync->topic));
}

static void publish_to_worker(struct presence_sync *presence_sync, struct slice worker_id) {
    buffer_clear(&presence_sync->topic);
    topic_write_worker(&presence_sync->topic, worker_id);
    publish(presence_sync, buffer_slice(&presence_sync->topic));
}

static void ask(struct forum *forum, struct slice worker_id_or_none) {
    struct presence_sync *presence_sync = forum->presence_sync;
    buffer_clear(&presence_sync->body);
    presence_sync_write_ask(&presence_sync->body, worker_id_or_none);
    publish_on_channel(presence_sync, forum_id(forum));
}

/* Channels. */

static struct forum *forum_get(struct presence_sync *presence_sync, struct slice channel_id) {
    struct forum *forum = map_find(presence_sync->forums, channel_id);
    if (forum) return forum;
    forum = memory_new(sizeof *forum + channel_id.len);
    forum->presence_sync = presence_sync;
    forum->id_len = channel_id.len;
    memcpy(forum->id, channel_id.ptr, channel_id.len);
    list_init(&forum->order_link);
    list_init(&forum->due_link);
    views_init(&forum->views, presence_sync->presence, forum_id(forum));
    map_put(presence_sync->forums, forum_id(forum), forum);
    return forum;
}

static void forum_free(struct forum *forum) {
    map_remove(forum->presence_sync->forums, forum_id(forum));
    list_remove(&forum->order_link);
    list_remove(&forum->due_link);
    views_done(&forum->views);
    buffer_done(&forum->changed);
    free(forum);
}

static void forum_due(struct forum *forum) {
    struct presence_sync *presence_sync = forum->presence_sync;
    if (list_empty(&forum->due_link)) list_append(&presence_sync->due, &forum->due_link);
    if (!loop_timer_pending(&presence_sync->tick)) loop_timer_set(&presence_sync->tick, PRESENCE_SYNC_TICK_MS);
}

/* Reports. */

static size_t forum_online(const struct forum *forum) {
    return presence_each_own(forum->presence_sync->presence, forum_id(forum), NULL, NULL);
}

static void forum_want_whole(struct forum *forum) {
    forum->wants_whole = true;
    forum_due(forum);
}

/* Sends the whole list to all listeners, if anything was or will be reported: this worker may have reported before it
 * listened itself. */
static void forum_tell_whole(struct forum *forum) {
    if (forum->views.told > 0 || forum_online(forum) > 0) forum_want_whole(forum);
}

static void add_entry(void *owner, struct slice user_id, const struct presence_word *word) {
    struct presence_sync *presence_sync = owner;
    presence_sync_write_entry(&presence_sync->body, &(struct presence_sync_entry){user_id, true, *word});
}

static void add_changes(struct forum *forum) {
    struct presence_sync *presence_sync = forum->presence_sync;
    struct slice rest = buffer_slice(&forum->changed), user_id;
    while (fields_take(&rest, &user_id)) {
        struct presence_sync_entry entry = {.user_id = user_id};
        entry.is_online = presence_own(presence_sync->presence, forum_id(forum), user_id, &entry.word);
        presence_sync_write_entry(&presence_sync->body, &entry);
    }
}

static void forum_tell(struct forum *forum) {
    struct presence_sync *presence_sync = forum->presence_sync;
    struct presence_sync_tell head = {.from = forum->views.told, .to = forum->views.told};
    head.online = forum_online(forum);
    head.names = head.online <= presence_sync->settings.names_max;
    bool whole = forum->wants_whole || !head.names || !forum->told_names || forum->views.told == 0;
    if (whole) head.from = 0;
    if (forum->changed.len > 0 || forum->views.told == 0) views_tell(&forum->views, head.to = ++presence_sync->version);
    buffer_clear(&presence_sync->body);
    presence_sync_write_tell(&presence_sync->body, forum->is_followed ? PRESENCE_SYNC_TELL : PRESENCE_SYNC_PASS, &head);
    if (head.names && whole)
        presence_each_own(presence_sync->presence, forum_id(forum), add_entry, presence_sync);
    else if (head.names)
        add_changes(forum);
    forum->told_names = head.names;
    forum->wants_whole = false;
    buffer_clear(&forum->changed);
    publish_on_channel(presence_sync, forum_id(forum));
    if (!forum->is_followed) forum_free(forum);
}

static void tick(struct loop_timer *timer) {
    struct presence_sync *presence_sync = CONTAINER(timer, struct presence_sync, tick);
    struct list due, *link;
    list_init(&due);
    list_splice(&due, &presence_sync->due);
    while ((link = list_pop(&due))) forum_tell(CONTAINER(link, struct forum, due_link));
}

void presence_sync_moved(struct presence_sync *presence_sync, struct slice channel_id, struct slice user_id) {
    if (bus_is_alone(presence_sync->bus)) return;
    struct forum *forum = forum_get(presence_sync, channel_id);
    fields_add(&forum->changed, user_id);
    forum_due(forum);
}

void presence_sync_said(struct presence_sync *presence_sync, struct slice user_id) {
    struct presence_word word;
    if (bus_is_alone(presence_sync->bus) || !presence_word_of(presence_sync->presence, user_id, &word)) return;
    buffer_clear(&presence_sync->body);
    presence_sync_write_word(&presence_sync->body, &word);
    publish_about(presence_sync, user_id);
}

static void tell_everyone(struct presence_sync *presence_sync, enum presence_sync_kind kind) {
    if (bus_is_alone(presence_sync->bus)) return;
    buffer_clear(&presence_sync->body);
    presence_sync_write_kind(&presence_sync->body, kind);
    publish(presence_sync, SLICE(""));
}

void presence_sync_farewell(struct presence_sync *presence_sync) {
    tell_everyone(presence_sync, PRESENCE_SYNC_FAREWELL);
}

static void compare_soon(struct presence_sync *presence_sync) {
    if (!loop_timer_pending(&presence_sync->digest)) loop_timer_set(&presence_sync->digest, DIGEST_TICK_MS);
}

/* Listening. */

static void subscribed_to_channel(struct presence_sync *presence_sync, struct slice channel_id) {
    struct forum *forum = forum_get(presence_sync, channel_id);
    forum->is_followed = true;
    forum->followed_ms = forum->announced_ms = loop_now_ms(presence_sync->loop);
    list_remove(&forum->order_link);
    list_append(&presence_sync->fresh, &forum->order_link);
    compare_soon(presence_sync);
    ask(forum, SLICE_NONE);
    forum_tell_whole(forum);
}

void presence_sync_subscribed(struct presence_sync *presence_sync, struct slice topic) {
    struct slice channel_id = topic_channel(topic), user_id = topic_user(topic);
    if (bus_is_alone(presence_sync->bus)) return;
    if (topic.len == 0) tell_everyone(presence_sync, PRESENCE_SYNC_HELLO);
    if (channel_id.len > 0) subscribed_to_channel(presence_sync, channel_id);
    if (user_id.len == 0) return;
    buffer_clear(&presence_sync->body);
    presence_sync_write_ask(&presence_sync->body, SLICE_NONE);
    publish_about(presence_sync, user_id);
}

bool presence_sync_knows(const struct presence_sync *presence_sync, struct slice channel_id) {
    const struct forum *forum = map_find(presence_sync->forums, channel_id);
    return forum && forum->is_followed &&
           forum->followed_ms + PRESENCE_SYNC_WHOLE_MS <= loop_now_ms(presence_sync->loop);
}

/* The other workers are told that this one has no users there any more: at once, or when the last grace here is over.
 */
void presence_sync_unfollow(struct presence_sync *presence_sync, struct slice channel_id) {
    struct forum *forum = map_find(presence_sync->forums, channel_id);
    if (!forum) return;
    if (views_empty(&forum->views) || forum_online(forum) > 0) {
        forum_free(forum);
        return;
    }
    forum->is_followed = false;
    list_remove(&forum->order_link);
    views_done(&forum->views);
    forum_want_whole(forum);
}

/* Comparison: each pair of workers compares its reports, so that any loss is repaired. */

static struct peer *peer_heard_now(struct presence_sync *presence_sync, struct slice worker_id) {
    compare_soon(presence_sync);
    return peer_get(presence_sync->peers, worker_id, loop_now_ms(presence_sync->loop));
}

static uint64_t total(const uint64_t sums[PRESENCE_SYNC_BUCKETS]) {
    uint64_t total = 0;
    for (unsigned i = 0; i < PRESENCE_SYNC_BUCKETS; i++) total += sums[i];
    return total;
}

/* peer NULL: nothing was told or heard. */
static void tell_digest(struct presence_sync *presence_sync, struct slice worker_id, const struct peer *peer) {
    const struct presence_sync_digest digest = {
        .told = total(peer_told(peer)),
        .heard = total(peer_heard(peer)),
        .within_ms = peers_interval_ms(presence_sync->peers),
    };
    buffer_clear(&presence_sync->body);
    presence_sync_write_digest(&presence_sync->body, &digest);
    publish_to_worker(presence_sync, worker_id);
}

/* Sends the version of this worker's last report, so that workers in a channel that never heard of each other find each
 * other. */
static void announce(struct forum *forum) {
    struct presence_sync *presence_sync = forum->presence_sync;
    const struct presence_sync_tell head = {
        .from = forum->views.told,
        .to = forum->views.told,
        .online = forum_online(forum),
        .names = forum->told_names || forum->views.told == 0,
    };
    forum->announced_ms = loop_now_ms(presence_sync->loop);
    list_remove(&forum->order_link);
    list_append(&presence_sync->order, &forum->order_link);
    if (!list_empty(&forum->due_link)) return;
    buffer_clear(&presence_sync->body);
    presence_sync_write_tell(&presence_sync->body, PRESENCE_SYNC_TELL, &head);
    publish_on_channel(presence_sync, forum_id(forum));
}

/* The first of the list, if it is due. */
static struct forum *first_before(const struct list *list, uint64_t announced_ms) {
    struct forum *forum = list_empty(list) ? NULL : CONTAINER(list->next, struct forum, order_link);
    return forum && forum->announced_ms <= announced_ms ? forum : NULL;
}

static void announce_some(struct presence_sync *presence_sync, uint64_t now_ms) {
    uint64_t pace_ms = ANNOUNCE_MS_A_PEER * peers_len(presence_sync->peers);
    if (pace_ms < ANNOUNCE_MS) pace_ms = ANNOUNCE_MS;
    if (presence_sync->announce_ms + DIGEST_TICK_MS < now_ms) presence_sync->announce_ms = now_ms - DIGEST_TICK_MS;
    for (; presence_sync->announce_ms <= now_ms; presence_sync->announce_ms += pace_ms) {
        struct forum *forum = first_before(&presence_sync->fresh, now_ms - ASK_MS);
        if (!forum) forum = first_before(&presence_sync->order, now_ms - PRESENCE_SYNC_DIGEST_MS);
        if (!forum) return;
        announce(forum);
    }
}

static void digest(struct loop_timer *timer) {
    struct presence_sync *presence_sync = CONTAINER(timer, struct presence_sync, digest);
    uint64_t now_ms = loop_now_ms(presence_sync->loop);
    struct peer *peer;
    if (peers_len(presence_sync->peers) > 0 || map_size(presence_sync->forums) > 0)
        loop_timer_set(timer, DIGEST_TICK_MS);
    if (bus_is_degraded(presence_sync->bus)) {
        presence_sync->deaf_ms = now_ms;
        return;
    }
    for (unsigned told = 0; told < DIGESTS_MAX && (peer = peers_due(presence_sync->peers, now_ms)); told++) {
        if (peer_is_silent(peer, now_ms) && presence_sync->deaf_ms + PRESENCE_SYNC_SILENT_MS <= now_ms)
            peer_drop(peer);
        else
            tell_digest(presence_sync, peer_id(peer), peer);
    }
    announce_some(presence_sync, now_ms);
}

static bool take_digest(struct presence_sync *presence_sync, struct slice origin, struct slice body) {
    struct presence_sync_digest digest;
    struct peer *peer = peer_find(presence_sync->peers, origin);
    if (!presence_sync_read_digest(body, &digest)) return false;
    if (peer) peer_lives(peer, loop_now_ms(presence_sync->loop), digest.within_ms);
    if (digest.told != total(peer_heard(peer))) {
        buffer_clear(&presence_sync->body);
        presence_sync_write_compare(&presence_sync->body, peer_heard(peer));
        publish_to_worker(presence_sync, origin);
    } else if (!peer && digest.heard > 0) {
        tell_digest(presence_sync, origin, NULL);
    }
    return true;
}

static bool is_told(const struct forum *forum) {
    return forum->is_followed && forum->views.told > 0;
}

/* The buckets that differ, a bit each, as many as fit one list. */
static uint64_t buckets_to_list(const struct presence_sync *presence_sync, const uint64_t ours[PRESENCE_SYNC_BUCKETS],
                                const uint64_t theirs[PRESENCE_SYNC_BUCKETS]) {
    size_t sizes[PRESENCE_SYNC_BUCKETS] = {0}, cursor = 0, listed = 0;
    uint64_t buckets = 0;
    for (const struct forum *forum; (forum = map_next(presence_sync->forums, &cursor));)
        sizes[views_bucket(&forum->views)] += is_told(forum);
    for (unsigned i = 0; i < PRESENCE_SYNC_BUCKETS; i++) {
        if (ours[i] == theirs[i] || (listed > 0 && listed + sizes[i] > LISTED_MAX)) continue;
        buckets |= (uint64_t)1 << i;
        listed += sizes[i];
    }
    return buckets;
}

static bool take_compare(struct presence_sync *presence_sync, struct slice origin, struct slice body) {
    uint64_t theirs[PRESENCE_SYNC_BUCKETS];
    const struct peer *peer = peer_find(presence_sync->peers, origin);
    size_t cursor = 0;
    if (!presence_sync_read_compare(body, theirs)) return false;
    uint64_t buckets = buckets_to_list(presence_sync, peer_told(peer), theirs);
    if (buckets == 0) return true;
    buffer_clear(&presence_sync->body);
    presence_sync_write_list(&presence_sync->body, buckets);
    for (const struct forum *forum; (forum = map_next(presence_sync->forums, &cursor));) {
        if (!is_told(forum) || !(buckets >> views_bucket(&forum->views) & 1)) continue;
        bool is_known = peer && view_find(&forum->views, peer);
        presence_sync_write_listed(&presence_sync->body,
                                   &(struct presence_sync_listed){forum_id(forum), forum->views.told, is_known});
    }
    publish_to_worker(presence_sync, origin);
    return true;
}

static void hear_listed(struct presence_sync *presence_sync, struct peer *peer,
                        const struct presence_sync_listed *listed) {
    struct forum *forum = map_find(presence_sync->forums, listed->channel_id);
    uint64_t now_ms = loop_now_ms(presence_sync->loop);
    if (!forum || !forum->is_followed) {
        if (listed->is_known) forum_want_whole(forum_get(presence_sync, listed->channel_id)); /* was sent as a PASS */
        return;
    }
    struct view *view = view_get(&forum->views, peer, now_ms);
    bool is_heard = view_is_listed(view, listed->version, presence_sync->lists);
    if ((!is_heard || !listed->is_known) && view_may_ask(view, now_ms, ASK_MS)) ask(forum, peer_id(peer));
}

static bool take_list(struct presence_sync *presence_sync, struct slice origin, struct slice body) {
    uint64_t buckets;
    struct slice entries;
    struct presence_sync_listed listed;
    if (!presence_sync_read_list(body, &buckets, &entries)) return false;
    if (bus_is_degraded(presence_sync->bus)) return true;
    struct peer *peer = peer_heard_now(presence_sync, origin);
    presence_sync->lists++;
    while (entries.len > 0 && presence_sync_read_listed(&entries, &listed)) hear_listed(presence_sync, peer, &listed);
    peer_drop_unlisted(peer, buckets, presence_sync->lists, loop_now_ms(presence_sync->loop));
    return true;
}

static bool take_comparison(struct presence_sync *presence_sync, enum presence_sync_kind kind, struct slice topic,
                            const struct bus_message *message, struct slice body) {
    if (topic.len == 0 || topic.ptr[0] != '!') return false;
    switch (kind) {
        case PRESENCE_SYNC_DIGEST:
            return take_digest(presence_sync, message->origin, body);
        case PRESENCE_SYNC_COMPARE:
            return take_compare(presence_sync, message->origin, body);
        default:
            return take_list(presence_sync, message->origin, body);
    }
}

/* Received messages. */

static bool take_ask(struct presence_sync *presence_sync, struct slice topic, struct slice origin, struct slice body) {
    struct slice user_id = topic_user(topic), asked;
    if (!presence_sync_read_ask(body, &asked)) return false;
    if (user_id.len > 0) {
        presence_sync_said(presence_sync, user_id);
        return true;
    }
    struct forum *forum = map_find(presence_sync->forums, topic_channel(topic));
    if (!forum) return true;
    (void)view_get(&forum->views, peer_heard_now(presence_sync, origin), loop_now_ms(presence_sync->loop));
    if (asked.len == 0 || slice_equal(asked, bus_worker_id(presence_sync->bus))) forum_tell_whole(forum);
    return true;
}

static bool take_tell(struct presence_sync *presence_sync, struct slice topic, struct slice origin, struct slice body,
                      bool is_pass) {
    struct presence_sync_tell tell;
    struct slice channel_id = topic_channel(topic);
    if (channel_id.len == 0 || !presence_sync_read_tell(body, &tell)) return false;
    struct forum *forum = map_find(presence_sync->forums, channel_id);
    if (!forum || !forum->is_followed) return true;
    uint64_t now_ms = loop_now_ms(presence_sync->loop);
    struct view *view = view_get(&forum->views, peer_heard_now(presence_sync, origin), now_ms);
    if (!view_take(view, &tell, now_ms) && view_may_ask(view, now_ms, ASK_MS)) ask(forum, origin);
    if (is_pass) view_pass(view);
    return true;
}

static bool take_word(struct presence_sync *presence_sync, struct slice topic, struct slice body) {
    struct presence_word word;
    if (topic_user(topic).len == 0 || !presence_sync_read_word(body, &word)) return false;
    presence_hear(presence_sync->presence, topic_user(topic), &word);
    return true;
}

static bool take_notice(struct presence_sync *presence_sync, enum presence_sync_kind kind, struct slice topic,
                        struct slice origin) {
    if (topic.len > 0) return false;
    if (kind == PRESENCE_SYNC_HELLO)
        peers_replaced(presence_sync->peers, origin);
    else
        peers_will_go(presence_sync->peers, origin);
    return true;
}

bool presence_sync_take(struct presence_sync *presence_sync, struct slice topic, const struct bus_message *message) {
    struct slice body = message->body;
    enum presence_sync_kind kind = presence_sync_read_kind(&body);
    switch (kind) {
        case PRESENCE_SYNC_ASK:
            return take_ask(presence_sync, topic, message->origin, body);
        case PRESENCE_SYNC_TELL:
        case PRESENCE_SYNC_PASS:
            return take_tell(presence_sync, topic, message->origin, body, kind == PRESENCE_SYNC_PASS);
        case PRESENCE_SYNC_WORD:
            return take_word(presence_sync, topic, body);
        case PRESENCE_SYNC_HELLO:
        case PRESENCE_SYNC_FAREWELL:
            return body.len == 0 && take_notice(presence_sync, kind, topic, message->origin);
        case PRESENCE_SYNC_DIGEST:
        case PRESENCE_SYNC_COMPARE:
        case PRESENCE_SYNC_LIST:
            return take_comparison(presence_sync, kind, topic, message, body);
    }
    return false;
}

void presence_sync_gone(struct presence_sync *presence_sync, struct slice worker_id) {
    peers_gone(presence_sync->peers, worker_id);
}

/* Beginning and end. */

struct presence_sync *presence_sync_new(struct loop *loop, struct presence *presence, struct bus *bus,
                                        const struct presence_settings *settings) {
    struct presence_sync *presence_sync = NEW(struct presence_sync);
    presence_sync->loop = loop;
    presence_sync->presence = presence;
    presence_sync->bus = bus;
    presence_sync->forums = map_new();
    presence_sync->peers = peers_new(loop, bus);
    list_init(&presence_sync->fresh);
    list_init(&presence_sync->order);
    list_init(&presence_sync->due);
    loop_timer_init(&presence_sync->tick, loop, tick);
    loop_timer_init(&presence_sync->digest, loop, digest);
    presence_sync_set(presence_sync, settings);
    if (bus_is_alone(bus)) return presence_sync;
    topic_write_worker(&presence_sync->topic, bus_worker_id(bus));
    bus_subscribe(bus, buffer_slice(&presence_sync->topic));
    return presence_sync;
}

void presence_sync_set(struct presence_sync *presence_sync, const struct presence_settings *settings) {
    presence_sync->settings = *settings;
    peers_set_grace(presence_sync->peers, settings->grace_ms);
}

void presence_sync_free(struct presence_sync **gossip_owner) {
    struct presence_sync *presence_sync = *gossip_owner;
    *gossip_owner = NULL;
    if (!presence_sync) return;
    size_t cursor = 0;
    for (struct forum *forum; (forum = map_next(presence_sync->forums, &cursor));) forum_free(forum);
    peers_free(&presence_sync->peers);
    loop_timer_cancel(&presence_sync->tick);
    loop_timer_cancel(&presence_sync->digest);
    map_free(&presence_sync->forums);
    buffer_done(&presence_sync->topic);
    buffer_done(&presence_sync->body);
    free(presence_sync);
}
