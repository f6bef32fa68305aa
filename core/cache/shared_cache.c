/* SPDX-License-Identifier: Apache-2.0 */
#include "cache/shared_cache.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "base/hash.h"
#include "base/ids.h"
#include "base/list.h"
#include "base/log.h"
#include "loop/loop.h"
#include "redis/redis.h"
#include "redis/redis_name.h"
#include "redis/redis_room.h"
#include "redis/seal.h"

/* One string per key, so that a removal deletes everything: "l" and the loader's lease; or "v", the reloader's lease
 * or NO_LEASE, and the value (sealed). A reload's lease ends with the value and is not returned: if one early reload
 * fails, the key is a miss when the value expires. */
#define NO_LEASE "----------------------------"
static const char fetch_text[] =
    "local held = redis.call('GET', KEYS[1]) "
    "if not held then redis.call('SET', KEYS[1], 'l' .. ARGV[1], 'PX', ARGV[2]) return 1 end "
    "if string.sub(held, 1, 1) == 'l' then return 0 end "
    "local left, early, most = redis.call('PTTL', KEYS[1]), tonumber(ARGV[3]), tonumber(ARGV[5]) "
    "if left > most then left = most redis.call('PEXPIRE', KEYS[1], left) end " /* the clock was set back */
    "if left >= early or string.sub(held, 2, 29) ~= ARGV[4] then return { held, left, 0 } end "
    "redis.call('SETRANGE', KEYS[1], 1, ARGV[1]) "
    "redis.call('PEXPIRE', KEYS[1], left + early) "
    "return { held, left, 1 }";
static const char land_text[] =
    "local head = redis.call('GETRANGE', KEYS[1], 0, 28) "
    "if string.sub(head, 2) ~= ARGV[1] then return 0 end "
    "if ARGV[2] ~= '' then redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) "
    "elseif string.sub(head, 1, 1) == 'l' then redis.call('DEL', KEYS[1]) end "
    "return 1";

enum { ID_LEN = 12, LEASE_LEN = sizeof NO_LEASE - 1, HEAD_LEN = 1 + LEASE_LEN };
_Static_assert(LEASE_LEN == 28 && LEASE_LEN == ID_LEN + 16, "what the scripts and write_lease know");
enum { PAUSE_MS = 20, RETRY_MS = 100, RETRY_MAX = 1000, NUMBER_MAX = 24 };

struct shared_cache {
    struct loop *loop;
    struct redis *redis;
    struct redis_room *room;
    const struct shared_events *events;
    void *owner;
    struct redis_script fetch, land;
    struct seal *seal;   /* NULL: no secret */
    char id[ID_LEN + 1]; /* prefix of leases; a number follows */
    uint64_t leases, draws;
    struct list askings;
    struct list removals, owed;    /* sent to Redis; to be sent again */
    size_t removals_len, owed_len; /* of both lists; of removals that have failed before */
    struct loop_timer retry;
    struct buffer key, held; /* the key and value in Redis, for the current call */
    struct buffer log;       /* ":" and the log's name, or empty */
};

/* A pending fetch. */
struct shared_asking {
    struct redis_call call;
    struct list link;
    struct shared_cache *shared;
    struct shared_fetch *fetch;
    struct loop_timer pause;
    uint64_t until_ms, lease, early_ms, most_ms;
    size_t key_len;
    char key[];
};

struct removal {
    struct redis_call call;
    struct list link;
    struct shared_cache *shared;
    bool is_owed; /* has failed before */
    size_t key_len;
    char key[];
};

/* Valid until the next call. */
static struct slice redis_key(struct shared_cache *shared, struct slice key) {
    const char *end = memchr(key.ptr, '\n', key.len);
    size_t name_len = end ? (size_t)(end - key.ptr) : key.len;
    buffer_clear(&shared->key);
    buffer_append_str(&shared->key, "stoa:x:");
    redis_name_append(&shared->key, (struct slice){key.ptr, name_len});
    buffer_append_slice(&shared->key, buffer_slice(&shared->log));
    buffer_append_str(&shared->key, ":{");
    redis_name_append(&shared->key, slice_from(key, name_len + 1));
    buffer_append_char(&shared->key, '}');
    return buffer_slice(&shared->key);
}

static struct slice write_lease(const struct shared_cache *shared, uint64_t lease, char *out) {
    snprintf(out, LEASE_LEN + 1, "%s%016llx", shared->id, (unsigned long long)lease);
    return (struct slice){out, LEASE_LEN};
}

static struct slice write_number(uint64_t number, char *out) {
    int len = snprintf(out, NUMBER_MAX, "%llu", (unsigned long long)number);
    return (struct slice){out, (size_t)len};
}

static struct slice write_ttl(struct shared_cache *shared, uint64_t ttl_ms, char *out) {
    uint64_t spread_ms = hash_spread(&shared->draws, ttl_ms);
    return write_number(spread_ms ? spread_ms : 1, out);
}

/* The value in Redis's format; empty if it is too large or there is no space. Valid until the next call. */
static struct slice write_held(struct shared_cache *shared, struct slice key, struct slice value) {
    buffer_clear(&shared->held);
    if (!value.ptr || value.len > SHARED_VALUE_MAX) return SLICE_NONE;
    if (!redis_room_take(shared->room, key.len + value.len + ROOM_ENTRY_BYTES)) return SLICE_NONE;
    buffer_append_str(&shared->held, "v" NO_LEASE);
    buffer_append_slice(&shared->held, value);
    if (shared->seal) seal_append(shared->seal, key, &shared->held, HEAD_LEN);
    return buffer_slice(&shared->held);
}

/* The value; NULL ptr: written by somebody without the secret. */
static struct slice read_held(struct shared_cache *shared, struct slice key, struct slice held) {
    if (held.len < HEAD_LEN) return SLICE_NONE;
    struct slice value = slice_from(held, HEAD_LEN);
    if (shared->seal && (value.len < SEAL_LEN || !seal_strip(shared->seal, key, &value))) return SLICE_NONE;
    return value;
}

/* Fetches. */

static void asking_free(struct shared_asking *asking) {
    redis_forget(&asking->call);
    loop_timer_cancel(&asking->pause);
    list_remove(&asking->link);
    free(asking);
}

static void asking_end(struct shared_asking *asking, const struct shared_answer *answer) {
    struct shared_fetch *fetch = asking->fetch;
    asking_free(asking);
    fetch->done(fetch, answer);
}

static void asking_ask(struct shared_asking *asking) {
    struct shared_cache *shared = asking->shared;
    char lease[LEASE_LEN + 1], lease_ms[NUMBER_MAX], early_ms[NUMBER_MAX], most_ms[NUMBER_MAX];
    struct slice key = redis_key(shared, (struct slice){asking->key, asking->key_len});
    asking->lease = ++shared->leases;
    redis_eval(
        shared->redis, &asking->call, &shared->fetch, &key, 1,
        REDIS_ARGS(write_lease(shared, asking->lease, lease), write_number(SHARED_LEASE_MS, lease_ms),
                   write_number(asking->early_ms, early_ms), SLICE(NO_LEASE), write_number(asking->most_ms, most_ms)));
}

/* items: the value in Redis, its remaining life, whether we have the lease. */
static void asking_hit(struct shared_asking *asking, const struct redis_value *items) {
    struct shared_cache *shared = asking->shared;
    struct slice key = redis_key(shared, (struct slice){asking->key, asking->key_len});
    asking_end(asking, &(struct shared_answer){.value = read_held(shared, key, items[0].text),
                                               .ttl_ms = items[1].integer > 0 ? (uint64_t)items[1].integer : 1,
                                               .lease = items[2].integer == 1 ? asking->lease : 0});
}

static void asking_answered(struct redis_call *call, const struct redis_answer *answer) {
    struct shared_asking *asking = CONTAINER(call, struct shared_asking, call);
    struct shared_cache *shared = asking->shared;
    static const struct redis_value none = {.type = REDIS_NIL};
    const struct redis_value *value = answer->status == REDIS_DONE ? answer->value : &none;
    bool is_led = value->type == REDIS_INTEGER && value->integer == 1;
    if (value->type == REDIS_ARRAY && value->items_len == 3)
        asking_hit(asking, value->items);
    else if (value->type == REDIS_INTEGER && !is_led && loop_now_ms(shared->loop) < asking->until_ms)
        loop_timer_set(&asking->pause, PAUSE_MS + hash_draw(&shared->draws, 2 * PAUSE_MS));
    else
        asking_end(asking, &(struct shared_answer){.lease = is_led ? asking->lease : 0});
}

/* The value in Redis may have been removed. */
static void asking_go_on(struct loop_timer *timer) {
    struct shared_asking *asking = CONTAINER(timer, struct shared_asking, pause);
    if (asking->shared->owed_len == 0)
        asking_ask(asking);
    else
        asking_end(asking, &(struct shared_answer){.lease = 0});
}

void shared_cache_fetch(struct shared_cache *shared, struct shared_fetch *fetch, struct slice key, uint64_t ttl_ms,
                        uint64_t early_ms) {
    struct shared_asking *asking = memory_new(sizeof *asking + key.len);
    asking->call = (struct redis_call){.done = asking_answered, .deadline_ms = SHARED_DEADLINE_MS};
    asking->shared = shared;
    asking->fetch = fetch;
    asking->until_ms = loop_now_ms(shared->loop) + SHARED_WAIT_MS;
    asking->early_ms = early_ms;
    asking->most_ms = ttl_ms + ttl_ms / 4 + early_ms;
    asking->key_len = key.len;
    memcpy(asking->key, key.ptr, key.len);
    loop_timer_init(&asking->pause, shared->loop, asking_go_on);
    list_append(&shared->askings, &asking->link);
    if (shared->owed_len == 0)
        asking_ask(asking);
    else
        loop_timer_set(&asking->pause, 1);
}

void shared_cache_land(struct shared_cache *shared, struct slice key, uint64_t lease, struct slice value,
                       uint64_t ttl_ms) {
    char lease_text[LEASE_LEN + 1], ttl[NUMBER_MAX];
    if (lease == 0) return;
    struct slice at = redis_key(shared, key);
    redis_eval(shared->redis, NULL, &shared->land, &at, 1,
               REDIS_ARGS(write_lease(shared, lease, lease_text), write_held(shared, at, value),
                          write_ttl(shared, ttl_ms, ttl)));
}

/* Removals. */

static void removal_free(struct removal *removal) {
    redis_forget(&removal->call);
    list_remove(&removal->link);
    removal->shared->removals_len--;
    removal->shared->owed_len -= removal->is_owed;
    free(removal);
}

static void removal_ask(struct removal *removal) {
    struct shared_cache *shared = removal->shared;
    struct slice key = redis_key(shared, (struct slice){removal->key, removal->key_len});
    list_remove(&removal->link);
    list_append(&shared->removals, &removal->link);
    redis_command(shared->redis, &removal->call, key, REDIS_ARGS(SLICE("DEL"), key));
}

static void removal_answered(struct redis_call *call, const struct redis_answer *answer) {
    struct removal *removal = CONTAINER(call, struct removal, call);
    struct shared_cache *shared = removal->shared;
    if (answer->status == REDIS_DONE) {
        shared->events->removed(shared->owner, (struct slice){removal->key, removal->key_len});
        removal_free(removal);
        return;
    }
    list_remove(&removal->link);
    list_append(&shared->owed, &removal->link);
    shared->owed_len += !removal->is_owed;
    removal->is_owed = true;
    if (!loop_timer_pending(&shared->retry)) loop_timer_set(&shared->retry, RETRY_MS);
}

static void removals_retry(struct loop_timer *timer) {
    struct shared_cache *shared = CONTAINER(timer, struct shared_cache, retry);
    unsigned asked = 0;
    LIST_EACH(&shared->owed, link)
    if (asked++ < RETRY_MAX) removal_ask(CONTAINER(link, struct removal, link));
    if (!list_empty(&shared->owed)) loop_timer_set(timer, RETRY_MS);
}

static void removals_bound(struct shared_cache *shared) {
    while (shared->removals_len > SHARED_REMOVALS_MAX) {
        struct list *oldest = list_empty(&shared->owed) ? shared->removals.next : shared->owed.next;
        struct removal *removal = CONTAINER(oldest, struct removal, link);
        LOG(LOG_WARNING, "cache.removal_lost", LOG_SLICE("key", ((struct slice){removal->key, removal->key_len})));
        removal_free(removal);
    }
}

void shared_cache_remove(struct shared_cache *shared, struct slice key) {
    struct removal *removal = memory_new(sizeof *removal + key.len);
    removal->call = (struct redis_call){.done = removal_answered, .repeatable = true};
    removal->shared = shared;
    removal->key_len = key.len;
    memcpy(removal->key, key.ptr, key.len);
    list_init(&removal->link);
    shared->removals_len++;
    removal_ask(removal);
    removals_bound(shared);
}

void shared_cache_put(struct shared_cache *shared, struct slice key, struct slice value, uint64_t ttl_ms) {
    char ttl[NUMBER_MAX];
    shared_cache_remove(shared, key);
    struct slice at = redis_key(shared, key), held = write_held(shared, at, value);
    if (held.len > 0)
        redis_command(shared->redis, NULL, at,
                      REDIS_ARGS(SLICE("SET"), at, held, SLICE("PX"), write_ttl(shared, ttl_ms, ttl)));
}

/* Creation and end. */

struct shared_cache *shared_cache_new(struct loop *loop, struct redis *redis, struct redis_room *room,
                                      const char *secret, const struct shared_events *events, void *owner) {
    struct shared_cache *shared = NEW(struct shared_cache);
    shared->loop = loop;
    shared->redis = redis;
    shared->room = room;
    shared->seal = seal_new(secret);
    shared->events = events;
    shared->owner = owner;
    redis_script_init(&shared->fetch, SLICE(fetch_text));
    redis_script_init(&shared->land, SLICE(land_text));
    id_random(shared->id, ID_LEN);
    list_init(&shared->askings);
    list_init(&shared->removals);
    list_init(&shared->owed);
    loop_timer_init(&shared->retry, loop, removals_retry);
    return shared;
}

void shared_cache_set_log(struct shared_cache *shared, const char *log) {
    buffer_clear(&shared->log);
    if (log[0]) buffer_printf(&shared->log, ":%s", log);
}

void shared_cache_free(struct shared_cache **owned) {
    struct shared_cache *shared = *owned;
    *owned = NULL;
    if (!shared) return;
    LIST_EACH(&shared->askings, link)
    asking_end(CONTAINER(link, struct shared_asking, link), &(struct shared_answer){.lease = 0});
    LIST_EACH(&shared->owed, link) removal_free(CONTAINER(link, struct removal, link));
    LIST_EACH(&shared->removals, link) removal_free(CONTAINER(link, struct removal, link));
    loop_timer_cancel(&shared->retry);
    seal_free(&shared->seal);
    buffer_done(&shared->key);
    buffer_done(&shared->held);
    buffer_done(&shared->log);
    free(shared);
}
