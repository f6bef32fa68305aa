/* SPDX-License-Identifier: Apache-2.0 */
/* Sentinels: asks each for the master and listens for +switch-master; the majority's answer counts. */
#include <stdlib.h>

#include "base/log.h"
#include "redis/redis_internal.h"
#include "redis/redis_owners.h"
#include "redis/redis_request.h"
#include "redis/redis_slots.h"
#include "redis/resp.h"

enum { ASK_EVERY_MS = 2000, ASK_APART_MS = 100 };

/* One Sentinel. A subscribed connection cannot send questions, so there are two. */
struct sentinel {
    struct redis_sentinels *all;
    struct redis_link question, news;
    char *says; /* "host:port"; NULL: no answer, or away */
};

struct redis_sentinels {
    struct redis_topology topology;
    struct redis *redis;
    struct redis_link_settings link_settings;
    struct loop_timer timer;
    uint64_t asked_ms;
    char *master; /* the current address; NULL: none so far */
    size_t len;
    struct sentinel sentinels[];
};

static unsigned votes_for(const struct redis_sentinels *all, const char *address) {
    unsigned votes = 0;
    for (size_t i = 0; address && i < all->len; i++)
        votes += all->sentinels[i].says && strcmp(all->sentinels[i].says, address) == 0;
    return votes;
}

/* Chooses the address that most answers name; on a tie the current one stays. */
static void count_votes(struct redis_sentinels *all) {
    const char *best = all->master;
    unsigned most = votes_for(all, best);
    for (size_t i = 0; i < all->len; i++) {
        unsigned votes = votes_for(all, all->sentinels[i].says);
        if (votes > most) {
            most = votes;
            best = all->sentinels[i].says;
        }
    }
    if (!best || best == all->master || (all->master && strcmp(best, all->master) == 0)) return;
    struct redis_node *node = redis_node_at(all->redis, slice_of(best));
    if (!node) return;
    LOG(LOG_INFO, "redis.master", LOG_TEXT("node", best), LOG_NUMBER("votes", most));
    char *master = memory_copy(best, strlen(best));
    free(all->master);
    all->master = master;
    all->topology.hopeless = false;
    redis_owners_set(all->redis, &(struct slot_range){0, REDIS_SLOTS - 1, node}, 1);
}

static void says(struct sentinel *sentinel, struct slice host, struct slice port) {
    struct buffer address = {0};
    if (host.len && port.len) {
        buffer_printf(&address, memchr(host.ptr, ':', host.len) ? "[%.*s]:" : "%.*s:", SLICE_ARG(host));
        buffer_append_slice(&address, port);
    }
    free(sentinel->says);
    sentinel->says = address.len ? memory_copy(address.ptr, address.len) : NULL;
    buffer_done(&address);
    count_votes(sentinel->all);
}

/* --- the connection that asks --- */

static void ask(struct sentinel *sentinel) {
    struct buffer question = {0};
    if (sentinel->question.state != LINK_READY) return;
    resp_append_command(&question, REDIS_ARGS(SLICE("SENTINEL"), SLICE("get-master-addr-by-name"),
                                              slice_of(sentinel->all->redis->settings.master)));
    redis_link_write(&sentinel->question, buffer_slice(&question));
    buffer_done(&question);
}

static void question_ready(struct redis_link *link) {
    ask(CONTAINER(link, struct sentinel, question));
}

static void question_reply(struct redis_link *link, const struct redis_value *value) {
    struct sentinel *sentinel = CONTAINER(link, struct sentinel, question);
    if (value->type == REDIS_ERROR)
        LOG(LOG_WARNING, "redis.sentinel", LOG_TEXT("host", link->host), LOG_NUMBER("port", link->port),
            LOG_SLICE("error", value->text));
    says(sentinel, resp_item(value, 0)->text, resp_item(value, 1)->text);
}

static void question_idle(struct redis_link *link) {
    ask(CONTAINER(link, struct sentinel, question));
}

/* While no master is known and no Sentinel can be reached, the topology is hopeless. */
static void question_closed(struct redis_link *link, bool was_ready) {
    struct sentinel *sentinel = CONTAINER(link, struct sentinel, question);
    struct redis_sentinels *all = sentinel->all;
    bool hopeless = !all->master;
    free(sentinel->says);
    sentinel->says = NULL;
    for (size_t i = 0; i < all->len; i++) hopeless &= all->sentinels[i].question.failures > 0;
    if (hopeless == all->topology.hopeless) return;
    all->topology.hopeless = hopeless;
    redis_changed(all->redis);
}

static const struct redis_link_events question_events = {question_ready, question_reply, question_idle,
                                                         question_closed};

/* --- the connection that listens --- */

static void send_news(struct redis_link *link, const struct slice *argv, size_t argc) {
    struct buffer command = {0};
    resp_append_command(&command, argv, argc);
    redis_link_write(link, buffer_slice(&command));
    buffer_done(&command);
}

static void news_ready(struct redis_link *link) {
    send_news(link, REDIS_ARGS(SLICE("SUBSCRIBE"), SLICE("+switch-master")));
}

static void news_idle(struct redis_link *link) {
    send_news(link, REDIS_ARGS(SLICE("PING")));
}

static struct slice next_word(struct slice *rest) {
    const char *space = rest->len ? memchr(rest->ptr, ' ', rest->len) : NULL;
    struct slice word = {rest->ptr, space ? (size_t)(space - rest->ptr) : rest->len};
    *rest = slice_from(*rest, word.len + 1);
    return word;
}

/* "mymaster old-host old-port new-host new-port". Asks the other Sentinels whether they agree. */
static void news_reply(struct redis_link *link, const struct redis_value *value) {
    struct sentinel *sentinel = CONTAINER(link, struct sentinel, news);
    struct slice text = resp_item(value, 2)->text, words[5];
    if (!resp_is(resp_item(value, 0), "message")) return;
    for (size_t i = 0; i < 5; i++) words[i] = next_word(&text);
    if (!slice_is(words[0], sentinel->all->redis->settings.master)) return;
    says(sentinel, words[3], words[4]);
    redis_look(sentinel->all->redis);
}

static void news_closed(struct redis_link *link, bool was_ready) {
    (void)link, (void)was_ready; /* redialled; questions go on meanwhile */
}

static const struct redis_link_events news_events = {news_ready, news_reply, news_idle, news_closed};

/* --- all of them --- */

static void ask_all(struct loop_timer *timer) {
    struct redis_sentinels *all = CONTAINER(timer, struct redis_sentinels, timer);
    for (size_t i = 0; i < all->len; i++) ask(&all->sentinels[i]);
    all->asked_ms = loop_now_ms(all->redis->loop);
    loop_timer_set(timer, redis_link_backoff_ms(0, ASK_EVERY_MS, ASK_EVERY_MS));
}

static void look(struct redis_topology *topology) {
    struct redis_sentinels *all = CONTAINER(topology, struct redis_sentinels, topology);
    uint64_t now_ms = loop_now_ms(all->redis->loop), next_ms = all->asked_ms + ASK_APART_MS;
    loop_timer_set(&all->timer, next_ms > now_ms ? next_ms - now_ms : 0);
}

static void free_topology(struct redis_topology *topology) {
    struct redis_sentinels *all = CONTAINER(topology, struct redis_sentinels, topology);
    loop_timer_cancel(&all->timer);
    for (size_t i = 0; i < all->len; i++) {
        redis_link_done(&all->sentinels[i].question);
        redis_link_done(&all->sentinels[i].news);
        free(all->sentinels[i].says);
    }
    free(all->master);
    free(all);
}

static const struct redis_topology_ops ops = {look, free_topology};

struct redis_topology *redis_sentinel_new(struct redis *redis) {
    size_t len = redis->settings.nodes_len;
    struct redis_sentinels *all = memory_new(sizeof(*all) + len * sizeof(*all->sentinels));
    all->topology.ops = &ops;
    all->redis = redis;
    all->len = len;
    all->link_settings = (struct redis_link_settings){.connect_ms = redis->settings.connect_ms,
                                                      .reply_bytes = redis->settings.reply_bytes};
    loop_timer_init(&all->timer, redis->loop, ask_all);
    loop_timer_set(&all->timer, redis_link_backoff_ms(0, ASK_EVERY_MS, ASK_EVERY_MS));
    for (size_t i = 0; i < len; i++) {
        struct sentinel *sentinel = &all->sentinels[i];
        const char *address = redis->settings.nodes[i];
        sentinel->all = all;
        redis_link_init(&sentinel->question, redis->loop, redis->resolver, address, &all->link_settings,
                        &question_events);
        redis_link_init(&sentinel->news, redis->loop, redis->resolver, address, &all->link_settings, &news_events);
        redis_link_start(&sentinel->question);
        redis_link_start(&sentinel->news);
    }
    return &all->topology;
}
