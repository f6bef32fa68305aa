/* SPDX-License-Identifier: Apache-2.0 */
/* The appends of a shard: one lane per channel keeps their order; batches of several channels go to the server.
 *
 * A channel is in one batch at a time. At most BATCHES_MAX batches are pending. A batch leaves at the end of the turn,
 * or when its entries have waited for others as long as they may (gather_window.h). Entries that waited for another
 * batch of their channel leave when that batch returns, together with all others that wait. The server leaves out a
 * channel whose head someone else has locked; the channel is then hot. Hot channels share one batch: it takes those
 * that are free, or waits briefly for the first of them, in turn. It never takes the last connection, so nothing else
 * waits behind it. An append that may have been committed is sent again with the same ids, until its deadline. */
#include <stdio.h>
#include <stdlib.h>

#include "base/fault.h"
#include "base/hash.h"
#include "base/ids.h"
#include "base/log.h"
#include "base/map.h"
#include "base/metrics.h"
#include "store/postgres/batch.h"
#include "store/postgres/gather_window.h"
#include "store/postgres/postgres_internal.h"

enum { BATCHES_MAX = 4, AGAIN_MS = 20 };
/* A lock taken within HOT_MS was free. HOT_REST_MS: the pause after a hot batch that got no lock. */
enum { HOT_MS = 20, HOT_REST_MS = 50 };

struct appender {
    struct shard *shard;
    struct map *lanes;
    struct list ready, hot; /* lanes that may go into a batch; lanes with locked heads, round robin */
    struct list ages;       /* entries by deadline */
    bool is_late;           /* the ready lanes have waited long enough, but too many batches are pending */
    bool is_hot_sent;       /* a batch of hot lanes is pending, beside batches_len others */
    unsigned batches_len;
    uint64_t draws;
    struct gather_window gather;
    struct loop_timer wait; /* the ready lanes leave when it ends */
    struct loop_timer review, rest, deadline;
    struct loop_task flush;
};

/* ---- lanes */

static struct slice lane_id(const struct lane *lane) {
    return (struct slice){lane->id, lane->id_len};
}

static struct lane *find_lane(struct appender *appender, struct slice channel_id) {
    struct lane *lane = map_find(appender->lanes, channel_id);
    if (lane) return lane;
    lane = memory_new(sizeof *lane + channel_id.len);
    list_init(&lane->link);
    list_init(&lane->entries);
    lane->id_len = channel_id.len;
    memcpy(lane->id, channel_id.ptr, channel_id.len);
    map_put(appender->lanes, lane_id(lane), lane);
    return lane;
}

/* Releases the reads at the head of a lane: no append precedes them any more. */
static void release_reads(struct appender *appender, struct lane *lane) {
    while (!list_empty(&lane->entries)) {
        struct batch_entry *entry = CONTAINER(lane->entries.next, struct batch_entry, link);
        if (entry->request->op == STORE_APPEND) break;
        postgres_read(appender->shard, entry->request);
        entry_free(entry);
    }
}

/* Puts the lane in the list for its next entry, or frees an empty lane. True: it is ready. */
static bool settle_lane(struct appender *appender, struct lane *lane) {
    if (lane->in_batch) return false;
    release_reads(appender, lane);
    list_remove(&lane->link);
    if (list_empty(&lane->entries)) {
        map_remove(appender->lanes, lane_id(lane));
        free(lane);
        return false;
    }
    list_append(lane->is_hot ? &appender->hot : &appender->ready, &lane->link);
    return !lane->is_hot;
}

/* ---- batches */

static void tell_window(const struct appender *appender) {
    char number[16];
    snprintf(number, sizeof number, "%u", appender->shard->number);
    metric_set_labelled(METRIC_APPEND_WINDOW, number, appender->gather.window.ms);
}

/* Runs while appends come, and once after. */
static void review(struct loop_timer *timer) {
    struct appender *appender = CONTAINER(timer, struct appender, review);
    coalesce_review(&appender->gather.window, loop_now_ms(timer->loop));
    tell_window(appender);
    if (appender->gather.window.ms > 0) loop_timer_set(timer, COALESCE_REVIEW_MS);
}

static void flush_soon(struct appender *appender) {
    loop_timer_cancel(&appender->wait);
    loop_flush(appender->shard->store->loop, &appender->flush);
}

static void arrived(struct appender *appender) {
    struct coalesce *window = &appender->gather.window;
    uint64_t now_ms = loop_now_ms(appender->shard->store->loop);
    unsigned wait_ms = gather_window_arrival(&appender->gather, now_ms, BATCH_MAX);
    if (window->settings.fixed_ms == GATHER_WINDOW_AUTO && !loop_timer_pending(&appender->review)) {
        window->since_ms = now_ms;
        loop_timer_set(&appender->review, COALESCE_REVIEW_MS);
    }
    if (wait_ms == 0)
        flush_soon(appender);
    else if (!appender->is_late && !loop_timer_pending(&appender->wait) && !loop_task_pending(&appender->flush))
        loop_timer_set(&appender->wait, wait_ms);
}

static void batch_ended(struct batch *batch, enum batch_end end);

/* Moves up to `share` entries of a lane into a batch of their kind. */
static void fill_from(struct batch *batch, struct lane *lane, unsigned share) {
    for (; share > 0 && !list_empty(&lane->entries); share--) {
        struct batch_entry *entry = CONTAINER(lane->entries.next, struct batch_entry, link);
        if (!batch_takes(batch, entry)) break;
        batch_add(batch, entry, lane);
    }
}

/* Hot lanes get equal shares, so that a busy lane does not keep others out. */
static unsigned share_of(const struct list *lanes, bool hot) {
    unsigned len = 0;
    if (!hot) return BATCH_MAX;
    for (const struct list *link = lanes->next; link != lanes && len < BATCH_MAX; link = link->next) len++;
    return BATCH_MAX / len;
}

static struct batch *gather(struct appender *appender, struct list *lanes, bool hot) {
    struct batch *batch = batch_new(appender->shard, hot, batch_ended, appender);
    unsigned share = share_of(lanes, hot);
    LIST_EACH(lanes, link) {
        struct lane *lane = CONTAINER(link, struct lane, link);
        unsigned before = batch->len;
        fill_from(batch, lane, share);
        if (batch->len == before) continue;
        lane->in_batch = true;
        lane->is_hot = false;
        list_remove(&lane->link);
        if (batch->len == BATCH_MAX) break;
    }
    return batch;
}

static void send_hot(struct appender *appender) {
    struct batch *batch = gather(appender, &appender->hot, true);
    appender->is_hot_sent = true;
    batch->waits = pool_can_spare(appender->shard->primary.pool);
    batch_send(batch);
}

static void send_ready(struct appender *appender) {
    appender->batches_len++;
    batch_send(gather(appender, &appender->ready, false));
}

/* Hot lanes first: they have waited. */
static void flush(struct loop_task *task) {
    struct appender *appender = CONTAINER(task, struct appender, flush);
    if (appender->shard->primary.state != PRIMARY_OPEN) return;
    if (!list_empty(&appender->hot) && !appender->is_hot_sent && !loop_timer_pending(&appender->rest))
        send_hot(appender);
    if (fault_planted("hot_holds_all") && (appender->is_hot_sent || !list_empty(&appender->hot))) return;
    if (loop_timer_pending(&appender->wait)) return;
    gather_window_left(&appender->gather, false);
    while (!list_empty(&appender->ready) && appender->batches_len < BATCHES_MAX) send_ready(appender);
    appender->is_late = !list_empty(&appender->ready);
}

static void waited(struct loop_timer *timer) {
    struct appender *appender = CONTAINER(timer, struct appender, wait);
    gather_window_left(&appender->gather, true);
    flush(&appender->flush);
}

static void rested(struct loop_timer *timer) {
    flush(&CONTAINER(timer, struct appender, rest)->flush);
}

/* Returns entries that were left out, or whose outcome is unknown, to the front of their lanes. */
static void put_back(struct batch *batch) {
    for (unsigned i = batch->len; i-- > 0;) {
        struct batch_entry *entry = batch->entries[i];
        if (entry && entry->request)
            list_append(batch->lanes[i]->entries.next, &entry->link); /* before the first */
        else if (entry)
            entry_free(entry);
    }
}

static void release_lane(struct appender *appender, struct batch *batch, struct lane *lane) {
    for (unsigned i = 0; i < batch->len; i++)
        if (batch->lanes[i] == lane) batch->lanes[i] = NULL;
    lane->in_batch = false;
    if (settle_lane(appender, lane)) loop_timer_cancel(&appender->wait);
}

/* A hot lane stays hot while its batch had to wait for locks. The first lane, which was waited for, goes last next
 * time. */
static void release_lanes(struct appender *appender, struct batch *batch, enum batch_end end) {
    struct lane *first = batch->lanes[0];
    uint64_t took_ms = loop_now_ms(appender->shard->store->loop) - batch->sent_ms;
    bool quick = end == BATCH_DONE && took_ms < HOT_MS;
    if (end == BATCH_DONE && !batch->hot) gather_window_committed(&appender->gather, took_ms);
    for (unsigned i = 0; i < batch->len; i++)
        if (batch->hot && !quick) batch->lanes[i]->is_hot = true;
    for (unsigned i = 1; i < batch->len; i++)
        if (batch->lanes[i] && batch->lanes[i] != first) release_lane(appender, batch, batch->lanes[i]);
    release_lane(appender, batch, first);
}

static void batch_ended(struct batch *batch, enum batch_end end) {
    struct appender *appender = batch->owner;
    struct shard *shard = appender->shard;
    bool got_nothing = batch->hot && !batch->locked_any;
    if (batch->hot)
        appender->is_hot_sent = false;
    else
        appender->batches_len--;
    put_back(batch);
    release_lanes(appender, batch, end);
    batch_free(&batch);
    if (end == BATCH_STALE) primary_doubt(&shard->primary);
    if (got_nothing) loop_timer_set(&appender->rest, HOT_REST_MS / 2 + hash_draw(&appender->draws, HOT_REST_MS));
    if (end == BATCH_AGAIN)
        loop_timer_set(&appender->wait, AGAIN_MS / 2 + hash_draw(&appender->draws, AGAIN_MS));
    else
        loop_flush(shard->store->loop, &appender->flush);
}

/* ---- deadlines */

static void arm_deadline(struct appender *appender) {
    if (list_empty(&appender->ages) || loop_timer_pending(&appender->deadline)) return;
    uint64_t now = loop_now_ms(appender->shard->store->loop);
    uint64_t due = CONTAINER(appender->ages.next, struct batch_entry, age)->due_ms;
    loop_timer_set(&appender->deadline, due > now ? due - now : 1);
}

/* An entry in a batch keeps its place there, without a request. */
static void entry_overdue(struct appender *appender, struct batch_entry *entry) {
    struct lane *lane = entry->lane;
    postgres_complete(appender->shard->store, entry->request, STORE_UNAVAILABLE);
    entry->request = NULL;
    list_remove(&entry->age);
    if (list_empty(&entry->link)) return;
    entry_free(entry);
    settle_lane(appender, lane);
}

static void overdue(struct loop_timer *timer) {
    struct appender *appender = CONTAINER(timer, struct appender, deadline);
    while (!list_empty(&appender->ages)) {
        struct batch_entry *entry = CONTAINER(appender->ages.next, struct batch_entry, age);
        if (entry->due_ms > loop_now_ms(appender->shard->store->loop)) break;
        entry_overdue(appender, entry);
    }
    arm_deadline(appender);
}

/* ---- entry points */

/* Without a client id, our own retry would look like another send. */
static void give_client_id(struct store_request *request) {
    char id[ID_SECRET_LEN + 2] = "~";
    if (request->append.client_id.len && !fault_planted("dedupe_off")) return;
    id_random(id + 1, ID_SECRET_LEN);
    request->append.client_id = store_request_copy(request, slice_of(id));
}

void appender_submit(struct appender *appender, struct store_request *request) {
    bool is_append = request->op == STORE_APPEND;
    if (is_append && (pool_down_ms(appender->shard->primary.pool) > APPEND_DEADLINE_MS ||
                      appender->shard->primary.lacks[0])) { /* waiting would not help */
        postgres_complete(appender->shard->store, request, STORE_UNAVAILABLE);
        return;
    }
    if (!is_append && !map_find(appender->lanes, request->channel_id)) {
        postgres_read(appender->shard, request);
        return;
    }
    struct lane *lane = find_lane(appender, request->channel_id);
    struct batch_entry *entry = NEW(struct batch_entry);
    entry->request = request;
    entry->lane = lane;
    entry->due_ms = loop_now_ms(appender->shard->store->loop) + APPEND_DEADLINE_MS;
    list_append(&lane->entries, &entry->link);
    list_append(&appender->ages, &entry->age);
    arm_deadline(appender);
    if (is_append) give_client_id(request);
    if (lane->in_batch) return;
    if (list_empty(&lane->link)) settle_lane(appender, lane);
    arrived(appender);
}

void appender_wake(struct appender *appender) {
    loop_flush(appender->shard->store->loop, &appender->flush);
}

struct appender *appender_new(struct shard *shard, int gather_ms) {
    struct appender *appender = NEW(struct appender);
    appender->shard = shard;
    appender->lanes = map_new();
    list_init(&appender->ready);
    list_init(&appender->hot);
    list_init(&appender->ages);
    gather_window_init(&appender->gather, gather_ms, loop_now_ms(shard->store->loop));
    tell_window(appender);
    loop_timer_init(&appender->wait, shard->store->loop, waited);
    loop_timer_init(&appender->review, shard->store->loop, review);
    loop_timer_init(&appender->rest, shard->store->loop, rested);
    loop_timer_init(&appender->deadline, shard->store->loop, overdue);
    loop_task_init(&appender->flush, flush);
    return appender;
}

void appender_free(struct appender **owned) {
    struct appender *appender = *owned;
    if (!appender) return;
    size_t cursor = 0;
    for (struct lane *lane; (lane = map_next(appender->lanes, &cursor));) {
        LIST_EACH(&lane->entries, link) {
            struct batch_entry *entry = CONTAINER(link, struct batch_entry, link);
            postgres_complete(appender->shard->store, entry->request, STORE_UNAVAILABLE);
            entry_free(entry);
        }
        map_remove(appender->lanes, lane_id(lane));
        free(lane);
    }
    map_free(&appender->lanes);
    loop_timer_cancel(&appender->wait);
    loop_timer_cancel(&appender->review);
    loop_timer_cancel(&appender->rest);
    loop_timer_cancel(&appender->deadline);
    loop_task_cancel(&appender->flush);
    free(appender);
    *owned = NULL;
}
