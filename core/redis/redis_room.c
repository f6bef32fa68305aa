/* SPDX-License-Identifier: Apache-2.0 */
#include "redis/redis_room.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/metrics.h"
#include "loop/loop.h"
#include "redis/redis.h"
#include "redis/redis_gathering.h"

/* ARGV bytes that must be free, pattern… → [used, budget, maxmemory, keys removed]. Deletes a quarter of the cache
 * entries in a sample of keys, the least recently used first, until a tenth of the budget is free. */
static const char look_text[] =
    "#!lua flags=allow-oom,allow-cross-slot-keys\n"
    "local function used() return tonumber(string.match(redis.call('INFO', 'memory'), 'used_memory:(%d+)')) end "
    "local max = tonumber(string.match(redis.call('INFO', 'memory'), 'maxmemory:(%d+)')) "
    "local budget, removed = math.floor(max * 3 / 4), 0 "
    "local need = math.min(tonumber(ARGV[1]), budget / 2) "
    "if max == 0 or used() <= budget - need then return { used(), budget, max, 0 } end "
    "local function is_cache(key) "
    "  for i = 2, #ARGV do if string.find(key, ARGV[i]) then return true end end "
    "end "
    "local seen, found = {}, {} "
    "for i = 1, 128 do "
    "  local key = redis.call('RANDOMKEY') "
    "  if key and not seen[key] and is_cache(key) then "
    "    local idle = redis.pcall('OBJECT', 'IDLETIME', key) "
    "    seen[key] = true "
    "    found[#found + 1] = { key = key, idle = type(idle) == 'number' and idle or 0 } "
    "  end "
    "end "
    "table.sort(found, function(a, b) return a.idle > b.idle end) "
    "for i = 1, math.ceil(#found / 4) do "
    "  if used() <= budget - math.max(need, budget / 10) then break end "
    "  removed = removed + redis.call('DEL', found[i].key) "
    "end "
    "return { used(), budget, max, removed }";

enum { USED, BUDGET, MAX, REMOVED, NUMBERS, PATTERNS_MAX = 4, COMMAND_FIXED = 4, NUMBER_MAX = 24 };
/* Until its next look, a worker may write one share of the free space; before the first look, FIRST_BYTES. */
enum { SHARE = 8, FIRST_BYTES = 1 << 20 };

struct redis_room {
    struct loop *loop;
    struct redis *redis;
    struct slice command[COMMAND_FIXED + PATTERNS_MAX];
    size_t command_len;
    char need[NUMBER_MAX];
    struct redis_call call;
    struct loop_timer look;
    uint64_t left, wanted; /* may be written; must be free for the largest refused write */
    uint64_t looked_ms, draws;
    bool is_tight, is_full, is_trimmed; /* trimmed: the last look removed something */
};

static uint64_t look_ms(const struct redis_room *room) {
    return !room->is_tight ? ROOM_LOOK_MS : room->is_trimmed ? ROOM_TRIM_MS : ROOM_WAIT_MS;
}

static void look(struct loop_timer *timer) {
    struct redis_room *room = CONTAINER(timer, struct redis_room, look);
    loop_timer_set(timer, hash_spread(&room->draws, look_ms(room)));
    if (room->call.request) return;
    room->looked_ms = loop_now_ms(room->loop);
    int len = snprintf(room->need, sizeof room->need, "%llu", (unsigned long long)room->wanted);
    room->command[COMMAND_FIXED - 1] = (struct slice){room->need, (size_t)len};
    redis_gathering_command(room->redis, &room->call, room->command, room->command_len);
}

static void set_full(struct redis_room *room, bool is_full, const struct redis_value *items) {
    if (is_full == room->is_full) return;
    room->is_full = is_full;
    metric_set(METRIC_REDIS_FULL, is_full);
    LOG_ALWAYS(is_full ? LOG_ERROR : LOG_INFO, is_full ? "redis.full" : "redis.room",
               LOG_NUMBER("used_bytes", items ? items[USED].integer : 0),
               LOG_NUMBER("maxmemory", items ? items[MAX].integer : 0));
}

/* Full: trimming found nothing; stays full while memory is nearly full. */
static bool is_full_by(const struct redis_room *room, const struct redis_value *items) {
    int64_t left = items[MAX].integer - items[USED].integer;
    if (room->is_full) return left <= items[MAX].integer / 16;
    return left <= items[MAX].integer / 32 && items[REMOVED].integer == 0;
}

/* The server with the least space counts. A server that reports no limit has unlimited space. */
static void answered(struct redis_call *call, const struct redis_answer *answer) {
    struct redis_room *room = CONTAINER(call, struct redis_room, call);
    const struct redis_value *all = answer->value, *fullest = NULL;
    int64_t left = INT64_MAX, removed = 0;
    if (answer->status != REDIS_DONE || all->type != REDIS_ARRAY) return;
    for (size_t i = 0; i < all->items_len; i++) {
        const struct redis_value *items = all->items[i].items;
        if (all->items[i].type != REDIS_ARRAY || all->items[i].items_len != NUMBERS) continue;
        if (items[MAX].integer == 0) continue;
        removed += items[REMOVED].integer;
        if (items[BUDGET].integer - items[USED].integer < left) left = items[BUDGET].integer - items[USED].integer;
        if (is_full_by(room, items)) fullest = items;
    }
    metric_add(METRIC_CACHE_TRIMMED, removed);
    set_full(room, fullest != NULL, fullest);
    room->is_trimmed = removed > 0;
    room->is_tight = left < 0 || removed > 0;
    room->left = left == INT64_MAX ? UINT64_MAX : left > 0 ? (uint64_t)left / SHARE : 0;
    room->wanted = 0;
    if (room->is_tight) loop_timer_set(&room->look, hash_spread(&room->draws, look_ms(room)));
}

static void look_soon(struct redis_room *room) {
    uint64_t now_ms = loop_now_ms(room->loop), due_ms = room->looked_ms + ROOM_LOOK_AGAIN_MS;
    if (room->call.request || room->is_tight) return;
    loop_timer_set(&room->look, due_ms > now_ms ? due_ms - now_ms : 1);
}

bool redis_room_take(struct redis_room *room, size_t bytes) {
    if (!room || room->left == UINT64_MAX) return true;
    bool has_room = bytes <= room->left;
    if (has_room)
        room->left -= bytes;
    else if (room->wanted < bytes * SHARE)
        room->wanted = bytes * SHARE;
    if (!has_room || room->left < FIRST_BYTES) look_soon(room);
    return has_room;
}

bool redis_room_is_full(const struct redis_room *room) {
    return room && room->is_full;
}

struct redis_room *redis_room_new(struct loop *loop, struct redis *redis, const char *const *patterns, size_t len) {
    struct redis_room *room = NEW(struct redis_room);
    const struct slice command[] = {SLICE("EVAL"), SLICE(look_text), SLICE("0")};
    room->loop = loop;
    room->redis = redis;
    room->left = FIRST_BYTES;
    room->call.done = answered;
    for (size_t i = 0; i < COMMAND_FIXED - 1; i++) room->command[i] = command[i];
    for (size_t i = 0; i < len && i < PATTERNS_MAX; i++) room->command[COMMAND_FIXED + i] = slice_of(patterns[i]);
    room->command_len = COMMAND_FIXED + (len < PATTERNS_MAX ? len : PATTERNS_MAX);
    loop_timer_init(&room->look, loop, look);
    loop_timer_set(&room->look, ROOM_LOOK_AGAIN_MS);
    return room;
}

void redis_room_free(struct redis_room **owned) {
    struct redis_room *room = *owned;
    *owned = NULL;
    if (!room) return;
    redis_forget(&room->call);
    loop_timer_cancel(&room->look);
    free(room);
}
