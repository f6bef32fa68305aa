#include "channel/heads.h"

#include <stdlib.h>

#include "base/fault.h"
#include "base/hash.h"
#include "base/metrics.h"
#include "loop/loop.h"
#include "store/store.h"
#include "wire/json.h"

/* A part of the store. Each list is in the order of checked_ms: who was asked about the longest ago comes first, but
 * for those due. */
struct heads_part {
    struct heads *heads;
    struct list active, idle;
    size_t idle_len;
    unsigned queries_len, failures; /* under way; in a row */
    uint64_t retry_ms;              /* nothing is asked before it */
    struct loop_timer tick;
};

struct heads {
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

/* One that is with the store. part is NULL when the heads have gone before it. */
struct query {
    struct list link;
    struct heads_part *part;
    uint64_t number;
};

enum { QUERIES_MAX = 2 }; /* of a part */

static uint64_t active_every_ms(const struct heads *heads) {
    return heads->is_hurried ? HEADS_HURRIED_MS : HEADS_ACTIVE_MS;
}

/* So long that all of them take a query in each active_every_ms. */
static uint64_t idle_every_ms(const struct heads_part *part) {
    uint64_t least_ms = active_every_ms(part->heads), every_ms = part->idle_len * least_ms / STORE_HEADS_MAX;
    return every_ms < least_ms ? least_ms : every_ms > HEADS_IDLE_MS ? HEADS_IDLE_MS : every_ms;
}

/* Workers that began together must not go on asking together. */
static void arm(struct heads_part *part) {
    if (list_empty(&part->active) && list_empty(&part->idle)) return;
    uint64_t step_ms = active_every_ms(part->heads) / 8;
    loop_timer_set(&part->tick, step_ms + hash_draw(&part->heads->draws, step_ms));
}

static void enlist(struct heads_watch *watch, bool is_idle) {
    struct heads_part *part = watch->part;
    part->idle_len -= watch->is_idle;
    part->idle_len += is_idle;
    watch->is_idle = is_idle;
    list_remove(&watch->link);
    list_append(is_idle ? &part->idle : &part->active, &watch->link);
}

/* Takes those that are due into the query's text, while there is room. */
static void take_due(struct heads *heads, struct list *from, uint64_t every_ms, struct buffer *text, unsigned *len) {
    uint64_t now_ms = loop_now_ms(heads->loop);
    while (!list_empty(from)) {
        struct heads_watch *watch = CONTAINER(from->next, struct heads_watch, link);
        if (*len == STORE_HEADS_MAX || (!watch->is_due && watch->checked_ms + every_ms > now_ms)) return;
        buffer_append_char(text, (*len)++ == 0 ? '[' : ',');
        json_write_string(text, watch->channel_id);
        watch->checked_ms = now_ms;
        watch->is_due = false;
        watch->query = heads->queries_made + 1;
        enlist(watch, watch->moved_ms + HEADS_IDLE_AFTER_MS <= now_ms);
    }
}

static void answered(struct store_request *request);

/* False: nothing is due. */
static bool ask(struct heads_part *part) {
    struct heads *heads = part->heads;
    struct buffer text = {0};
    unsigned len = 0;
    take_due(heads, &part->active, active_every_ms(heads), &text, &len);
    take_due(heads, &part->idle, idle_every_ms(part), &text, &len);
    if (len > 0) {
        struct query *query = NEW(struct query);
        query->part = part;
        query->number = ++heads->queries_made;
        list_append(&heads->queries, &query->link);
        part->queries_len++;
        buffer_append_char(&text, ']');
        struct store_request *request = store_request_new(STORE_HEADS, answered, query);
        request->text = store_request_copy(request, buffer_slice(&text));
        metric_add(METRIC_HEADS_CHECKED, len);
        store_submit(heads->store, &request);
    }
    buffer_done(&text);
    return len > 0;
}

static void ask_all(struct heads_part *part) {
    if (loop_now_ms(part->heads->loop) < part->retry_ms) return;
    while (part->queries_len < QUERIES_MAX && ask(part)) continue;
}

/* The channels that the query asked about come first again. */
static void make_due(struct list *list, uint64_t query) {
    struct list due;
    list_init(&due);
    LIST_EACH(list, link) {
        struct heads_watch *watch = CONTAINER(link, struct heads_watch, link);
        if (watch->query != query) continue;
        watch->is_due = true;
        list_remove(link);
        list_append(&due, link);
    }
    list_splice(&due, list);
    list_splice(list, &due);
}

static void query_failed(struct heads_part *part, uint64_t query) {
    uint64_t pause_ms = part->failures < 8 ? (uint64_t)HEADS_RETRY_MS << part->failures : HEADS_RETRY_MOST_MS;
    if (pause_ms > HEADS_RETRY_MOST_MS) pause_ms = HEADS_RETRY_MOST_MS;
    part->failures++;
    part->retry_ms = loop_now_ms(part->heads->loop) + hash_spread(&part->heads->draws, pause_ms);
    make_due(&part->active, query);
    make_due(&part->idle, query);
}

static void tell(struct heads *heads, struct slice row) {
    struct json_walk walk;
    struct slice id, seq, epoch;
    struct buffer text = {0};
    int64_t number;
    json_walk_init(&walk, row);
    if (!json_walk_item(&walk, &id) || !json_walk_item(&walk, &seq) || !json_walk_item(&walk, &epoch)) return;
    json_string(id, &text);
    size_t id_len = text.len;
    json_string(epoch, &text);
    struct slice both = buffer_slice(&text);
    if (json_integer(seq, &number))
        heads->found(heads->owner, (struct slice){both.ptr, id_len}, number, slice_from(both, id_len));
    buffer_done(&text);
}

static void tell_all(struct heads *heads, const struct store_request *request) {
    struct json_walk walk;
    struct slice row;
    json_walk_init(&walk, buffer_slice(&request->json));
    while (json_walk_item(&walk, &row)) tell(heads, row);
}

static void answered(struct store_request *request) {
    struct query *query = request->owner;
    struct heads_part *part = query->part;
    if (part) {
        list_remove(&query->link);
        part->queries_len--;
        if (request->status != STORE_OK || request->partial) {
            query_failed(part, query->number);
        } else {
            part->failures = 0;
            tell_all(part->heads, request);
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

static struct heads_part *find_part(struct heads *heads, unsigned number) {
    for (; heads->parts_len <= number; heads->parts_len++) {
        struct heads_part *part = NEW(struct heads_part);
        part->heads = heads;
        list_init(&part->active);
        list_init(&part->idle);
        loop_timer_init(&part->tick, heads->loop, ticked);
        heads->parts = memory_resize(heads->parts, (heads->parts_len + 1) * sizeof *heads->parts);
        heads->parts[heads->parts_len] = part;
    }
    return heads->parts[number];
}

void heads_add(struct heads *heads, struct heads_watch *watch, struct slice channel_id) {
    *watch = (struct heads_watch){.channel_id = channel_id};
    watch->part = find_part(heads, store_part_of(heads->store, channel_id));
    list_init(&watch->link);
    heads_moved(heads, watch);
}

void heads_remove(struct heads *heads, struct heads_watch *watch) {
    watch->part->idle_len -= watch->is_idle;
    list_remove(&watch->link);
}

void heads_moved(struct heads *heads, struct heads_watch *watch) {
    watch->checked_ms = watch->moved_ms = loop_now_ms(heads->loop);
    watch->query = 0;
    enlist(watch, false);
    if (!loop_timer_pending(&watch->part->tick)) arm(watch->part);
}

void heads_check(struct heads *heads, struct heads_watch *watch) {
    watch->is_due = true;
    struct list *at = watch->is_idle ? &watch->part->idle : &watch->part->active;
    list_remove(&watch->link);
    list_append(at->next, &watch->link);
    loop_timer_set(&watch->part->tick, 1);
}

void heads_hurry(struct heads *heads, bool is_hurried) {
    heads->is_hurried = is_hurried;
    for (unsigned i = 0; i < heads->parts_len; i++) arm(heads->parts[i]);
}

struct heads *heads_new(struct loop *loop, struct store *store,
                        void (*found)(void *owner, struct slice channel_id, int64_t seq, struct slice epoch),
                        void *owner) {
    struct heads *heads = NEW(struct heads);
    heads->loop = loop;
    heads->store = store;
    heads->found = found;
    heads->owner = owner;
    list_init(&heads->queries);
    return heads;
}

void heads_free(struct heads **heads_owner) {
    struct heads *heads = *heads_owner;
    *heads_owner = NULL;
    if (!heads) return;
    LIST_EACH(&heads->queries, link) {
        CONTAINER(link, struct query, link)->part = NULL;
        list_remove(link);
    }
    for (unsigned i = 0; i < heads->parts_len; i++) {
        loop_timer_cancel(&heads->parts[i]->tick);
        free(heads->parts[i]);
    }
    free(heads->parts);
    free(heads);
}
