/* SPDX-License-Identifier: Apache-2.0 */
#include "limit/gcra.h"

#include <stdlib.h>

#include "base/buffer.h"
#include "base/map.h"
#include "loop/loop.h"

/* GCRA in its continuous-state form (I.371, annex A), in whole numbers: a part of a unit costs period_ms, a millisecond
 * pays back count * LIMIT_PARTS, and debt never exceeds the product of the three, which does not fit 64 bits. Only the
 * wait of a refused ask is rounded. */
typedef unsigned __int128 debt_t;

struct bucket {
    struct rate rate;
    debt_t debt;      /* the debt at at_ms */
    uint64_t at_ms;   /* time of the last charge */
    uint64_t full_ms; /* when the debt will be paid off: the theoretical arrival time of the next burst */
    size_t heap_index;
    size_t key_len;
    char key[];
};

/* The heap holds all buckets, the next to be full again on top: that one expires or is evicted first. */
struct limiter {
    struct loop *loop;
    struct loop_timer sweep;
    struct map *buckets;
    struct bucket **heap;
    size_t heap_cap;
    size_t bytes, max_bytes;
    struct buffer key; /* of the current ask */
};

enum { SWEEP_MS = 1000, SWEEP_MAX = 4096, MAP_SLOT_BYTES = 64, FOUND_MAX = 8 };

static size_t bucket_bytes(size_t key_len) {
    return sizeof(struct bucket) + key_len + sizeof(struct bucket *) + MAP_SLOT_BYTES;
}

static struct slice bucket_key(const struct bucket *bucket) {
    return (struct slice){bucket->key, bucket->key_len};
}

static void heap_place(struct limiter *limiter, size_t index, struct bucket *bucket) {
    limiter->heap[index] = bucket;
    bucket->heap_index = index;
}

static void heap_up(struct limiter *limiter, struct bucket *bucket) {
    size_t at = bucket->heap_index;
    while (at > 0 && limiter->heap[(at - 1) / 2]->full_ms > bucket->full_ms) {
        heap_place(limiter, at, limiter->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    heap_place(limiter, at, bucket);
}

static void heap_down(struct limiter *limiter, struct bucket *bucket, size_t len) {
    size_t at = bucket->heap_index;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= len) break;
        if (child + 1 < len && limiter->heap[child + 1]->full_ms < limiter->heap[child]->full_ms) child++;
        if (limiter->heap[child]->full_ms >= bucket->full_ms) break;
        heap_place(limiter, at, limiter->heap[child]);
        at = child;
    }
    heap_place(limiter, at, bucket);
}

static void limiter_forget_top(struct limiter *limiter) {
    size_t len = map_size(limiter->buckets);
    struct bucket *top = limiter->heap[0];
    if (len > 1) {
        heap_place(limiter, 0, limiter->heap[len - 1]);
        heap_down(limiter, limiter->heap[0], len - 1);
    }
    map_remove(limiter->buckets, bucket_key(top));
    limiter->bytes -= bucket_bytes(top->key_len);
    free(top);
}

/* Frees buckets with full allowance, at most SWEEP_MAX at a time. */
static void limiter_sweep(struct loop_timer *timer) {
    struct limiter *limiter = CONTAINER(timer, struct limiter, sweep);
    uint64_t now_ms = loop_now_ms(limiter->loop);
    unsigned forgotten = 0;
    while (map_size(limiter->buckets) > 0 && limiter->heap[0]->full_ms <= now_ms && forgotten < SWEEP_MAX) {
        limiter_forget_top(limiter);
        forgotten++;
    }
    if (map_size(limiter->buckets) > 0) loop_timer_set(timer, forgotten == SWEEP_MAX ? 1 : SWEEP_MS);
}

struct limiter *limiter_new(struct loop *loop, size_t max_bytes) {
    struct limiter *limiter = NEW(struct limiter);
    limiter->loop = loop;
    limiter->max_bytes = max_bytes;
    limiter->buckets = map_new();
    loop_timer_init(&limiter->sweep, loop, limiter_sweep);
    return limiter;
}

void limiter_free(struct limiter **limiter) {
    if (!*limiter) return;
    loop_timer_cancel(&(*limiter)->sweep);
    for (size_t i = 0; i < map_size((*limiter)->buckets); i++) free((*limiter)->heap[i]);
    map_free(&(*limiter)->buckets);
    free((*limiter)->heap);
    buffer_done(&(*limiter)->key);
    free(*limiter);
    *limiter = NULL;
}

/* The key of an ask: the name's length tells "ab"+"c" from "a"+"bc". */
static struct slice limiter_key(struct limiter *limiter, const struct limit_ask *ask) {
    buffer_clear(&limiter->key);
    buffer_append(&limiter->key, (const char *)&ask->name.len, sizeof ask->name.len);
    buffer_append_slice(&limiter->key, ask->name);
    buffer_append_slice(&limiter->key, ask->key);
    return buffer_slice(&limiter->key);
}

static struct bucket *limiter_find(struct limiter *limiter, const struct limit_ask *ask) {
    return map_find(limiter->buckets, limiter_key(limiter, ask));
}

/* Bounds a debt to 32 + 20 + 42 bits, and period_ms * LIMIT_PARTS to 62. */
static const uint64_t PERIOD_MAX_MS = (uint64_t)1 << 42; /* 139 years */

static struct rate rate_clamp(struct rate rate) {
    if (rate.period_ms == 0) rate.period_ms = 1;
    if (rate.period_ms > PERIOD_MAX_MS) rate.period_ms = PERIOD_MAX_MS;
    return rate;
}

/* What a millisecond pays back; also the cost of a burst in parts. */
static uint64_t rate_parts(struct rate rate) {
    return (uint64_t)rate.count * LIMIT_PARTS;
}

static debt_t rate_capacity(struct rate rate) {
    return (debt_t)rate_parts(rate) * rate.period_ms;
}

/* Nearly always 64 bits hold it. */
static uint64_t divide(debt_t debt, uint64_t by) {
    return debt <= UINT64_MAX ? (uint64_t)debt / by : (uint64_t)(debt / by);
}

/* The bucket's debt now, under the ask's rate. A changed rate keeps the share that was spent. */
static debt_t bucket_debt(const struct bucket *bucket, struct rate rate, uint64_t now_ms) {
    if (now_ms >= bucket->full_ms) return 0;
    debt_t paid = (debt_t)(now_ms - bucket->at_ms) * rate_parts(bucket->rate);
    debt_t debt = bucket->debt > paid ? bucket->debt - paid : 0;
    if (rate.count == bucket->rate.count && rate.period_ms == bucket->rate.period_ms) return debt;
    long double share = (long double)debt / (long double)rate_capacity(bucket->rate);
    return (debt_t)(share * (long double)rate_capacity(rate) + 0.5L);
}

static struct bucket *limiter_add(struct limiter *limiter, struct slice key) {
    while (map_size(limiter->buckets) > 0 && limiter->bytes + bucket_bytes(key.len) > limiter->max_bytes)
        limiter_forget_top(limiter);
    size_t len = map_size(limiter->buckets);
    if (len == limiter->heap_cap) {
        limiter->heap_cap = limiter->heap_cap ? 2 * limiter->heap_cap : 64;
        limiter->heap = memory_resize(limiter->heap, limiter->heap_cap * sizeof *limiter->heap);
    }
    struct bucket *bucket = memory_new(sizeof *bucket + key.len);
    bucket->key_len = key.len;
    memcpy(bucket->key, key.ptr, key.len);
    bucket->full_ms = 0;
    heap_place(limiter, len, bucket);
    map_put(limiter->buckets, bucket_key(bucket), bucket);
    limiter->bytes += bucket_bytes(key.len);
    if (!loop_timer_pending(&limiter->sweep)) loop_timer_set(&limiter->sweep, SWEEP_MS);
    return bucket;
}

static void bucket_owe(struct limiter *limiter, struct bucket *bucket, struct rate rate, debt_t debt, uint64_t now_ms) {
    bucket->rate = rate;
    bucket->debt = debt;
    bucket->at_ms = now_ms;
    bucket->full_ms = now_ms + divide(debt + rate_parts(rate) - 1, rate_parts(rate));
    heap_up(limiter, bucket);
    heap_down(limiter, bucket, map_size(limiter->buckets));
}

/* An ask for more than a whole burst could never pass: it counts as one burst. */
uint64_t limit_cost_parts(const struct limit_ask *ask) {
    if (!(ask->cost < ask->rate.count)) return rate_parts(ask->rate);
    return (uint64_t)(int64_t)(ask->cost * LIMIT_PARTS + 0.5);
}

/* bucket: the ask's; NULL: there was none. */
static void limiter_charge(struct limiter *limiter, const struct limit_ask *ask, struct bucket *bucket,
                           uint64_t now_ms) {
    struct rate rate = rate_clamp(ask->rate);
    if (!bucket) bucket = limiter_find(limiter, ask); /* an earlier ask may have made it */
    if (!bucket) bucket = limiter_add(limiter, limiter_key(limiter, ask));
    debt_t debt = bucket_debt(bucket, rate, now_ms);
    bucket_owe(limiter, bucket, rate, debt + (debt_t)limit_cost_parts(ask) * rate.period_ms, now_ms);
}

/* The cost of earlier asks for the same key. */
static uint64_t ask_cost_before(const struct limit_ask *asks, size_t index) {
    uint64_t cost = 0;
    for (size_t i = 0; i < index; i++)
        if (slice_equal(asks[i].key, asks[index].key) && slice_equal(asks[i].name, asks[index].name))
            cost += limit_cost_parts(&asks[i]);
    return cost;
}

/* The wait until the ask passes; 0: now. remaining_r: units left, after the ask if it passes. */
static uint64_t bucket_wait(const struct bucket *bucket, const struct limit_ask *asks, size_t index, uint64_t now_ms,
                            unsigned *remaining_r) {
    struct rate rate = rate_clamp(asks[index].rate);
    *remaining_r = 0;
    uint64_t cost = ask_cost_before(asks, index) + limit_cost_parts(&asks[index]), parts = rate_parts(rate);
    if (cost > parts || parts == 0) return rate.period_ms;
    debt_t debt = bucket ? bucket_debt(bucket, rate, now_ms) : 0;
    debt_t after = debt + (debt_t)cost * rate.period_ms, capacity = rate_capacity(rate);
    debt_t owed = after <= capacity ? after : debt;
    *remaining_r = owed < capacity ? (unsigned)divide(capacity - owed, rate.period_ms * LIMIT_PARTS) : 0;
    return after <= capacity ? 0 : divide(after - capacity + parts - 1, parts);
}

/* found_r: the buckets of the first FOUND_MAX asks; NULL: there is none. */
static struct limit_answer limiter_look(struct limiter *limiter, const struct limit_ask *asks, size_t len,
                                        struct bucket *found_r[FOUND_MAX]) {
    struct limit_answer answer = {.allowed = true, .remaining = UINT32_MAX};
    uint64_t now_ms = loop_now_ms(limiter->loop);
    for (size_t i = 0; i < len; i++) {
        unsigned remaining;
        struct bucket *bucket = limiter_find(limiter, &asks[i]);
        if (i < FOUND_MAX) found_r[i] = bucket;
        uint64_t wait_ms = bucket_wait(bucket, asks, i, now_ms, &remaining);
        if (remaining < answer.remaining) answer.remaining = remaining;
        if (wait_ms <= answer.retry_after_ms) continue;
        answer.allowed = false;
        answer.refused_by = i;
        answer.retry_after_ms = wait_ms;
    }
    return answer;
}

struct limit_answer limiter_peek(struct limiter *limiter, const struct limit_ask *asks, size_t len) {
    struct bucket *found[FOUND_MAX];
    return limiter_look(limiter, asks, len, found);
}

struct limit_answer limiter_take(struct limiter *limiter, const struct limit_ask *asks, size_t len) {
    struct bucket *found[FOUND_MAX];
    struct limit_answer answer = limiter_look(limiter, asks, len, found);
    if (!answer.allowed) return answer;
    uint64_t now_ms = loop_now_ms(limiter->loop);
    bool is_whole = true; /* the found buckets are still valid: a new bucket may evict one */
    for (size_t i = 0; i < len; i++) {
        struct bucket *bucket = is_whole && i < FOUND_MAX ? found[i] : NULL;
        is_whole = is_whole && bucket;
        if (asks[i].cost > 0) limiter_charge(limiter, &asks[i], bucket, now_ms);
    }
    return answer;
}

void limiter_refund(struct limiter *limiter, const struct limit_ask *asks, size_t len) {
    uint64_t now_ms = loop_now_ms(limiter->loop);
    for (size_t i = 0; i < len; i++) {
        struct rate rate = rate_clamp(asks[i].rate);
        struct bucket *bucket = limiter_find(limiter, &asks[i]);
        debt_t refund = (debt_t)limit_cost_parts(&asks[i]) * rate.period_ms;
        if (!bucket || refund == 0) continue;
        debt_t debt = bucket_debt(bucket, rate, now_ms);
        bucket_owe(limiter, bucket, rate, debt > refund ? debt - refund : 0, now_ms);
    }
}
