#include "store/epoch_floors.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "base/fault.h"
#include "loop/loop.h"
#include "redis/redis.h"
#include "redis/script.h"
#include "redis/seal.h"
#include "wire/json.h"

enum { READ_MS = 1000, FIELD_MAX = 12, COMMAND_WORDS = 2, PLACE_MAX = 32 };

#define KEY SLICE("stoa:{epochs}")
/* KEYS the hash; ARGV shard, what was read and is too low, what takes its place. Someone else's is not undone. */
static const char raise_text[] =
    "if (redis.call('HGET', KEYS[1], ARGV[1]) or '') == ARGV[2] then redis.call('HSET', KEYS[1], ARGV[1], ARGV[3]) end "
    "return 1";

struct epoch_floor {
    int64_t epoch;
    char field[FIELD_MAX]; /* its shard */
};

struct epoch_floors {
    struct redis *redis;
    struct seal *seal; /* NULL: no secret */
    const struct epoch_floors_events *events;
    void *owner;
    struct epoch_floor *items;
    size_t len;
    struct slice *command; /* that reads them all */
    struct redis_call call;
    struct redis_script raise;
    struct loop_timer tick;
    bool is_settled;
};

static void settle(struct epoch_floors *floors) {
    if (floors->is_settled) return;
    floors->is_settled = true;
    floors->events->settled(floors->owner);
}

/* Where it is sealed for: one shard's floor is not another's. Lives as long as place. */
static struct slice place_of(const struct epoch_floor *floor, char place[PLACE_MAX]) {
    int len = snprintf(place, PLACE_MAX, "stoa:{epochs}:%s", floor->field);
    return (struct slice){place, (size_t)len};
}

/* 0: nothing, or nothing to believe. */
static int64_t epoch_in(const struct epoch_floors *floors, const struct epoch_floor *floor, struct slice held) {
    char place[PLACE_MAX];
    int64_t epoch;
    if (floors->seal && (held.len < SEAL_LEN || !seal_strip(floors->seal, place_of(floor, place), &held))) return 0;
    return held.len > 0 && json_integer(held, &epoch) && epoch > 0 ? epoch : 0;
}

static void raise_floor(struct epoch_floors *floors, const struct epoch_floor *floor, struct slice held) {
    char place[PLACE_MAX];
    struct buffer value = {0};
    buffer_printf(&value, "%" PRId64, floor->epoch);
    if (floors->seal) seal_append(floors->seal, place_of(floor, place), &value, 0);
    redis_eval(floors->redis, NULL, &floors->raise, &KEY, 1,
               REDIS_ARGS(slice_of(floor->field), held, buffer_slice(&value)));
    buffer_done(&value);
}

static void compare(struct epoch_floors *floors, unsigned shard, struct slice held) {
    struct epoch_floor *floor = &floors->items[shard];
    int64_t epoch = epoch_in(floors, floor, held);
    if (epoch < floor->epoch) raise_floor(floors, floor, held);
    if (epoch <= floor->epoch) return;
    floor->epoch = epoch;
    floors->events->raised(floors->owner, shard);
}

static void answered(struct redis_call *call, const struct redis_answer *answer) {
    struct epoch_floors *floors = CONTAINER(call, struct epoch_floors, call);
    const struct redis_value *value = answer->value;
    bool is_sound = answer->status == REDIS_DONE && value->type == REDIS_ARRAY && value->items_len == floors->len;
    for (unsigned i = 0; is_sound && i < floors->len; i++)
        compare(floors, i, value->items[i].type == REDIS_STRING ? value->items[i].text : SLICE_NONE);
    settle(floors);
}

static void read_all(struct epoch_floors *floors) {
    if (floors->call.request) return;
    redis_command(floors->redis, &floors->call, KEY, floors->command, COMMAND_WORDS + floors->len);
}

static void tick(struct loop_timer *timer) {
    struct epoch_floors *floors = CONTAINER(timer, struct epoch_floors, tick);
    if (!floors->redis) {
        settle(floors);
        return;
    }
    loop_timer_set(timer, READ_MS);
    read_all(floors);
}

static void name_all(struct epoch_floors *floors) {
    floors->command[0] = SLICE("HMGET");
    floors->command[1] = KEY;
    for (size_t i = 0; i < floors->len; i++) {
        snprintf(floors->items[i].field, FIELD_MAX, "%u", (unsigned)i);
        floors->command[COMMAND_WORDS + i] = slice_of(floors->items[i].field);
    }
}

struct epoch_floors *epoch_floors_new(struct loop *loop, struct redis *redis, const char *secret, size_t shards,
                                      const struct epoch_floors_events *events, void *owner) {
    struct epoch_floors *floors = NEW(struct epoch_floors);
    floors->redis = redis;
    floors->seal = seal_new(secret);
    floors->events = events;
    floors->owner = owner;
    floors->items = NEW_ARRAY(struct epoch_floor, shards);
    floors->len = shards;
    floors->command = NEW_ARRAY(struct slice, COMMAND_WORDS + shards);
    floors->call = (struct redis_call){.done = answered, .repeatable = true};
    redis_script_init(&floors->raise, slice_of(raise_text));
    loop_timer_init(&floors->tick, loop, tick);
    name_all(floors);
    loop_timer_set(&floors->tick, 1);
    return floors;
}

void epoch_floors_free(struct epoch_floors **owned) {
    struct epoch_floors *floors = *owned;
    if (!floors) return;
    redis_forget(&floors->call);
    loop_timer_cancel(&floors->tick);
    seal_free(&floors->seal);
    free(floors->command);
    free(floors->items);
    free(floors);
    *owned = NULL;
}

int64_t epoch_floors_of(const struct epoch_floors *floors, unsigned shard) {
    return fault_planted("no_epoch_floor") ? 0 : floors->items[shard].epoch;
}

void epoch_floors_meet(struct epoch_floors *floors, unsigned shard, int64_t epoch) {
    if (epoch <= floors->items[shard].epoch) return;
    floors->items[shard].epoch = epoch;
    if (floors->redis) read_all(floors);
}
