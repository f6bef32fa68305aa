/* SPDX-License-Identifier: Apache-2.0 */
#include "channel/tail_check.h"

#include <stdlib.h>

#include "base/fault.h"
#include "base/hash.h"
#include "base/metrics.h"
#include "loop/loop.h"
#include "store/store.h"

/* A part of the store. Each list is ordered by checked_ms, the longest ago first; channels that are due come before all
 * others. */
struct heads_part {
    struct tail_check *tail_check;
    struct list active, idle;
    size_t idle_len;
    unsigned queries_len, failures; /* queries under way; failures in a row */
    uint64_t retry_ms;              /* no query before this time */
    struct loop_timer tick;
};

struct tail_check {
    struct loop *loop;
    struct store *store;
    void (*found)(void *owner, struct slice channel_id, int64_t seq, struct slice epoch);
    void *owner;
    struct heads_part **parts;
    unsigned parts_len;
    bool is_hurried;
    struct list queries;
    uint64_t draws, queries_made;
};

/* A query that the store has. part is NULL if the tail check was freed first. */
struct tail_query {
    struct list link;
    struct heads_part *part;
    uint64_t number;
};

enum { QUERIES_MAX = 2 }; /* under way in a part */

static uint64_t active_every_ms(const struct tail_check *tail_check) {
    return tail_check->is_hurried ? TAIL_CHECK_HURRIED_MS : TAIL_CHECK_ACTIVE_MS;
}

/* The interval at which all idle channels together take one query each active_every_ms. */
static uint64_t idle_every_ms(const struct heads_part *part) {
    uint64_t least_ms = active_every_ms(part->tail_check), every_ms = part->idle_len * least_ms / STORE_HEADS_MAX;
    return every_ms < least_ms ? least_ms : every_ms > TAIL_CHECK_IDLE_MS ? TAIL_CHECK_IDLE_MS : every_ms;
}

/* Random, so that workers that began together do not keep asking together. */
static void arm(struct heads_part *part) {
    if (list_empty(&part->active) && list_empty(&part->idle)) return;
    uint64_t step_ms = active_every_ms(part->tail_check) / 8;
    loop_timer_set(&part->tick, step_ms + hash_draw(&part->tail_check->draws, step_ms));
}

static void enlist(struct tail_check_watch *watch, bool is_idle) {
    struct heads_part *part = watch->part;
    part->idle_len -= watch->is_idle;
    part->idle_len += is_idle;
    watch->is_idle = is_idle;
    list_remove(&watch->link);
    list_append(is_idle ? &part->idle : &part->active, &watch->link);
}

/* Moves channels that are due into the request, while there is room. */
static void take_due(struct tail_check *tail_check, struct list *from, uint64_t every_ms, struct store_request *request,
                     unsigned *len) {
    uint64_t now_ms = loop_now_ms(tail_check->loop);
    while (!list_empty(from)) {
        struct tail_check_watch *watch = CONTAINER(from->next, struct tail_check_watch, link);
        if (*len == STORE_HEADS_MAX || (!watch->is_due && watch->checked_ms + every_ms > now_ms)) return;
        store_heads_add(request, watch->channel_id);
        (*len)++;
        watch->checked_ms = now_ms;
        watch->is_due = false;
        watch->query = tail_check->queries_made + 1;
        enlist(watch, watch->moved_ms + TAIL_CHECK_IDLE_AFTER_MS <= now_ms);
    }
}

static void answered(struct store_request *request);

/* False: nothing is due. */
static bool ask(struct heads_part *part) {
    struct tail_check *tail_check = part->tail_check;
    struct tail_query *query = NEW(struct tail_query);
    struct store_request *request = store_request_new(STORE_HEADS, answered, query);
    unsigned len = 0;
    take_due(tail_check, &part->active, active_every_ms(tail_check), request, &len);
    take_due(tail_check, &part->idle, idle_every_ms(part), request, &len);
    if (len == 0) {
        store_request_free(&request);
        free(query);
        return false;
    }
    query->part = part;
    query->number = ++tail_check->queries_made;
    list_append(&tail_check->queries, &query->link);
    part->queries_len++;
    metric_add(METRIC_HEADS_CHECKED, len);
    store_submit(tail_check->store, &request);
    return true;
}

static void ask_all(struct heads_part *part) {
    if (loop_now_ms(part->tail_check->loop) < part->retry_ms) return;
    while (part->queries_len < QUERIES_MAX && ask(part)) continue;
}

/* Moves the channels of the query back to the front. */
static void make_due(struct list *list, uint64_t query) {
    struct list due;
    list_init(&due);
    LIST_EACH(list, link) {
        struct tail_check_watch *watch = CONTAINER(link, struct tail_check_watch, link);
        if (watch->query != query) continue;
        watch->is_due = true;
        list_remove(link);
        list_append(&due, link);
    }
    list_splice(&due, list);
    list_splice(list, &due);
}

static void query_failed(struct heads_part *part, uint64_t query) {
    uint64_t pause_ms = part->failures < 8 ? (uint64_t)TAIL_CHECK_RETRY_MS << part->failures : TAIL_CHECK_RETRY_MOST_MS;
    if (pause_ms > TAIL_CHECK_RETRY_MOST_MS) pause_ms = TAIL_CHECK_RETRY_MOST_MS;
    part->failures++;
    part->retry_ms = loop_now_ms(part->tail_check->loop) + hash_spread(&part->tail_check->draws, pause_ms);
    make_due(&part->active, query);
    make_due(&part->idle, query);
}

static void tell_all(struct tail_check *tail_check, const struct store_request *request) {
    size_t len;
    const struct store_head *heads = store_heads(request, &len);
    for (size_t i = 0; i < len; i++)
        if (heads[i].at.seq >= 0)
            tail_check->found(tail_check->owner, heads[i].channel_id, heads[i].at.seq, slice_of(heads[i].at.epoch));
}

static void answered(struct store_request *request) {
    struct tail_query *query = request->owner;
    struct heads_part *part = query->part;
    if (part) {
        list_remove(&query->link);
        part->queries_len--;
        if (request->status != STORE_OK || request->partial_r) {
            query_failed(part, query->number);
        } else {
            part->failures = 0;
            tell_all(part->tail_check, request);
        }
        ask_all(part);
    }
    free(query);
}

static void ticked(struct loop_timer *timer) {
    struct heads_part *part = CONTAINER(timer, struct heads_part, tick);
    if (!fault_planted("no_head_check")) ask_all(part);
    arm(part);
}

static struct heads_part *find_part(struct tail_check *tail_check, unsigned number) {
    for (; tail_check->parts_len <= number; tail_check->parts_len++) {
        struct heads_part *part = NEW(struct heads_part);
        part->tail_check = tail_check;
        list_init(&part->active);
        list_init(&part->idle);
        loop_timer_init(&part->tick, tail_check->loop, ticked);
        tail_check->parts = memory_resize(tail_check->parts, (tail_check->parts_len + 1) * sizeof *tail_check->parts);
        tail_check->parts[tail_check->parts_len] = part;
    }
    return tail_check->parts[number];
}

void tail_check_add(struct tail_check *tail_check, struct tail_check_watch *watch, struct slice channel_id) {
    *watch = (struct tail_check_watch){.channel_id = channel_id};
    watch->part = find_part(tail_check, store_part_of(tail_check->store, channel_id));
    list_init(&watch->link);
    tail_check_moved(tail_check, watch);
}

void tail_check_remove(struct tail_check *tail_check, struct tail_check_watch *watch) {
    watch->part->idle_len -= watch->is_idle;
    list_remove(&watch->link);
}

void tail_check_moved(struct tail_check *tail_check, struct tail_check_watch *watch) {
    watch->checked_ms = watch->moved_ms = loop_now_ms(tail_check->loop);
    watch->query = 0;
    enlist(watch, false);
    if (!loop_timer_pending(&watch->part->tick)) arm(watch->part);
}

void tail_check_check(struct tail_check *tail_check, struct tail_check_watch *watch) {
    watch->is_due = true;
    struct list *at = watch->is_idle ? &watch->part->idle : &watch->part->active;
    list_remove(&watch->link);
    list_append(at->next, &watch->link);
    loop_timer_set(&watch->part->tick, 1);
}

void tail_check_hurry(struct tail_check *tail_check, bool is_hurried) {
    tail_check->is_hurried = is_hurried;
    for (unsigned i = 0; i < tail_check->parts_len; i++) arm(tail_check->parts[i]);
}

struct tail_check *tail_check_new(struct loop *loop, struct store *store,
                                  void (*found)(void *owner, struct slice channel_id, int64_t seq, struct slice epoch),
                                  void *owner) {
    struct tail_check *tail_check = NEW(struct tail_check);
    tail_check->loop = loop;
    tail_check->store = store;
    tail_check->found = found;
    tail_check->owner = owner;
    list_init(&tail_check->queries);
    return tail_check;
}

void tail_check_free(struct tail_check **heads_owner) {
    struct tail_check *tail_check = *heads_owner;
    *heads_owner = NULL;
    if (!tail_check) return;
    LIST_EACH(&tail_check->queries, link) {
        CONTAINER(link, struct tail_query, link)->part = NULL;
        list_remove(link);
    }
    for (unsigned i = 0; i < tail_check->parts_len; i++) {
        loop_timer_cancel(&tail_check->parts[i]->tick);
        free(tail_check->parts[i]);
    }
    free(tail_check->parts);
    free(tail_check);
}
