#include "channel/heads.h"

#include <stdlib.h>

#include "base/fault.h"
#include "base/hash.h"
#include "base/metrics.h"
#include "loop/loop.h"
#include "store/store.h"
#include "wire/json.h"

/* Each list is in the order of checked_ms: who was asked about the longest ago comes first, but for those due. */
struct heads {
    struct loop *loop;
    struct store *store;
    void (*found)(void *owner, struct slice channel_id, int64_t seq, struct slice epoch);
    void *owner;
    struct list active, idle;
    size_t idle_len;
    bool is_hurried;
    struct list queries;
    unsigned queries_len;
    uint64_t ticks;
    struct loop_timer tick;
};

/* One that is with the store. heads is NULL when they have gone before it. */
struct query {
    struct list link;
    struct heads *heads;
};

enum { QUERIES_MAX = 2 };

static uint64_t active_every_ms(const struct heads *heads) {
    return heads->is_hurried ? HEADS_HURRIED_MS : HEADS_ACTIVE_MS;
}

/* So long that all of them take a query in each active_every_ms. */
static uint64_t idle_every_ms(const struct heads *heads) {
    uint64_t least_ms = active_every_ms(heads), every_ms = heads->idle_len * least_ms / STORE_HEADS_MAX;
    return every_ms < least_ms ? least_ms : every_ms > HEADS_IDLE_MS ? HEADS_IDLE_MS : every_ms;
}

/* Workers that began together must not go on asking together. */
static void arm(struct heads *heads) {
    if (list_empty(&heads->active) && list_empty(&heads->idle)) return;
    uint64_t step_ms = active_every_ms(heads) / 8, tick = heads->ticks++;
    uint64_t jitter = hash_local((struct slice){(const char *)&tick, sizeof tick});
    loop_timer_set(&heads->tick, step_ms + jitter % step_ms);
}

static void enlist(struct heads *heads, struct heads_watch *watch, bool is_idle) {
    heads->idle_len -= watch->is_idle;
    heads->idle_len += is_idle;
    watch->is_idle = is_idle;
    list_remove(&watch->link);
    list_append(is_idle ? &heads->idle : &heads->active, &watch->link);
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
        enlist(heads, watch, watch->moved_ms + HEADS_IDLE_AFTER_MS <= now_ms);
    }
}

static void answered(struct store_request *request);

/* False: nothing is due. */
static bool ask(struct heads *heads) {
    struct buffer text = {0};
    unsigned len = 0;
    take_due(heads, &heads->active, active_every_ms(heads), &text, &len);
    take_due(heads, &heads->idle, idle_every_ms(heads), &text, &len);
    if (len > 0) {
        struct query *query = NEW(struct query);
        query->heads = heads;
        list_append(&heads->queries, &query->link);
        heads->queries_len++;
        buffer_append_char(&text, ']');
        struct store_request *request = store_request_new(STORE_HEADS, answered, query);
        request->text = store_request_copy(request, buffer_slice(&text));
        metric_add(METRIC_HEADS_CHECKED, len);
        store_submit(heads->store, &request);
    }
    buffer_done(&text);
    return len > 0;
}

static void ask_all(struct heads *heads) {
    while (heads->queries_len < QUERIES_MAX && ask(heads)) continue;
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

static void answered(struct store_request *request) {
    struct query *query = request->owner;
    struct heads *heads = query->heads;
    if (heads) {
        struct json_walk walk;
        struct slice row;
        list_remove(&query->link);
        heads->queries_len--;
        if (request->status == STORE_OK) {
            json_walk_init(&walk, buffer_slice(&request->json));
            while (json_walk_item(&walk, &row)) tell(heads, row);
        }
        ask_all(heads);
    }
    free(query);
}

static void ticked(struct loop_timer *timer) {
    struct heads *heads = CONTAINER(timer, struct heads, tick);
    if (!fault_planted("no_head_check")) ask_all(heads);
    arm(heads);
}

void heads_add(struct heads *heads, struct heads_watch *watch, struct slice channel_id) {
    *watch = (struct heads_watch){.channel_id = channel_id};
    list_init(&watch->link);
    heads_moved(heads, watch);
}

void heads_remove(struct heads *heads, struct heads_watch *watch) {
    heads->idle_len -= watch->is_idle;
    list_remove(&watch->link);
}

void heads_moved(struct heads *heads, struct heads_watch *watch) {
    watch->checked_ms = watch->moved_ms = loop_now_ms(heads->loop);
    enlist(heads, watch, false);
    if (!loop_timer_pending(&heads->tick)) arm(heads);
}

void heads_check(struct heads *heads, struct heads_watch *watch) {
    watch->is_due = true;
    struct list *at = watch->is_idle ? &heads->idle : &heads->active;
    list_remove(&watch->link);
    list_append(at->next, &watch->link);
    loop_timer_set(&heads->tick, 1);
}

void heads_hurry(struct heads *heads, bool is_hurried) {
    heads->is_hurried = is_hurried;
    arm(heads);
}

struct heads *heads_new(struct loop *loop, struct store *store,
                        void (*found)(void *owner, struct slice channel_id, int64_t seq, struct slice epoch),
                        void *owner) {
    struct heads *heads = NEW(struct heads);
    heads->loop = loop;
    heads->store = store;
    heads->found = found;
    heads->owner = owner;
    list_init(&heads->active);
    list_init(&heads->idle);
    list_init(&heads->queries);
    loop_timer_init(&heads->tick, loop, ticked);
    return heads;
}

void heads_free(struct heads **heads_owner) {
    struct heads *heads = *heads_owner;
    *heads_owner = NULL;
    if (!heads) return;
    loop_timer_cancel(&heads->tick);
    LIST_EACH(&heads->queries, link) {
        CONTAINER(link, struct query, link)->heads = NULL;
        list_remove(link);
    }
    free(heads);
}
