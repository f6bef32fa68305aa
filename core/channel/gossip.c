#include "channel/gossip.h"

#include <stdlib.h>

#include "base/list.h"
#include "base/map.h"
#include "bus/bus.h"
#include "bus/parts.h"
#include "channel/gossip_message.h"
#include "channel/gossip_views.h"
#include "channel/topic.h"
#include "loop/loop.h"

enum { DIGEST_TICK_MS = 500, DIGESTS_MAX = 10, ASK_MS = 1000, LISTED_MAX = 4000 };
/* Channels are announced one after another: so often, and no oftener than that all workers together announce to one. */
enum { ANNOUNCE_MS = 200, ANNOUNCE_MS_A_PEER = 5 };

/* A channel of which this worker has something to tell, or wants to hear. */
struct forum {
    struct gossip *gossip;
    struct list order_link; /* followed: in gossip->fresh, then in gossip->order */
    struct list due_link;   /* in gossip->due */
    struct views views;
    struct buffer changed; /* users of whom the others do not know yet, as parts */
    bool is_followed, wants_whole, told_names;
    uint64_t followed_ms;  /* since then */
    uint64_t announced_ms; /* or followed */
    size_t id_len;
    char id[];
};

struct gossip {
    struct loop *loop;
    struct presence *presence;
    struct bus *bus;
    struct presence_settings settings;
    struct peers *peers;
    struct map *forums;
    struct list fresh, order; /* announced never; those announced, the longest ago first */
    struct list due;          /* with something to tell */
    uint64_t announce_ms;     /* not before it is the next one announced */
    uint64_t version, lists;
    uint64_t deaf_ms; /* when the bus was degraded last */
    struct loop_timer tick, digest;
    struct buffer topic, body; /* of the message at hand */
};

static struct slice forum_id(const struct forum *forum) {
    return (struct slice){forum->id, forum->id_len};
}

/* Sends gossip->body. */
static void publish(struct gossip *gossip, struct slice topic) {
    const struct bus_message message = {.kind = BUS_PRESENCE, .body = buffer_slice(&gossip->body)};
    (void)!bus_publish(gossip->bus, topic, &message); /* too large is counted there, and healed by a digest */
}

static void publish_on_channel(struct gossip *gossip, struct slice channel_id) {
    buffer_clear(&gossip->topic);
    topic_write_channel(&gossip->topic, channel_id);
    publish(gossip, buffer_slice(&gossip->topic));
}

static void publish_about(struct gossip *gossip, struct slice user_id) {
    buffer_clear(&gossip->topic);
    topic_write_user(&gossip->topic, user_id);
    publish(gossip, buffer_slice(&gossip->topic));
}

static void publish_to_worker(struct gossip *gossip, struct slice worker_id) {
    buffer_clear(&gossip->topic);
    topic_write_worker(&gossip->topic, worker_id);
    publish(gossip, buffer_slice(&gossip->topic));
}

static void ask(struct forum *forum, struct slice worker_id_or_none) {
    struct gossip *gossip = forum->gossip;
    buffer_clear(&gossip->body);
    gossip_write_ask(&gossip->body, worker_id_or_none);
    publish_on_channel(gossip, forum_id(forum));
}

/* Channels. */

static struct forum *forum_get(struct gossip *gossip, struct slice channel_id) {
    struct forum *forum = map_find(gossip->forums, channel_id);
    if (forum) return forum;
    forum = memory_new(sizeof *forum + channel_id.len);
    forum->gossip = gossip;
    forum->id_len = channel_id.len;
    memcpy(forum->id, channel_id.ptr, channel_id.len);
    list_init(&forum->order_link);
    list_init(&forum->due_link);
    views_init(&forum->views, gossip->presence, forum_id(forum));
    map_put(gossip->forums, forum_id(forum), forum);
    return forum;
}

static void forum_free(struct forum *forum) {
    map_remove(forum->gossip->forums, forum_id(forum));
    list_remove(&forum->order_link);
    list_remove(&forum->due_link);
    views_done(&forum->views);
    buffer_done(&forum->changed);
    free(forum);
}

static void forum_due(struct forum *forum) {
    struct gossip *gossip = forum->gossip;
    if (list_empty(&forum->due_link)) list_append(&gossip->due, &forum->due_link);
    if (!loop_timer_pending(&gossip->tick)) loop_timer_set(&gossip->tick, GOSSIP_TICK_MS);
}

/* Telling. */

static size_t forum_online(const struct forum *forum) {
    return presence_each_own(forum->gossip->presence, forum_id(forum), NULL, NULL);
}

static void forum_want_whole(struct forum *forum) {
    forum->wants_whole = true;
    forum_due(forum);
}

/* To all who listen, if anything was or is to be told: it may have been told before this worker listened itself. */
static void forum_tell_whole(struct forum *forum) {
    if (forum->views.told > 0 || forum_online(forum) > 0) forum_want_whole(forum);
}

static void add_entry(void *owner, struct slice user_id, const struct presence_word *word) {
    struct gossip *gossip = owner;
    gossip_write_entry(&gossip->body, &(struct gossip_entry){user_id, true, *word});
}

static void add_changes(struct forum *forum) {
    struct gossip *gossip = forum->gossip;
    struct slice rest = buffer_slice(&forum->changed), user_id;
    while (parts_take(&rest, &user_id)) {
        struct gossip_entry entry = {.user_id = user_id};
        entry.is_online = presence_own(gossip->presence, forum_id(forum), user_id, &entry.word);
        gossip_write_entry(&gossip->body, &entry);
    }
}

static void forum_tell(struct forum *forum) {
    struct gossip *gossip = forum->gossip;
    struct gossip_tell head = {.from = forum->views.told, .to = forum->views.told};
    head.online = forum_online(forum);
    head.names = head.online <= gossip->settings.names_max;
    bool whole = forum->wants_whole || !head.names || !forum->told_names || forum->views.told == 0;
    if (whole) head.from = 0;
    if (forum->changed.len > 0 || forum->views.told == 0) views_tell(&forum->views, head.to = ++gossip->version);
    buffer_clear(&gossip->body);
    gossip_write_tell(&gossip->body, forum->is_followed ? GOSSIP_TELL : GOSSIP_PASS, &head);
    if (head.names && whole)
        presence_each_own(gossip->presence, forum_id(forum), add_entry, gossip);
    else if (head.names)
        add_changes(forum);
    forum->told_names = head.names;
    forum->wants_whole = false;
    buffer_clear(&forum->changed);
    publish_on_channel(gossip, forum_id(forum));
    if (!forum->is_followed) forum_free(forum);
}

static void tick(struct loop_timer *timer) {
    struct gossip *gossip = CONTAINER(timer, struct gossip, tick);
    struct list due, *link;
    list_init(&due);
    list_splice(&due, &gossip->due);
    while ((link = list_pop(&due))) forum_tell(CONTAINER(link, struct forum, due_link));
}

void gossip_moved(struct gossip *gossip, struct slice channel_id, struct slice user_id) {
    if (bus_is_alone(gossip->bus)) return;
    struct forum *forum = forum_get(gossip, channel_id);
    parts_add(&forum->changed, user_id);
    forum_due(forum);
}

void gossip_said(struct gossip *gossip, struct slice user_id) {
    struct presence_word word;
    if (bus_is_alone(gossip->bus) || !presence_word_of(gossip->presence, user_id, &word)) return;
    buffer_clear(&gossip->body);
    gossip_write_word(&gossip->body, &word);
    publish_about(gossip, user_id);
}

static void tell_everyone(struct gossip *gossip, enum gossip_kind kind) {
    if (bus_is_alone(gossip->bus)) return;
    buffer_clear(&gossip->body);
    gossip_write_kind(&gossip->body, kind);
    publish(gossip, SLICE(""));
}

void gossip_farewell(struct gossip *gossip) {
    tell_everyone(gossip, GOSSIP_FAREWELL);
}

static void compare_soon(struct gossip *gossip) {
    if (!loop_timer_pending(&gossip->digest)) loop_timer_set(&gossip->digest, DIGEST_TICK_MS);
}

/* Listening. */

static void subscribed_to_channel(struct gossip *gossip, struct slice channel_id) {
    struct forum *forum = forum_get(gossip, channel_id);
    forum->is_followed = true;
    forum->followed_ms = forum->announced_ms = loop_now_ms(gossip->loop);
    list_remove(&forum->order_link);
    list_append(&gossip->fresh, &forum->order_link);
    compare_soon(gossip);
    ask(forum, SLICE_NONE);
    forum_tell_whole(forum);
}

void gossip_subscribed(struct gossip *gossip, struct slice topic) {
    struct slice channel_id = topic_channel(topic), user_id = topic_user(topic);
    if (bus_is_alone(gossip->bus)) return;
    if (topic.len == 0) tell_everyone(gossip, GOSSIP_HELLO);
    if (channel_id.len > 0) subscribed_to_channel(gossip, channel_id);
    if (user_id.len == 0) return;
    buffer_clear(&gossip->body);
    gossip_write_ask(&gossip->body, SLICE_NONE);
    publish_about(gossip, user_id);
}

bool gossip_knows(const struct gossip *gossip, struct slice channel_id) {
    const struct forum *forum = map_find(gossip->forums, channel_id);
    return forum && forum->is_followed && forum->followed_ms + GOSSIP_WHOLE_MS <= loop_now_ms(gossip->loop);
}

/* The others hear that nothing is told here any more: at once, or when the last grace here is over. */
void gossip_unfollow(struct gossip *gossip, struct slice channel_id) {
    struct forum *forum = map_find(gossip->forums, channel_id);
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

/* Comparing: what each pair of workers told each other, whatever was lost. */

static struct peer *peer_heard_now(struct gossip *gossip, struct slice worker_id) {
    compare_soon(gossip);
    return peer_get(gossip->peers, worker_id, loop_now_ms(gossip->loop));
}

static uint64_t total(const uint64_t sums[GOSSIP_BUCKETS]) {
    uint64_t total = 0;
    for (unsigned i = 0; i < GOSSIP_BUCKETS; i++) total += sums[i];
    return total;
}

/* peer: NULL: nothing was told or heard. */
static void tell_digest(struct gossip *gossip, struct slice worker_id, const struct peer *peer) {
    const struct gossip_digest digest = {
        .told = total(peer_told(peer)),
        .heard = total(peer_heard(peer)),
        .within_ms = peers_interval_ms(gossip->peers),
    };
    buffer_clear(&gossip->body);
    gossip_write_digest(&gossip->body, &digest);
    publish_to_worker(gossip, worker_id);
}

/* What this worker told last. So those find each other who never heard of each other in a channel. */
static void announce(struct forum *forum) {
    struct gossip *gossip = forum->gossip;
    const struct gossip_tell head = {
        .from = forum->views.told,
        .to = forum->views.told,
        .online = forum_online(forum),
        .names = forum->told_names || forum->views.told == 0,
    };
    forum->announced_ms = loop_now_ms(gossip->loop);
    list_remove(&forum->order_link);
    list_append(&gossip->order, &forum->order_link);
    if (!list_empty(&forum->due_link)) return;
    buffer_clear(&gossip->body);
    gossip_write_tell(&gossip->body, GOSSIP_TELL, &head);
    publish_on_channel(gossip, forum_id(forum));
}

/* The first of the list, if its time has come. */
static struct forum *first_before(const struct list *list, uint64_t announced_ms) {
    struct forum *forum = list_empty(list) ? NULL : CONTAINER(list->next, struct forum, order_link);
    return forum && forum->announced_ms <= announced_ms ? forum : NULL;
}

static void announce_some(struct gossip *gossip, uint64_t now_ms) {
    uint64_t pace_ms = ANNOUNCE_MS_A_PEER * peers_len(gossip->peers);
    if (pace_ms < ANNOUNCE_MS) pace_ms = ANNOUNCE_MS;
    if (gossip->announce_ms + DIGEST_TICK_MS < now_ms) gossip->announce_ms = now_ms - DIGEST_TICK_MS;
    for (; gossip->announce_ms <= now_ms; gossip->announce_ms += pace_ms) {
        struct forum *forum = first_before(&gossip->fresh, now_ms - ASK_MS);
        if (!forum) forum = first_before(&gossip->order, now_ms - GOSSIP_DIGEST_MS);
        if (!forum) return;
        announce(forum);
    }
}

static void digest(struct loop_timer *timer) {
    struct gossip *gossip = CONTAINER(timer, struct gossip, digest);
    uint64_t now_ms = loop_now_ms(gossip->loop);
    struct peer *peer;
    if (peers_len(gossip->peers) > 0 || map_size(gossip->forums) > 0) loop_timer_set(timer, DIGEST_TICK_MS);
    if (bus_is_degraded(gossip->bus)) {
        gossip->deaf_ms = now_ms;
        return;
    }
    for (unsigned told = 0; told < DIGESTS_MAX && (peer = peers_due(gossip->peers, now_ms)); told++) {
        if (peer_is_silent(peer, now_ms) && gossip->deaf_ms + GOSSIP_SILENT_MS <= now_ms)
            peer_drop(peer);
        else
            tell_digest(gossip, peer_id(peer), peer);
    }
    announce_some(gossip, now_ms);
}

static bool take_digest(struct gossip *gossip, struct slice origin, struct slice body) {
    struct gossip_digest digest;
    struct peer *peer = peer_find(gossip->peers, origin);
    if (!gossip_read_digest(body, &digest)) return false;
    if (peer) peer_lives(peer, loop_now_ms(gossip->loop), digest.within_ms);
    if (digest.told != total(peer_heard(peer))) {
        buffer_clear(&gossip->body);
        gossip_write_compare(&gossip->body, peer_heard(peer));
        publish_to_worker(gossip, origin);
    } else if (!peer && digest.heard > 0) {
        tell_digest(gossip, origin, NULL);
    }
    return true;
}

static bool is_told(const struct forum *forum) {
    return forum->is_followed && forum->views.told > 0;
}

/* Those that differ, a bit each, as many as make one list. */
static uint64_t buckets_to_list(const struct gossip *gossip, const uint64_t ours[GOSSIP_BUCKETS],
                                const uint64_t theirs[GOSSIP_BUCKETS]) {
    size_t sizes[GOSSIP_BUCKETS] = {0}, cursor = 0, listed = 0;
    uint64_t buckets = 0;
    for (const struct forum *forum; (forum = map_next(gossip->forums, &cursor));)
        sizes[views_bucket(&forum->views)] += is_told(forum);
    for (unsigned i = 0; i < GOSSIP_BUCKETS; i++) {
        if (ours[i] == theirs[i] || (listed > 0 && listed + sizes[i] > LISTED_MAX)) continue;
        buckets |= (uint64_t)1 << i;
        listed += sizes[i];
    }
    return buckets;
}

static bool take_compare(struct gossip *gossip, struct slice origin, struct slice body) {
    uint64_t theirs[GOSSIP_BUCKETS];
    const struct peer *peer = peer_find(gossip->peers, origin);
    size_t cursor = 0;
    if (!gossip_read_compare(body, theirs)) return false;
    uint64_t buckets = buckets_to_list(gossip, peer_told(peer), theirs);
    if (buckets == 0) return true;
    buffer_clear(&gossip->body);
    gossip_write_list(&gossip->body, buckets);
    for (const struct forum *forum; (forum = map_next(gossip->forums, &cursor));) {
        if (!is_told(forum) || !(buckets >> views_bucket(&forum->views) & 1)) continue;
        bool is_known = peer && view_find(&forum->views, peer);
        gossip_write_listed(&gossip->body, &(struct gossip_listed){forum_id(forum), forum->views.told, is_known});
    }
    publish_to_worker(gossip, origin);
    return true;
}

static void hear_listed(struct gossip *gossip, struct peer *peer, const struct gossip_listed *listed) {
    struct forum *forum = map_find(gossip->forums, listed->channel_id);
    uint64_t now_ms = loop_now_ms(gossip->loop);
    if (!forum || !forum->is_followed) {
        if (listed->is_known) forum_want_whole(forum_get(gossip, listed->channel_id)); /* told as a PASS */
        return;
    }
    struct view *view = view_get(&forum->views, peer, now_ms);
    bool is_heard = view_is_listed(view, listed->version, gossip->lists);
    if ((!is_heard || !listed->is_known) && view_may_ask(view, now_ms, ASK_MS)) ask(forum, peer_id(peer));
}

static bool take_list(struct gossip *gossip, struct slice origin, struct slice body) {
    uint64_t buckets;
    struct slice entries;
    struct gossip_listed listed;
    if (!gossip_read_list(body, &buckets, &entries)) return false;
    if (bus_is_degraded(gossip->bus)) return true;
    struct peer *peer = peer_heard_now(gossip, origin);
    gossip->lists++;
    while (entries.len > 0 && gossip_read_listed(&entries, &listed)) hear_listed(gossip, peer, &listed);
    peer_drop_unlisted(peer, buckets, gossip->lists, loop_now_ms(gossip->loop));
    return true;
}

static bool take_comparison(struct gossip *gossip, enum gossip_kind kind, struct slice topic,
                            const struct bus_message *message, struct slice body) {
    if (topic.len == 0 || topic.ptr[0] != '!') return false;
    switch (kind) {
        case GOSSIP_DIGEST:
            return take_digest(gossip, message->origin, body);
        case GOSSIP_COMPARE:
            return take_compare(gossip, message->origin, body);
        default:
            return take_list(gossip, message->origin, body);
    }
}

/* Hearing. */

static bool take_ask(struct gossip *gossip, struct slice topic, struct slice origin, struct slice body) {
    struct slice user_id = topic_user(topic), asked;
    if (!gossip_read_ask(body, &asked)) return false;
    if (user_id.len > 0) {
        gossip_said(gossip, user_id);
        return true;
    }
    struct forum *forum = map_find(gossip->forums, topic_channel(topic));
    if (!forum) return true;
    (void)view_get(&forum->views, peer_heard_now(gossip, origin), loop_now_ms(gossip->loop));
    if (asked.len == 0 || slice_equal(asked, bus_worker_id(gossip->bus))) forum_tell_whole(forum);
    return true;
}

static bool take_tell(struct gossip *gossip, struct slice topic, struct slice origin, struct slice body, bool is_pass) {
    struct gossip_tell tell;
    struct slice channel_id = topic_channel(topic);
    if (channel_id.len == 0 || !gossip_read_tell(body, &tell)) return false;
    struct forum *forum = map_find(gossip->forums, channel_id);
    if (!forum || !forum->is_followed) return true;
    uint64_t now_ms = loop_now_ms(gossip->loop);
    struct view *view = view_get(&forum->views, peer_heard_now(gossip, origin), now_ms);
    if (!view_take(view, &tell, now_ms) && view_may_ask(view, now_ms, ASK_MS)) ask(forum, origin);
    if (is_pass) view_pass(view);
    return true;
}

static bool take_word(struct gossip *gossip, struct slice topic, struct slice body) {
    struct presence_word word;
    if (topic_user(topic).len == 0 || !gossip_read_word(body, &word)) return false;
    presence_hear(gossip->presence, topic_user(topic), &word);
    return true;
}

static bool take_notice(struct gossip *gossip, enum gossip_kind kind, struct slice topic, struct slice origin) {
    if (topic.len > 0) return false;
    if (kind == GOSSIP_HELLO)
        peers_replaced(gossip->peers, origin);
    else
        peers_will_go(gossip->peers, origin);
    return true;
}

bool gossip_take(struct gossip *gossip, struct slice topic, const struct bus_message *message) {
    struct slice body = message->body;
    enum gossip_kind kind = gossip_read_kind(&body);
    switch (kind) {
        case GOSSIP_ASK:
            return take_ask(gossip, topic, message->origin, body);
        case GOSSIP_TELL:
        case GOSSIP_PASS:
            return take_tell(gossip, topic, message->origin, body, kind == GOSSIP_PASS);
        case GOSSIP_WORD:
            return take_word(gossip, topic, body);
        case GOSSIP_HELLO:
        case GOSSIP_FAREWELL:
            return body.len == 0 && take_notice(gossip, kind, topic, message->origin);
        case GOSSIP_DIGEST:
        case GOSSIP_COMPARE:
        case GOSSIP_LIST:
            return take_comparison(gossip, kind, topic, message, body);
    }
    return false;
}

void gossip_gone(struct gossip *gossip, struct slice worker_id) {
    peers_gone(gossip->peers, worker_id);
}

/* The whole. */

struct gossip *gossip_new(struct loop *loop, struct presence *presence, struct bus *bus,
                          const struct presence_settings *settings) {
    struct gossip *gossip = NEW(struct gossip);
    gossip->loop = loop;
    gossip->presence = presence;
    gossip->bus = bus;
    gossip->forums = map_new();
    gossip->peers = peers_new(loop, bus);
    list_init(&gossip->fresh);
    list_init(&gossip->order);
    list_init(&gossip->due);
    loop_timer_init(&gossip->tick, loop, tick);
    loop_timer_init(&gossip->digest, loop, digest);
    gossip_set(gossip, settings);
    if (bus_is_alone(bus)) return gossip;
    topic_write_worker(&gossip->topic, bus_worker_id(bus));
    bus_subscribe(bus, buffer_slice(&gossip->topic));
    return gossip;
}

void gossip_set(struct gossip *gossip, const struct presence_settings *settings) {
    gossip->settings = *settings;
    peers_set_grace(gossip->peers, settings->grace_ms);
}

void gossip_free(struct gossip **gossip_owner) {
    struct gossip *gossip = *gossip_owner;
    *gossip_owner = NULL;
    if (!gossip) return;
    size_t cursor = 0;
    for (struct forum *forum; (forum = map_next(gossip->forums, &cursor));) forum_free(forum);
    peers_free(&gossip->peers);
    loop_timer_cancel(&gossip->tick);
    loop_timer_cancel(&gossip->digest);
    map_free(&gossip->forums);
    buffer_done(&gossip->topic);
    buffer_done(&gossip->body);
    free(gossip);
}
