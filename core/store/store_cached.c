/* SPDX-License-Identifier: Apache-2.0 */
#include "store/store_cached.h"

#include <stdlib.h>

#include "base/map.h"
#include "base/metrics.h"
#include "store/newest_page.h"
#include "store/recent_events.h"
#include "store/shard_map.h"
#include "store/store_driver.h"
#include "store/store_json.h"
#include "store/store_sound.h"
#include "wire/json.h"

/* Missing events are read in pages that end at the head, so that readers a little further back find them too. */
enum { PAGE = 100 };

struct store_cached {
    struct store base;
    struct store *inner;
    struct recent_events *recent;
    struct map *flights; /* by channel */
    bool is_closing;
};

/* A channel whose events or newest messages are being read: head → Redis → the missing rest from the store. */
struct cached_read {
    struct store_cached *cached;
    struct list reads, waiting; /* requests of this read; of the next one */
    struct recent_read read;
    char epoch[STORE_EPOCH_MAX];
    int64_t head, after, top; /* events: after + 1 … top, each followed by a comma */
    struct buffer events;
    size_t id_len;
    char id[];
};

/* An append whose event is written to Redis once committed. */
struct cached_append {
    struct store_cached *cached;
    void (*done)(struct store_request *request);
    void *owner;
};

static void flight_ask_head(struct cached_read *flight);

static struct store_cached *cached_of(struct store *store) {
    return CONTAINER(store, struct store_cached, base);
}

static struct slice flight_id(const struct cached_read *flight) {
    return (struct slice){flight->id, flight->id_len};
}

static struct recent_log flight_log(const struct cached_read *flight) {
    return (struct recent_log){flight_id(flight), slice_of(flight->epoch)};
}

/* MESSAGES, from the head backwards. */
static bool is_newest_page(const struct store_request *request) {
    const struct store_messages *page = &request->messages;
    return request->op == STORE_MESSAGES && page->message_id.len == 0 && page->before <= 0 && page->after <= 0 &&
           !page->onwards;
}

static unsigned limit_of(const struct store_request *request) {
    bool is_page = request->op == STORE_MESSAGES;
    unsigned limit = is_page ? request->messages.limit : request->events.limit;
    unsigned most = is_page ? STORE_MESSAGES_MAX : STORE_EVENTS_MAX;
    return limit && limit < most ? limit : most;
}

/* Counts it under the cache's name: events or messages. */
static void count(enum metric counter, const struct store_request *request) {
    metric_add_labelled(counter, request->op == STORE_MESSAGES ? "pages" : "events", 1);
}

/* Ends. */

static void request_complete(struct store_request *request, enum store_status status) {
    request->status = status;
    request->done(request);
    store_request_free(&request);
}

/* The store answers the request, without the cache. */
static void flight_pass(struct cached_read *flight, struct store_request *request) {
    list_remove(&request->link);
    count(METRIC_CACHE_MISSES, request);
    if (flight->cached->is_closing)
        request_complete(request, STORE_UNAVAILABLE);
    else
        store_submit(flight->cached->inner, &request);
}

static void flight_free(struct cached_read *flight) {
    map_remove(flight->cached->flights, flight_id(flight));
    recent_events_forget(&flight->read);
    buffer_done(&flight->events);
    free(flight);
}

/* Requests that arrived meanwhile begin the next read. */
static void flight_end(struct cached_read *flight) {
    if (flight->cached->is_closing) list_splice(&flight->reads, &flight->waiting);
    LIST_EACH(&flight->reads, link) flight_pass(flight, CONTAINER(link, struct store_request, link));
    if (list_empty(&flight->waiting))
        flight_free(flight);
    else
        flight_ask_head(flight);
}

/* Answers. */

static void answer_events(const struct cached_read *flight, struct slice events, struct store_request *request) {
    unsigned limit = limit_of(request), len = 0;
    struct json_walk walk;
    struct slice event;
    int64_t seq = flight->after;
    json_walk_init(&walk, events);
    while (json_walk_item(&walk, &event)) {
        if (++seq <= request->events.seq) continue;
        request->events.more_r = len++ == limit || request->json.len >= STORE_ANSWER_BYTES;
        if (request->events.more_r) break;
        buffer_append_slice(store_events_next(request, seq), event);
    }
    store_events_end(request);
    request->at.seq = flight->top;
    memcpy(request->at.epoch, flight->epoch, sizeof request->at.epoch);
}

/* The page shared by all requests with the same limit. */
struct cached_page {
    struct buffer json;
    unsigned limit; /* 0: no request has used it yet */
    bool reaches, more;
};

/* False: the events do not reach back far enough. */
static bool answer_page(const struct cached_read *flight, struct slice events, struct cached_page *page,
                        struct store_request *request) {
    if (page->limit != limit_of(request)) {
        buffer_clear(&page->json);
        page->limit = limit_of(request);
        page->reaches = newest_page_write(events, flight->after, page->limit, &page->json, &page->more);
    }
    if (page->reaches) buffer_append_slice(&request->json, buffer_slice(&page->json));
    request->messages.more_r = page->reaches && page->more;
    return page->reaches;
}

static bool answer_from(const struct cached_read *flight, struct slice events, struct cached_page *page,
                        struct store_request *request) {
    if (request->op == STORE_MESSAGES) return answer_page(flight, events, page, request);
    answer_events(flight, events, request);
    return true;
}

static void flight_answer(struct cached_read *flight, enum metric counted) {
    struct buffer array = {0};
    struct cached_page page = {.limit = 0};
    buffer_append_char(&array, '[');
    buffer_append_slice(&array, buffer_slice(&flight->events));
    if (array.len > 1) array.len--; /* removes the last comma */
    buffer_append_char(&array, ']');
    for (struct list *link; (link = list_pop(&flight->reads));) {
        struct store_request *request = CONTAINER(link, struct store_request, link);
        if (!answer_from(flight, buffer_slice(&array), &page, request)) {
            flight_pass(flight, request);
            continue;
        }
        count(counted, request);
        request_complete(request, STORE_OK);
    }
    buffer_done(&array);
    buffer_done(&page.json);
    flight_end(flight);
}

/* What Redis does not have. */

static void flight_read_rows(struct cached_read *flight);

static bool has_deletion(const struct store_request *rows) {
    for (size_t i = 0; i < store_events_len(rows); i++)
        if (recent_event_deletes(store_event_at(rows, i).bytes)) return true;
    return false;
}

/* Do the rows continue the events so far, up to the head, in this epoch? */
static bool is_rest(const struct cached_read *flight, const struct store_request *rows) {
    return rows->status == STORE_OK && slice_is(slice_of(rows->at.epoch), flight->epoch) && rows->events.fork_r < 0 &&
           rows->events.floor_r == 0 && !rows->events.more_r &&
           (int64_t)store_events_len(rows) == rows->at.seq - flight->top;
}

static void rows_came(struct store_request *rows) {
    struct cached_read *flight = rows->owner;
    struct slice events = buffer_slice(&rows->json);
    bool continues = flight->events.len > 0;
    if (flight->cached->is_closing || !is_rest(flight, rows)) {
        flight_end(flight);
        return;
    }
    if (continues && has_deletion(rows)) { /* the events from Redis may be deleted by now */
        buffer_clear(&flight->events);
        flight_read_rows(flight);
        return;
    }
    struct recent_log log = flight_log(flight);
    recent_events_keep(flight->cached->recent, &log, flight->top, rows->at.seq, events, continues);
    if (rows->at.seq > flight->top) {
        buffer_append(&flight->events, events.ptr + 1, events.len - 2);
        buffer_append_char(&flight->events, ',');
    }
    flight->top = rows->at.seq;
    flight_answer(flight, METRIC_CACHE_MISSES);
}

static void flight_read_rows(struct cached_read *flight) {
    struct store_request *rows = store_request_new(STORE_EVENTS, rows_came, flight);
    if (flight->events.len == 0) {
        int64_t whole = (flight->head - flight->after + PAGE - 1) / PAGE * PAGE;
        flight->after = flight->top = flight->head > whole ? flight->head - whole : 0;
    }
    rows->channel_id = store_request_copy(rows, flight_id(flight));
    rows->events.epoch = store_request_copy(rows, slice_of(flight->epoch));
    rows->events.seq = flight->top;
    rows->events.limit = STORE_EVENTS_MAX;
    store_submit(flight->cached->inner, &rows);
}

static void recent_came(struct recent_read *read, struct slice events, int64_t top) {
    struct cached_read *flight = CONTAINER(read, struct cached_read, read);
    buffer_append_slice(&flight->events, events);
    flight->top = top;
    if (top == flight->head)
        flight_answer(flight, METRIC_CACHE_SHARED_HITS);
    else
        flight_read_rows(flight);
}

/* The head. */

/* The request needs the events after this number; -1: the cache cannot answer it. */
static int64_t needed_after(const struct cached_read *flight, const struct store_request *request) {
    if (request->op == STORE_MESSAGES) { /* half of them may be edits and reactions */
        int64_t len = 2 * limit_of(request) > PAGE ? 2 * limit_of(request) : PAGE;
        return flight->head > len ? flight->head - len : 0;
    }
    const struct store_events *asked = &request->events;
    bool is_current = asked->epoch.len == 0 || asked->seq == 0 || slice_is(asked->epoch, flight->epoch);
    bool is_near = asked->seq <= flight->head && flight->head - asked->seq <= RECENT_EVENTS_MAX;
    return is_current && is_near ? asked->seq : -1;
}

/* Requests whose cursor is in this epoch's log and not far behind are answered here; the others go to the store. */
static void flight_sort(struct cached_read *flight) {
    flight->after = flight->head;
    LIST_EACH(&flight->reads, link) {
        struct store_request *request = CONTAINER(link, struct store_request, link);
        int64_t after = needed_after(flight, request);
        if (after < 0)
            flight_pass(flight, request);
        else if (after < flight->after)
            flight->after = after;
    }
    flight->top = flight->after;
}

static bool take_head(struct cached_read *flight, const struct store_request *heads) {
    size_t len;
    const struct store_cursor *at = &store_heads(heads, &len)->at;
    if (heads->status != STORE_OK || at->seq < 0 || !at->epoch[0]) return false;
    flight->head = at->seq;
    memcpy(flight->epoch, at->epoch, sizeof flight->epoch);
    return true;
}

static void head_came(struct store_request *heads) {
    struct cached_read *flight = heads->owner;
    if (flight->cached->is_closing || !take_head(flight, heads)) {
        flight_end(flight);
        return;
    }
    flight_sort(flight);
    buffer_clear(&flight->events);
    if (list_empty(&flight->reads)) {
        flight_end(flight);
    } else if (flight->after == flight->head) {
        flight_answer(flight, METRIC_CACHE_SHARED_HITS);
    } else {
        struct recent_log log = flight_log(flight);
        recent_events_read(flight->cached->recent, &flight->read, &log, flight->after, flight->head);
    }
}

static void flight_ask_head(struct cached_read *flight) {
    struct store_request *heads = store_request_new(STORE_HEADS, head_came, flight);
    list_splice(&flight->reads, &flight->waiting);
    store_heads_add(heads, flight_id(flight));
    store_submit(flight->cached->inner, &heads);
}

/* Requests. */

static void cached_read(struct store_cached *cached, struct store_request *request) {
    struct cached_read *flight = map_find(cached->flights, request->channel_id);
    if (flight) {
        list_append(&flight->waiting, &request->link);
        return;
    }
    flight = memory_new(sizeof *flight + request->channel_id.len);
    flight->cached = cached;
    flight->read.done = recent_came;
    list_init(&flight->reads);
    list_init(&flight->waiting);
    flight->id_len = request->channel_id.len;
    memcpy(flight->id, request->channel_id.ptr, request->channel_id.len);
    map_put(cached->flights, flight_id(flight), flight);
    list_append(&flight->waiting, &request->link);
    flight_ask_head(flight);
}

static void append_done(struct store_request *request) {
    struct cached_append *append = request->owner;
    struct store_cached *cached = append->cached;
    request->done = append->done;
    request->owner = append->owner;
    free(append);
    if (request->status == STORE_OK && !cached->is_closing && recent_events_usable(cached->recent)) {
        struct recent_log log = {request->channel_id, slice_of(request->at.epoch)};
        recent_events_committed(cached->recent, &log, request->at.seq, buffer_slice(&request->json));
    }
    request->done(request);
}

static void cached_append(struct store_cached *cached, struct store_request *request) {
    struct cached_append *append = NEW(struct cached_append);
    *append = (struct cached_append){cached, request->done, request->owner};
    request->done = append_done;
    request->owner = append;
    store_submit(cached->inner, &request);
}

static void cached_submit(struct store *store, struct store_request *request) {
    struct store_cached *cached = cached_of(store);
    bool is_read = (request->op == STORE_EVENTS || is_newest_page(request)) && store_request_sound(request);
    if (is_read && !cached->is_closing && recent_events_usable(cached->recent))
        cached_read(cached, request);
    else if (request->op == STORE_APPEND)
        cached_append(cached, request);
    else
        store_submit(cached->inner, &request);
}

/* Reads that wait for Redis end here; reads that wait for the store end with it. */
static void cached_close(struct store *store, unsigned deadline_ms) {
    struct store_cached *cached = cached_of(store);
    size_t cursor = 0;
    cached->is_closing = true;
    for (struct cached_read *flight; (flight = map_next(cached->flights, &cursor));)
        if (flight->read.reading) flight_end(flight);
    store_close(&cached->inner, deadline_ms);
    recent_events_free(&cached->recent);
    map_free(&cached->flights);
    free(cached);
}

static bool cached_check_shards(struct store *store, const struct shard_map *map, struct error *error_r) {
    return store_check_shards(cached_of(store)->inner, map, error_r);
}

static bool cached_is_damaged(const struct store *store) {
    return store_is_damaged(CONTAINER(store, struct store_cached, base)->inner);
}

static void cached_set_shards(struct store *store, struct shard_map *map) {
    store_set_shards(cached_of(store)->inner, map);
}

static unsigned cached_part_of(struct store *store, struct slice channel_id) {
    return store_part_of(cached_of(store)->inner, channel_id);
}

static bool cached_part_works(const struct store *store, unsigned part) {
    return store_part_works(CONTAINER(store, struct store_cached, base)->inner, part);
}

static void cached_watch_people(struct store *store, const struct store_people_watch *watch) {
    store_watch_people(cached_of(store)->inner, watch);
}

static const struct store_ops ops = {.submit = cached_submit,
                                     .close = cached_close,
                                     .check_shards = cached_check_shards,
                                     .is_damaged = cached_is_damaged,
                                     .set_shards = cached_set_shards,
                                     .part_of = cached_part_of,
                                     .part_works = cached_part_works,
                                     .watch_people = cached_watch_people};

struct store *store_cached_new(struct loop *loop, struct store **store, struct redis *redis, struct redis_room *room,
                               const char *secret) {
    struct store_cached *cached = NEW(struct store_cached);
    cached->base.ops = &ops;
    cached->inner = *store;
    *store = NULL;
    cached->recent = recent_events_new(loop, redis, room, secret);
    cached->flights = map_new();
    return &cached->base;
}
