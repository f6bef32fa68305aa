/* SPDX-License-Identifier: Apache-2.0 */
#include "limit/admission.h"

#include <stdlib.h>

#include "base/list.h"
#include "base/map.h"
#include "base/metrics.h"
#include "limit/memory_budget.h"

enum { STATE_BYTES = 4 * 1024 * 1024, FULL_RETRY_S = 5, IPV4_LEN = 4, SIZES = 32 };

struct address_crowd {
    struct admission_control *control;
    struct network network;
    unsigned seats, resting_len;
    struct list resting;    /* idle seats, the longest idle first */
    struct list among_like; /* in control->resting, if the crowd has idle seats */
    bool is_nobody;
    struct share share;
};

/* An idle seat. */
struct resting_seat {
    struct list link; /* among those of its crowd */
    struct seat *seat;
    void (*give_way)(struct seat *seat);
};

struct admission_control {
    struct admission_settings settings;
    struct networks exceptions;
    struct limiter *limiter;
    struct map *crowds;          /* crowds with seats, by network.address */
    struct address_crowd nobody; /* seats without a crowd */
    unsigned seats;
    struct list resting[SIZES]; /* [n]: crowds with at least 2^n and fewer than 2^(n+1) idle seats */
};

static void crowd_init(struct address_crowd *crowd, struct admission_control *control) {
    crowd->control = control;
    list_init(&crowd->resting);
    list_init(&crowd->among_like);
}

struct admission_control *admission_new(struct loop *loop, const struct admission_settings *settings) {
    struct admission_control *control = NEW(struct admission_control);
    control->limiter = limiter_new(loop, STATE_BYTES);
    control->crowds = map_new();
    control->nobody.is_nobody = true;
    crowd_init(&control->nobody, control);
    for (unsigned i = 0; i < SIZES; i++) list_init(&control->resting[i]);
    admission_set(control, settings);
    return control;
}

void admission_free(struct admission_control **control) {
    if (!*control) return;
    limiter_free(&(*control)->limiter);
    networks_done(&(*control)->exceptions);
    map_free(&(*control)->crowds);
    free(*control);
    *control = NULL;
}

void admission_set(struct admission_control *control, const struct admission_settings *settings) {
    struct networks exceptions;
    control->settings = *settings;
    if (networks_parse(settings->exceptions, settings->exceptions_len, &exceptions)) return; /* checked before */
    networks_done(&control->exceptions);
    control->exceptions = exceptions;
}

struct share *admission_share(const struct seat *seat) {
    return seat->crowd && !seat->crowd->is_nobody ? &seat->crowd->share : NULL;
}

/* ---- crowds */

bool admission_crowd(const struct admission_control *control, const struct address *address, struct network *crowd_r) {
    if (networks_have(&control->exceptions, address)) return false;
    *crowd_r = network_of(address, address->len == IPV4_LEN ? 8 * IPV4_LEN : control->settings.ipv6_bits);
    return true;
}

static struct slice key_of(const struct network *network) {
    return (struct slice){(const char *)&network->address, sizeof network->address};
}

static struct address_crowd *crowd_of(struct admission_control *control, const struct address *address) {
    struct network network;
    if (!address || !admission_crowd(control, address, &network)) return &control->nobody;
    struct address_crowd *crowd = map_find(control->crowds, key_of(&network));
    if (crowd) return crowd;
    crowd = NEW(struct address_crowd);
    crowd_init(crowd, control);
    crowd->network = network;
    map_put(control->crowds, key_of(&crowd->network), crowd);
    return crowd;
}

static void forget_if_empty(struct address_crowd *crowd) {
    if (crowd->seats > 0 || crowd->is_nobody) return;
    map_remove(crowd->control->crowds, key_of(&crowd->network));
    free(crowd);
}

/* ---- idle seats */

/* Appends the crowd to those with about as many idle seats. */
static void arrange(struct address_crowd *crowd) {
    list_remove(&crowd->among_like);
    if (crowd->resting_len == 0) return;
    unsigned size = crowd->is_nobody ? 0 : SIZES - 1 - (unsigned)__builtin_clz(crowd->resting_len);
    list_append(&crowd->control->resting[size], &crowd->among_like);
}

static bool is_other_size(const struct address_crowd *crowd, unsigned before) {
    unsigned now = crowd->resting_len;
    return now == 0 || before == 0 || (!crowd->is_nobody && __builtin_clz(now) != __builtin_clz(before));
}

static void count_resting(struct address_crowd *crowd, unsigned now) {
    unsigned before = crowd->resting_len;
    crowd->resting_len = now;
    if (is_other_size(crowd, before)) arrange(crowd);
}

void admission_rest(struct seat *seat, void (*give_way)(struct seat *seat)) {
    struct address_crowd *crowd = seat->crowd;
    if (!crowd || seat->resting) return;
    struct resting_seat *resting = seat->resting = NEW(struct resting_seat);
    resting->seat = seat;
    resting->give_way = give_way;
    list_append(&crowd->resting, &resting->link);
    count_resting(crowd, crowd->resting_len + 1);
}

void admission_use(struct seat *seat) {
    if (!seat->resting) return;
    list_remove(&seat->resting->link);
    free(seat->resting);
    seat->resting = NULL;
    count_resting(seat->crowd, seat->crowd->resting_len - 1);
}

/* Crowds of about equal size take turns. False: no seat is idle. */
static bool make_room(struct admission_control *control) {
    unsigned size = SIZES;
    while (size > 0 && list_empty(&control->resting[size - 1])) size--;
    if (size == 0) return false;
    struct address_crowd *crowd = CONTAINER(control->resting[size - 1].next, struct address_crowd, among_like);
    struct resting_seat *resting = CONTAINER(crowd->resting.next, struct resting_seat, link);
    arrange(crowd);
    metric_add_labelled(METRIC_REJECTED, "room", 1);
    resting->give_way(resting->seat);
    return true;
}

/* ---- newcomers */

static struct admission_verdict refuse(const struct admission_control *control, const char *why, uint64_t wait_ms) {
    uint64_t seconds = (wait_ms + 999) / 1000 + arc4random_uniform(control->settings.spread_s + 1);
    return (struct admission_verdict){why, seconds > 0 ? (unsigned)seconds : 1};
}

static bool has_room(struct admission_control *control) {
    unsigned most = control->settings.connections;
    while (most > 0 && control->seats >= most)
        if (!make_room(control)) return false;
    return true;
}

static bool share_is_used_up(const struct admission_control *control, const struct address_crowd *crowd) {
    unsigned most = control->settings.connections_per_address;
    return most > 0 && !crowd->is_nobody && crowd->seats >= most;
}

static struct admission_verdict charge(struct admission_control *control, const struct address_crowd *crowd) {
    const struct admission_settings *settings = &control->settings;
    struct limit_ask asks[2];
    size_t len = 0;
    if (settings->rate.count > 0)
        asks[len++] = (struct limit_ask){.name = SLICE("rate"), .rate = settings->rate, .cost = 1};
    if (settings->address_rate.count > 0 && !crowd->is_nobody)
        asks[len++] = (struct limit_ask){
            .name = SLICE("address"), .key = key_of(&crowd->network), .rate = settings->address_rate, .cost = 1};
    struct limit_answer answer =
        len > 0 ? limiter_take(control->limiter, asks, len) : (struct limit_answer){.allowed = true};
    if (answer.allowed) return (struct admission_verdict){0};
    return refuse(control, asks[answer.refused_by].name.ptr, answer.retry_after_ms);
}

static struct admission_verdict take(struct admission_control *control, const struct address *address,
                                     struct seat *seat, bool is_new) {
    struct admission_verdict verdict = {0};
    if (!seat->crowd && !has_room(control)) return refuse(control, "full", FULL_RETRY_S * 1000);
    struct address_crowd *crowd = crowd_of(control, address);
    if (crowd == seat->crowd) return verdict;
    if (share_is_used_up(control, crowd))
        verdict = refuse(control, "address_full", FULL_RETRY_S * 1000);
    else if (is_new)
        verdict = charge(control, crowd);
    if (!verdict.refused) {
        admission_leave(seat);
        seat->crowd = crowd;
        crowd->seats++;
        control->seats++;
    }
    forget_if_empty(crowd);
    return verdict;
}

struct admission_verdict admission_ask(struct admission_control *control, const struct address *address,
                                       struct seat *seat) {
    return take(control, address, seat, true);
}

struct admission_verdict admission_seat(struct admission_control *control, const struct address *address,
                                        struct seat *seat) {
    return take(control, address, seat, false);
}

void admission_leave(struct seat *seat) {
    struct address_crowd *crowd = seat->crowd;
    if (!crowd) return;
    admission_use(seat);
    seat->crowd = NULL;
    crowd->seats--;
    crowd->control->seats--;
    forget_if_empty(crowd);
}
