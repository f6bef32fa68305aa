/* SPDX-License-Identifier: Apache-2.0 */
#include "redis/redis_verdict.h"

#include "redis/redis_slots.h"

static const struct verdict_row rows[] = {
    {"MOVED", VERDICT_MOVED},      {"ASK", VERDICT_ASK},
    {"TRYAGAIN", VERDICT_RETRY},   /* several keys, some of them already moved to another server */
    {"LOADING", VERDICT_RETRY},    /* it has just started */
    {"BUSY", VERDICT_RETRY},       /* somebody's script runs too long */
    {"CLUSTERDOWN", VERDICT_LOOK}, /* the slot has no owner at present */
    {"MASTERDOWN", VERDICT_LOOK},  /* replica without its primary */
    {"NOREPLICAS", VERDICT_LOOK},  /* min-replicas-to-write: perhaps the minority side of a partition */
    {"READONLY", VERDICT_DEMOTE},  /* now a replica */
    {"NOAUTH", VERDICT_HANG_UP},   /* a password was set later */
    {"NOSCRIPT", VERDICT_TEXT},    {"OOM", VERDICT_SHED},
    {"MISCONF", VERDICT_SHED}, /* it cannot save, and is configured to refuse writes then */
};

const struct verdict_row *verdict_of(struct slice error) {
    static const struct verdict_row other = {"other", VERDICT_FAIL};
    const char *space = error.len ? memchr(error.ptr, ' ', error.len) : NULL;
    struct slice code = {error.ptr, space ? (size_t)(space - error.ptr) : error.len};
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        if (slice_is(code, rows[i].code)) return &rows[i];
    return &other;
}

bool verdict_target(struct slice error, unsigned *slot_r, struct slice *address_r) {
    const char *end = error.ptr + error.len, *at = memchr(error.ptr, ' ', error.len);
    unsigned slot = 0;
    if (!at) return false;
    const char *digits = ++at;
    for (; at < end && *at >= '0' && *at <= '9' && slot < REDIS_SLOTS; at++) slot = slot * 10 + (unsigned)(*at - '0');
    if (at == digits || at == end || *at != ' ' || slot >= REDIS_SLOTS) return false;
    *slot_r = slot;
    *address_r = (struct slice){at + 1, (size_t)(end - at - 1)};
    return memchr(address_r->ptr, ':', address_r->len) != NULL;
}
