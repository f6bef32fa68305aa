/* The appends of a shard: a lane a channel keeps their order, batches of several channels go to the server.
 *
 * A channel is in one batch at a time. At most BATCHES_MAX batches are under way; while there is none, one leaves at
 * the end of the turn, else when it is full, 5 ms old, or another one comes back. A channel whose head is locked by
 * someone else is left out by the server, and waits for its lock in a batch of its own: nobody waits behind it. What
 * may or may not have been committed is sent again with the same ids, until its deadline. */
#include <stdlib.h>

#include "base/fault.h"
#include "base/ids.h"
#include "base/log.h"
#include "base/map.h"
#include "store/postgres_batch.h"
#include "store/postgres_store.h"

enum { BATCHES_MAX = 4, HOT_BATCHES_MAX = 2, GATHER_MS = 5, AGAIN_MS = 20, HOT_MS = 20 };

struct appender {
    struct shard *shard;
    struct map *lanes;
    struct list ready, hot; /* lanes that may go into a batch, and those that need one of their own */
    struct list ages;       /* entries by deadline */
    unsigned batches_len, hot_batches_len, gathered_len; /* gathered: entries since the last batch left */
    struct loop_timer gather, deadline;
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

/* Reads at the head of a lane that no append precedes any more. */
static void release_reads(struct appender *appender, struct lane *lane) {
    while (!list_empty(&lane->entries)) {
        struct entry *entry = CONTAINER(lane->entries.next, struct entry, link);
        if (entry->request->op == STORE_APPEND) break;
        postgres_read(appender->shard, entry->request);
        entry_free(entry);
    }
}

/* Puts the lane where its next entry belongs; one without entries is gone. */
static void settle_lane(struct appender *appender, struct lane *lane) {
    if (lane->in_batch) return;
    release_reads(appender, lane);
    list_remove(&lane->link);
    if (list_empty(&lane->entries)) {
        map_remove(appender->lanes, lane_id(lane));
        free(lane);
        return;
    }
    list_append(lane->is_hot ? &appender->hot : &appender->ready, &lane->link);
}

/* ---- batches */

static void flush_soon(struct appender *appender) {
    if (appender->batches_len == 0 || ++appender->gathered_len >= BATCH_MAX)
        loop_flush(appender->shard->store->loop, &appender->flush);
    else if (!loop_timer_pending(&appender->gather))
        loop_timer_set(&appender->gather, GATHER_MS);
}

static void batch_ended(struct batch *batch, enum batch_end end);

/* Everything that a lane can give to a batch of its kind. */
static void fill_from(struct batch *batch, struct lane *lane) {
    while (!list_empty(&lane->entries)) {
        struct entry *entry = CONTAINER(lane->entries.next, struct entry, link);
        if (!batch_takes(batch, entry)) break;
        batch_add(batch, entry, lane);
    }
}

static struct batch *gather(struct appender *appender, struct list *lanes, bool alone) {
    struct batch *batch = batch_new(appender->shard, alone, batch_ended, appender);
    LIST_EACH(lanes, link) {
        struct lane *lane = CONTAINER(link, struct lane, link);
        unsigned before = batch->len;
        fill_from(batch, lane);
        if (batch->len == before) continue;
        lane->in_batch = true;
        list_remove(&lane->link);
        if (alone || batch->len == BATCH_MAX) break;
    }
    return batch;
}

static void dispatch_batch(struct appender *appender, struct list *lanes, bool alone) {
    struct batch *batch = gather(appender, lanes, alone);
    appender->batches_len++;
    appender->hot_batches_len += alone;
    batch_send(batch);
}

/* Hot ones first: they have waited. */
static void flush(struct loop_task *task) {
    struct appender *appender = CONTAINER(task, struct appender, flush);
    loop_timer_cancel(&appender->gather);
    appender->gathered_len = 0;
    if (appender->shard->primary.state != PRIMARY_OPEN) return;
    while (!list_empty(&appender->hot) && appender->hot_batches_len < HOT_BATCHES_MAX &&
           appender->batches_len < BATCHES_MAX)
        dispatch_batch(appender, &appender->hot, true);
    while (!list_empty(&appender->ready) && appender->batches_len < BATCHES_MAX)
        dispatch_batch(appender, &appender->ready, false);
}

static void gathered(struct loop_timer *timer) {
    flush(&CONTAINER(timer, struct appender, gather)->flush);
}

/* What was left out, or is not known, is the first of its lane again. */
static void put_back(struct batch *batch) {
    for (unsigned i = batch->len; i-- > 0;) {
        struct entry *entry = batch->entries[i];
        if (entry && entry->request)
            list_append(batch->lanes[i]->entries.next, &entry->link); /* before the first */
        else if (entry)
            entry_free(entry);
    }
}

static void release_lanes(struct appender *appender, struct batch *batch) {
    bool quick = loop_now_ms(appender->shard->store->loop) - batch->sent_ms < HOT_MS;
    for (unsigned i = 0; i < batch->len; i++) {
        struct lane *lane = batch->lanes[i];
        for (unsigned later = i + 1; later < batch->len; later++)
            if (batch->lanes[later] == lane) batch->lanes[later] = NULL;
        if (!lane) continue;
        lane->in_batch = false;
        if (batch->alone && quick) lane->is_hot = false;
        settle_lane(appender, lane);
    }
}

static void batch_ended(struct batch *batch, enum batch_end end) {
    struct appender *appender = batch->owner;
    struct shard *shard = appender->shard;
    appender->batches_len--;
    appender->hot_batches_len -= batch->alone;
    put_back(batch);
    release_lanes(appender, batch);
    batch_free(&batch);
    if (end == BATCH_STALE) primary_doubt(&shard->primary);
    if (end == BATCH_AGAIN)
        loop_timer_set(&appender->gather, AGAIN_MS);
    else
        loop_flush(shard->store->loop, &appender->flush);
}

/* ---- deadlines */

static void arm_deadline(struct appender *appender) {
    if (list_empty(&appender->ages) || loop_timer_pending(&appender->deadline)) return;
    uint64_t now = loop_now_ms(appender->shard->store->loop);
    uint64_t due = CONTAINER(appender->ages.next, struct entry, age)->due_ms;
    loop_timer_set(&appender->deadline, due > now ? due - now : 1);
}

/* One that is in a batch keeps its place there, without a request. */
static void entry_overdue(struct appender *appender, struct entry *entry) {
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
        struct entry *entry = CONTAINER(appender->ages.next, struct entry, age);
        if (entry->due_ms > loop_now_ms(appender->shard->store->loop)) break;
        entry_overdue(appender, entry);
    }
    arm_deadline(appender);
}

/* ---- the door */

/* Without one, a retry of ours could not be told from another send. */
static void give_client_id(struct store_request *request) {
    char id[ID_SECRET_LEN + 2] = "~";
    if (request->client_id.len && !fault_planted("dedupe_off")) return;
    id_random(id + 1, ID_SECRET_LEN);
    request->client_id = store_request_copy(request, slice_of(id));
}

void appender_submit(struct appender *appender, struct store_request *request) {
    bool is_append = request->op == STORE_APPEND;
    if (is_append && pool_down_ms(appender->shard->primary.pool) > APPEND_DEADLINE_MS) { /* waiting would not help */
        postgres_complete(appender->shard->store, request, STORE_UNAVAILABLE);
        return;
    }
    if (!is_append && !map_find(appender->lanes, request->channel_id)) {
        postgres_read(appender->shard, request);
        return;
    }
    struct lane *lane = find_lane(appender, request->channel_id);
    struct entry *entry = NEW(struct entry);
    entry->request = request;
    entry->lane = lane;
    entry->due_ms = loop_now_ms(appender->shard->store->loop) + APPEND_DEADLINE_MS;
    list_append(&lane->entries, &entry->link);
    list_append(&appender->ages, &entry->age);
    arm_deadline(appender);
    if (is_append) give_client_id(request);
    if (lane->in_batch) return;
    if (list_empty(&lane->link)) settle_lane(appender, lane);
    flush_soon(appender);
}

void appender_wake(struct appender *appender) {
    loop_flush(appender->shard->store->loop, &appender->flush);
}

struct appender *appender_new(struct shard *shard) {
    struct appender *appender = NEW(struct appender);
    appender->shard = shard;
    appender->lanes = map_new();
    list_init(&appender->ready);
    list_init(&appender->hot);
    list_init(&appender->ages);
    loop_timer_init(&appender->gather, shard->store->loop, gathered);
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
            struct entry *entry = CONTAINER(link, struct entry, link);
            postgres_complete(appender->shard->store, entry->request, STORE_UNAVAILABLE);
            entry_free(entry);
        }
        map_remove(appender->lanes, lane_id(lane));
        free(lane);
    }
    map_free(&appender->lanes);
    loop_timer_cancel(&appender->gather);
    loop_timer_cancel(&appender->deadline);
    loop_task_cancel(&appender->flush);
    free(appender);
    *owned = NULL;
}
