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

enum { DIGEST_TICK_MS = 500, DIGESTS_MAX = 1000, ASK_MS = 1000 };

/* A channel of which this worker has something to tell, or wants to hear. */
struct forum {
    struct gossip *gossip;
    struct list order_link; /* in gossip->order */
    struct list due_link;   /* in gossip->due */
    struct views views;
    uint64_t version;      /* of what was told last; 0: nothing */
    struct buffer changed; /* users of whom the others do not know yet, as parts */
    bool is_followed, wants_whole, told_names;
    uint64_t followed_ms; /* since then */
    uint64_t digest_ms;
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
    struct list order; /* whose digest is due first is first */
    struct list due;   /* with something to tell */
    uint64_t version;
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
    list_init(&forum->due_link);
    views_init(&forum->views, gossip->presence, forum_id(forum));
    map_put(gossip->forums, forum_id(forum), forum);
    forum->digest_ms = loop_now_ms(gossip->loop) + GOSSIP_DIGEST_MS;
    list_append(&gossip->order, &forum->order_link);
    if (!loop_timer_pending(&gossip->digest)) loop_timer_set(&gossip->digest, DIGEST_TICK_MS);
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

/* To all who listen, if anything was or is to be told: it may have been told before this worker listened itself. */
static void forum_tell_whole(struct forum *forum) {
    if (forum->version == 0 && forum_online(forum) == 0) return;
    forum->wants_whole = true;
    forum_due(forum);
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
    struct gossip_tell head = {.from = forum->version, .to = forum->version};
    head.online = forum_online(forum);
    head.names = head.online <= gossip->settings.names_max;
    bool whole = forum->wants_whole || !head.names || !forum->told_names || forum->version == 0;
    if (whole) head.from = 0;
    if (forum->changed.len > 0 || forum->version == 0) head.to = forum->version = ++gossip->version;
    buffer_clear(&gossip->body);
    gossip_write_tell(&gossip->body, &head);
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

static void forum_digest(struct forum *forum) {
    struct gossip *gossip = forum->gossip;
    if (gossip->deaf_ms + GOSSIP_SILENT_MS <= loop_now_ms(gossip->loop))
        views_drop_silent(&forum->views, loop_now_ms(gossip->loop));
    if (views_empty(&forum->views) || !list_empty(&forum->due_link)) return;
    const struct gossip_tell head = {
        .from = forum->version,
        .to = forum->version,
        .online = forum_online(forum),
        .names = forum->told_names || forum->version == 0,
    };
    buffer_clear(&gossip->body);
    gossip_write_tell(&gossip->body, &head);
    publish_on_channel(gossip, forum_id(forum));
}

static void digest(struct loop_timer *timer) {
    struct gossip *gossip = CONTAINER(timer, struct gossip, digest);
    uint64_t now_ms = loop_now_ms(gossip->loop);
    if (!list_empty(&gossip->order)) loop_timer_set(timer, DIGEST_TICK_MS);
    if (bus_is_degraded(gossip->bus)) {
        gossip->deaf_ms = now_ms;
        return;
    }
    for (unsigned told = 0; told < DIGESTS_MAX && !list_empty(&gossip->order); told++) {
        struct forum *forum = CONTAINER(gossip->order.next, struct forum, order_link);
        if (forum->digest_ms > now_ms) return;
        forum->digest_ms = now_ms + GOSSIP_DIGEST_MS;
        list_remove(&forum->order_link);
        list_append(&gossip->order, &forum->order_link);
        forum_digest(forum);
    }
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

/* Listening. */

static void subscribed_to_channel(struct gossip *gossip, struct slice channel_id) {
    struct forum *forum = forum_get(gossip, channel_id);
    forum->is_followed = true;
    forum->followed_ms = loop_now_ms(gossip->loop);
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

void gossip_unfollow(struct gossip *gossip, struct slice channel_id) {
    struct forum *forum = map_find(gossip->forums, channel_id);
    if (forum) forum_free(forum);
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
    (void)view_get(&forum->views, peer_get(gossip->peers, origin), loop_now_ms(gossip->loop));
    if (asked.len == 0 || slice_equal(asked, bus_worker_id(gossip->bus))) forum_tell_whole(forum);
    return true;
}

static bool take_tell(struct gossip *gossip, struct slice topic, struct slice origin, struct slice body) {
    struct gossip_tell tell;
    struct slice channel_id = topic_channel(topic);
    if (channel_id.len == 0 || !gossip_read_tell(body, &tell)) return false;
    struct forum *forum = map_find(gossip->forums, channel_id);
    if (!forum || !forum->is_followed) return true;
    uint64_t now_ms = loop_now_ms(gossip->loop);
    struct view *view = view_get(&forum->views, peer_get(gossip->peers, origin), now_ms);
    if (!view_take(view, &tell, now_ms) && view_may_ask(view, now_ms, ASK_MS)) ask(forum, origin);
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
            return take_tell(gossip, topic, message->origin, body);
        case GOSSIP_WORD:
            return take_word(gossip, topic, body);
        case GOSSIP_HELLO:
        case GOSSIP_FAREWELL:
            return body.len == 0 && take_notice(gossip, kind, topic, message->origin);
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
    list_init(&gossip->order);
    list_init(&gossip->due);
    loop_timer_init(&gossip->tick, loop, tick);
    loop_timer_init(&gossip->digest, loop, digest);
    gossip_set(gossip, settings);
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
    LIST_EACH(&gossip->order, link) forum_free(CONTAINER(link, struct forum, order_link));
    peers_free(&gossip->peers);
    loop_timer_cancel(&gossip->tick);
    loop_timer_cancel(&gossip->digest);
    map_free(&gossip->forums);
    buffer_done(&gossip->topic);
    buffer_done(&gossip->body);
    free(gossip);
}
