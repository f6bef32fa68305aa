/* SPDX-License-Identifier: Apache-2.0 */
#include "limit/fleet_limiter.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "base/map.h"
#include "base/metrics.h"
#include "loop/loop.h"
#include "redis/redis.h"
#include "redis/redis_name.h"

/* A portion of a limit for all users is what a worker would get in FLEET_QUOTA_MS if all workers asked equally. */
enum { PORTION_MAX = 1000, CLOSED_RETRY_MS = 1000, NUMBERS = 5 };

/* ARGV charge (0, 1), count, period_ms, cost, most: takes from cost to most parts of a unit, as many as there are; a
 * cost below zero gives back. → [parts taken, ms until cost would pass, parts left]. Kept: "ARRIVAL PERIOD", the
 * theoretical arrival time of GCRA and the period under which it was meant: another rate keeps the share that was
 * spent. No debt is longer than that period: what looks so was kept by a server whose clock was ahead of this one's,
 * and counts as full. A part may take less time than a double tells apart in this century: whole milliseconds and the
 * fraction are two numbers. */
static const char take_text[] =
    "#!lua flags=allow-oom\n" /* the keys are small */
    "local time = redis.call('TIME') "
    "local now, passed = time[1] * 1000 + math.floor(time[2] / 1000), time[2] % 1000 / 1000 "
    "local key, charge = KEYS[1], ARGV[1] == '1' "
    "local count, period = tonumber(ARGV[2]), tonumber(ARGV[3]) "
    "local cost, most = tonumber(ARGV[4]), tonumber(ARGV[5]) "
    "if count == 0 then return { 0, period, 0 } end "
    "local function keep(owed, meant) "
    "  local ahead = math.floor(passed + owed) "
    "  local fraction = string.format('%.15f', math.min(passed + owed - ahead, 0.999999999999999)) "
    "  local arrival = string.format('%d%s %d', now + ahead, string.sub(fraction, 2), meant) "
    "  redis.call('SET', key, arrival, 'PX', math.ceil(owed)) "
    "end "
    "local each, debt = period / count / 1000000, 0 "
    "local whole, rest, meant = string.match(redis.call('GET', key) or '', '^(%d+)(%.?%d*) (%d+)$') "
    "if whole then "
    "  local owed = math.max(0, whole - now + (tonumber('0' .. rest) - passed)) meant = tonumber(meant) "
    "  if owed > meant + 1 then "
    "    owed = meant "
    "    keep(owed, meant) "
    "  end "
    "  debt = owed * period / meant "
    "end "
    "local free = math.floor((period - debt) / each + 0.001) "
    "local taken = math.min(most, free) "
    "if taken < cost then return { 0, math.max(1, math.ceil(debt + cost * each - period)), math.max(0, free) } end "
    "debt = math.max(0, debt + taken * each) "
    "if charge and debt > 0 then keep(debt, period) "
    "elseif charge then redis.call('DEL', key) end "
    "return { taken, 0, free - taken }";

/* What remains of this worker's portion of a limit for all users. */
struct quota {
    uint64_t left; /* parts */
    uint64_t ends_ms;
    size_t name_len;
    char name[];
};

struct fleet_limiter {
    struct loop *loop;
    struct limiter *limiter;
    struct redis *redis;
    unsigned (*workers)(void *owner);
    void *owner;
    struct redis_script script;
    struct map *quotas;
    struct list takings;
    unsigned takings_len;
};

/* One ask that Redis decides. */
struct part {
    struct redis_call call;
    struct fleet_taking *taking;
    size_t index; /* index of the ask */
    bool is_quota, is_charged;
};

struct fleet_taking {
    struct list link;
    struct fleet_limiter *fleet;
    struct fleet_limit_call *call; /* NULL: the asker withdrew */
    struct limit_answer answer;
    bool charge;
    size_t waiting, parts_len, asks_len;
    struct part *parts;
    struct buffer text; /* the asks' names and keys */
    struct limit_ask asks[];
};

/* Asking. */

/* cost, most: in parts. */
static void eval(struct fleet_limiter *fleet, struct redis_call *call, const struct limit_ask *ask, bool charge,
                 int64_t cost, int64_t most) {
    const int64_t numbers[NUMBERS] = {charge, ask->rate.count, (int64_t)ask->rate.period_ms, cost, most};
    char texts[NUMBERS][24];
    struct slice words[NUMBERS];
    struct buffer key = {0};
    for (int i = 0; i < NUMBERS; i++) {
        words[i].ptr = texts[i];
        words[i].len = (size_t)snprintf(texts[i], sizeof texts[i], "%" PRId64, numbers[i]);
    }
    buffer_append_str(&key, "stoa:l:");
    redis_name_append(&key, ask->name);
    buffer_append_str(&key, ":{");
    redis_name_append(&key, ask->key);
    buffer_append_char(&key, '}');
    struct slice keys = buffer_slice(&key);
    redis_eval(fleet->redis, call, &fleet->script, &keys, 1, words, NUMBERS);
    buffer_done(&key);
}

/* Quotas. */

static struct quota *quota_get(struct fleet_limiter *fleet, struct slice name) {
    struct quota *quota = map_find(fleet->quotas, name);
    if (quota) return quota;
    quota = memory_new(sizeof *quota + name.len);
    quota->name_len = name.len;
    memcpy(quota->name, name.ptr, name.len);
    map_put(fleet->quotas, (struct slice){quota->name, quota->name_len}, quota);
    return quota;
}

static uint64_t quota_left(struct fleet_limiter *fleet, const struct quota *quota) {
    return loop_now_ms(fleet->loop) < quota->ends_ms ? quota->left : 0;
}

static void quota_add(struct fleet_limiter *fleet, const struct limit_ask *ask, uint64_t parts) {
    struct quota *quota = quota_get(fleet, ask->name);
    quota->left = quota_left(fleet, quota) + parts;
    quota->ends_ms = loop_now_ms(fleet->loop) + FLEET_QUOTA_MS;
}

static uint64_t portion_of(struct fleet_limiter *fleet, const struct limit_ask *ask) {
    uint64_t portion = (uint64_t)ask->rate.count * FLEET_QUOTA_MS / ask->rate.period_ms / fleet->workers(fleet->owner);
    uint64_t cost = limit_cost_parts(ask);
    if (portion > PORTION_MAX) portion = PORTION_MAX;
    return portion * LIMIT_PARTS > cost ? portion * LIMIT_PARTS : cost;
}

/* Answers. */

static void refuse(struct fleet_taking *taking, size_t index, uint64_t retry_ms) {
    struct limit_answer *answer = &taking->answer;
    if (!answer->allowed && answer->retry_after_ms >= retry_ms) return;
    *answer = (struct limit_answer){.refused_by = index, .retry_after_ms = retry_ms > 0 ? retry_ms : 1};
}

static void taking_free(struct fleet_taking *taking) {
    list_remove(&taking->link);
    taking->fleet->takings_len--;
    buffer_done(&taking->text);
    free(taking->parts);
    free(taking);
}

/* Refunds to where it was taken from: Redis or the quota. */
static void refund_shared(struct fleet_limiter *fleet, const struct limit_ask *ask) {
    int64_t cost = (int64_t)limit_cost_parts(ask);
    if (cost == 0) return;
    if (ask->key.len == 0)
        quota_add(fleet, ask, (uint64_t)cost);
    else
        eval(fleet, NULL, ask, true, -cost, -cost);
}

/* Refunds what was charged, to this worker's count and to Redis. */
static void give_back(struct fleet_taking *taking) {
    struct fleet_limiter *fleet = taking->fleet;
    if (!taking->charge) return;
    limiter_refund(fleet->limiter, taking->asks, taking->asks_len);
    for (size_t i = 0; i < taking->parts_len; i++) {
        const struct part *part = &taking->parts[i];
        if (part->is_charged) refund_shared(fleet, &taking->asks[part->index]);
    }
}

void fleet_limiter_refund(struct fleet_limiter *fleet, const struct limit_ask *asks, size_t len) {
    limiter_refund(fleet->limiter, asks, len);
    for (size_t i = 0; fleet->redis && i < len; i++)
        if (!asks[i].is_worker_only) refund_shared(fleet, &asks[i]);
}

static void taking_end(struct fleet_taking *taking) {
    struct fleet_limit_call *call = taking->call;
    struct limit_answer answer = taking->answer;
    if (!answer.allowed) give_back(taking);
    taking_free(taking);
    call->done(call, &answer);
}

/* Redis did not answer: applies the ask's limit_away. */
static void judge_alone(struct fleet_taking *taking, const struct limit_ask *ask, size_t index) {
    struct fleet_limiter *fleet = taking->fleet;
    metric_add_labelled(METRIC_LIMITS_AWAY, ask->name.ptr, 1);
    if (ask->away == LIMIT_AWAY_CLOSED) refuse(taking, index, CLOSED_RETRY_MS);
    if (ask->away != LIMIT_AWAY_SHARE) return;
    struct buffer name = {0};
    buffer_append_slice(&name, ask->name);
    buffer_append_str(&name, " share");
    struct limit_ask share = *ask;
    share.name = buffer_slice(&name);
    unsigned workers = fleet->workers(fleet->owner);
    if (share.rate.count > 0) share.rate.count = share.rate.count > workers ? share.rate.count / workers : 1;
    struct limit_answer answer =
        taking->charge ? limiter_take(fleet->limiter, &share, 1) : limiter_peek(fleet->limiter, &share, 1);
    if (!answer.allowed) refuse(taking, index, answer.retry_after_ms);
    buffer_done(&name);
}

static void part_answered(struct redis_call *call, const struct redis_answer *redis_answer) {
    struct part *part = CONTAINER(call, struct part, call);
    struct fleet_taking *taking = part->taking;
    const struct limit_ask *ask = &taking->asks[part->index];
    const struct redis_value *value = redis_answer->value;
    int64_t cost = (int64_t)limit_cost_parts(ask);
    if (redis_answer->status != REDIS_DONE || value->type != REDIS_ARRAY || value->items_len != 3) {
        judge_alone(taking, ask, part->index);
    } else if (value->items[0].integer < cost || (value->items[0].integer == 0 && ask->rate.count == 0)) {
        refuse(taking, part->index, (uint64_t)value->items[1].integer);
    } else {
        part->is_charged = taking->charge;
        unsigned left = (unsigned)(value->items[2].integer / LIMIT_PARTS);
        if (part->is_quota && taking->charge) quota_add(taking->fleet, ask, (uint64_t)(value->items[0].integer - cost));
        if (left < taking->answer.remaining) taking->answer.remaining = left;
    }
    if (--taking->waiting == 0) taking_end(taking);
}

/* Takings. */

static struct slice copy_text(struct fleet_taking *taking, struct slice text) {
    struct slice kept = {taking->text.ptr + taking->text.len, text.len}; /* the buffer has room, so it does not move */
    buffer_append_slice(&taking->text, text);
    buffer_append_char(&taking->text, 0);
    return kept;
}

static struct fleet_taking *taking_new(struct fleet_limiter *fleet, struct fleet_limit_call *call,
                                       const struct limit_ask *asks, size_t len) {
    struct fleet_taking *taking = memory_new(sizeof *taking + len * sizeof *asks);
    size_t text_len = 0;
    taking->fleet = fleet;
    taking->call = call;
    taking->asks_len = len;
    taking->parts = NEW_ARRAY(struct part, len);
    for (size_t i = 0; i < len; i++) text_len += asks[i].name.len + asks[i].key.len + 2;
    buffer_reserve(&taking->text, text_len);
    for (size_t i = 0; i < len; i++) {
        taking->asks[i] = asks[i];
        taking->asks[i].name = copy_text(taking, asks[i].name);
        taking->asks[i].key = copy_text(taking, asks[i].key);
    }
    list_append(&fleet->takings, &taking->link);
    fleet->takings_len++;
    return taking;
}

/* Takes from a borrowed portion. */
static bool take_from_quota(struct fleet_limiter *fleet, const struct limit_ask *ask, bool charge) {
    struct quota *quota = map_find(fleet->quotas, ask->name);
    if (!quota || quota_left(fleet, quota) < limit_cost_parts(ask)) return false;
    if (charge) quota->left -= limit_cost_parts(ask);
    return true;
}

static void ask_redis(struct fleet_taking *taking, size_t index) {
    struct fleet_limiter *fleet = taking->fleet;
    const struct limit_ask *ask = &taking->asks[index];
    struct part *part = &taking->parts[taking->parts_len++];
    *part = (struct part){.taking = taking, .index = index, .is_quota = ask->key.len == 0};
    part->call = (struct redis_call){.done = part_answered, .deadline_ms = FLEET_LIMIT_DEADLINE_MS};
    if (part->is_quota && take_from_quota(fleet, ask, taking->charge)) {
        part->is_charged = taking->charge;
        return;
    }
    int64_t cost = (int64_t)limit_cost_parts(ask);
    taking->waiting++;
    eval(fleet, &part->call, ask, taking->charge, cost, part->is_quota ? (int64_t)portion_of(fleet, ask) : cost);
}

static bool is_shared(const struct limit_ask *asks, size_t len) {
    for (size_t i = 0; i < len; i++)
        if (!asks[i].is_worker_only) return true;
    return false;
}

bool fleet_limiter_take(struct fleet_limiter *fleet, struct fleet_limit_call *call, const struct limit_ask *asks,
                        size_t len, bool charge, struct limit_answer *answer_r) {
    *answer_r = charge ? limiter_take(fleet->limiter, asks, len) : limiter_peek(fleet->limiter, asks, len);
    if (!answer_r->allowed || !fleet->redis || !is_shared(asks, len)) return true;
    struct fleet_taking *taking = taking_new(fleet, call, asks, len);
    taking->answer = *answer_r;
    taking->charge = charge;
    bool is_crowded = fleet->takings_len > FLEET_LIMIT_WAITING_MAX;
    for (size_t i = 0; i < len; i++) {
        if (asks[i].is_worker_only) continue;
        if (is_crowded)
            judge_alone(taking, &taking->asks[i], i);
        else
            ask_redis(taking, i);
    }
    if (taking->waiting > 0) return false;
    *answer_r = taking->answer;
    if (!answer_r->allowed) give_back(taking);
    taking_free(taking);
    return true;
}

struct fleet_limiter *fleet_limiter_new(struct loop *loop, struct limiter *limiter, struct redis *redis,
                                        unsigned (*workers)(void *owner), void *owner) {
    struct fleet_limiter *fleet = NEW(struct fleet_limiter);
    fleet->loop = loop;
    fleet->limiter = limiter;
    fleet->redis = redis;
    fleet->workers = workers;
    fleet->owner = owner;
    fleet->quotas = map_new();
    list_init(&fleet->takings);
    redis_script_init(&fleet->script, SLICE(take_text));
    return fleet;
}

void fleet_limiter_free(struct fleet_limiter **fleet_owner) {
    struct fleet_limiter *fleet = *fleet_owner;
    *fleet_owner = NULL;
    if (!fleet) return;
    LIST_EACH(&fleet->takings, link) {
        struct fleet_taking *taking = CONTAINER(link, struct fleet_taking, link);
        for (size_t i = 0; i < taking->parts_len; i++) redis_forget(&taking->parts[i].call);
        refuse(taking, 0, CLOSED_RETRY_MS);
        taking_end(taking);
    }
    size_t cursor = 0;
    for (struct quota *quota; (quota = map_next(fleet->quotas, &cursor));) free(quota);
    map_free(&fleet->quotas);
    free(fleet);
}
