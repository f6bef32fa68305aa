/* SPDX-License-Identifier: Apache-2.0 */
#include "store/postgres/epoch_floors.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/fault.h"
#include "loop/loop.h"
#include "redis/redis.h"
#include "redis/seal.h"
#include "wire/json.h"

enum { READ_MS = 1000, SHARED_MS = 3 * READ_MS, FIELD_MAX = 16, COMMAND_WORDS = 2, PLACE_MAX = 32 };
/* The fields of a database: its epoch's number, the only one that older workers know, and "EPOCH REACHED". */
enum floor_field { FIELD_NUMBER, FIELD_REACHED, FIELDS };

#define KEY SLICE("stoa:{epochs}")
/* KEYS the hash; ARGV field, the outdated value that was read, its replacement. A value that another worker changed
 * meanwhile stays. */
static const char raise_text[] =
    "#!lua flags=allow-oom\n" /* its data is small */
    "if (redis.call('HGET', KEYS[1], ARGV[1]) or '') == ARGV[2] then redis.call('HSET', KEYS[1], ARGV[1], ARGV[3]) end "
    "return 1";

struct known_floor {
    struct epoch_floor floor;
    char fields[FIELDS][FIELD_MAX];
};

struct epoch_floors {
    struct redis *redis;
    struct seal *seal; /* NULL: no secret */
    const struct epoch_floors_events *events;
    void *owner;
    struct known_floor *items;
    size_t len;
    struct slice *command; /* the command that reads all floors */
    struct redis_call call;
    struct redis_script raise;
    struct loop *loop;
    struct loop_timer tick;
    uint64_t shared_ms; /* when Redis last returned them; 0: never */
    bool is_settled;
};

static void settle(struct epoch_floors *floors) {
    if (floors->is_settled) return;
    floors->is_settled = true;
    floors->events->settled(floors->owner);
}

/* ---- floors */

bool epoch_floor_parse(struct epoch_floor *out, struct slice epoch) {
    if (epoch.len == 0) return false;
    const char *dash = memchr(epoch.ptr, '-', epoch.len);
    size_t len = dash ? (size_t)(dash - epoch.ptr) : epoch.len;
    if (!json_integer((struct slice){epoch.ptr, len}, &out->number) || out->number <= 0) return false;
    struct slice rest = dash ? slice_from(epoch, len + 1) : SLICE_NONE;
    if (rest.len >= INCARNATION_MAX) return false;
    snprintf(out->incarnation, INCARNATION_MAX, "%.*s", SLICE_ARG(rest));
    return true;
}

bool epoch_floor_ends(const struct epoch_floor *a, const struct epoch_floor *b) {
    if (a->number != b->number) return a->number < b->number;
    return a->incarnation[0] && b->incarnation[0] && strcmp(a->incarnation, b->incarnation) != 0;
}

/* Parses another worker's "NUMBER" or "EPOCH REACHED". */
static struct epoch_floor floor_in(enum floor_field field, struct slice held) {
    struct epoch_floor floor = {0};
    const char *space = memchr(held.ptr, ' ', held.len);
    size_t len = space ? (size_t)(space - held.ptr) : held.len;
    bool is_sound =
        (field == FIELD_REACHED) == (space != NULL) && epoch_floor_parse(&floor, (struct slice){held.ptr, len});
    if (is_sound && space) is_sound = json_integer(slice_from(held, len + 1), &floor.reached);
    return is_sound ? floor : (struct epoch_floor){0};
}

/* Is b higher than a? */
static bool is_above(const struct epoch_floor *a, const struct epoch_floor *b) {
    if (a->number != b->number) return b->number > a->number;
    return b->reached > a->reached || (!a->incarnation[0] && b->incarnation[0]);
}

/* True: the epoch has changed. Two epochs with one number are never merged: the one seen first stays. */
static bool raise_to(struct epoch_floor *floor, const struct epoch_floor *met) {
    bool differs = epoch_floor_ends(floor, met);
    if (!is_above(floor, met) || (differs && floor->number == met->number)) return false;
    *floor = *met;
    return differs;
}

/* ---- in Redis */

/* The place for the seal, so that one field's value is invalid in another. Lives as long as place. */
static struct slice place_of(const char *field, char place[PLACE_MAX]) {
    int len = snprintf(place, PLACE_MAX, "stoa:{epochs}:%s", field);
    return (struct slice){place, (size_t)len};
}

/* {0}: nothing there, or not valid. */
static struct epoch_floor read_field(const struct epoch_floors *floors, const struct known_floor *known,
                                     enum floor_field field, struct slice held) {
    char place[PLACE_MAX];
    if (floors->seal &&
        (held.len < SEAL_LEN || !seal_strip(floors->seal, place_of(known->fields[field], place), &held)))
        return (struct epoch_floor){0};
    return held.len > 0 ? floor_in(field, held) : (struct epoch_floor){0};
}

static void write_field(struct epoch_floors *floors, const struct known_floor *known, enum floor_field field,
                        struct slice held) {
    char place[PLACE_MAX];
    struct buffer value = {0};
    buffer_printf(&value, "%" PRId64, known->floor.number);
    if (field == FIELD_REACHED) buffer_printf(&value, "-%s %" PRId64, known->floor.incarnation, known->floor.reached);
    if (floors->seal) seal_append(floors->seal, place_of(known->fields[field], place), &value, 0);
    redis_eval(floors->redis, NULL, &floors->raise, &KEY, 1,
               REDIS_ARGS(slice_of(known->fields[field]), held, buffer_slice(&value)));
    buffer_done(&value);
}

/* True: another worker has seen another epoch. */
static bool compare(struct epoch_floors *floors, struct known_floor *known, enum floor_field field, struct slice held) {
    struct epoch_floor theirs = read_field(floors, known, field, held), ours = known->floor;
    if (field == FIELD_NUMBER) ours = (struct epoch_floor){.number = ours.number};
    if (is_above(&theirs, &ours) && (field == FIELD_NUMBER || ours.incarnation[0]))
        write_field(floors, known, field, held);
    return raise_to(&known->floor, &theirs);
}

static void answered(struct redis_call *call, const struct redis_answer *answer) {
    struct epoch_floors *floors = CONTAINER(call, struct epoch_floors, call);
    const struct redis_value *value = answer->value;
    bool is_sound =
        answer->status == REDIS_DONE && value->type == REDIS_ARRAY && value->items_len == floors->len * FIELDS;
    if (is_sound) floors->shared_ms = loop_now_ms(floors->loop);
    for (unsigned i = 0; is_sound && i < floors->len; i++) {
        bool raised = false;
        for (unsigned field = FIELDS; field-- > 0;) { /* the field with more information first */
            const struct redis_value *item = &value->items[i * FIELDS + field];
            struct slice held = item->type == REDIS_STRING ? item->text : SLICE_NONE;
            if (compare(floors, &floors->items[i], field, held)) raised = true;
        }
        if (raised) floors->events->raised(floors->owner, i);
    }
    settle(floors);
}

void epoch_floors_read(struct epoch_floors *floors) {
    if (!floors->redis || floors->call.request) return;
    redis_command(floors->redis, &floors->call, KEY, floors->command, COMMAND_WORDS + floors->len * FIELDS);
}

bool epoch_floors_are_shared(const struct epoch_floors *floors) {
    return floors->shared_ms && loop_now_ms(floors->loop) - floors->shared_ms < SHARED_MS;
}

static void tick(struct loop_timer *timer) {
    struct epoch_floors *floors = CONTAINER(timer, struct epoch_floors, tick);
    if (!floors->redis) {
        settle(floors);
        return;
    }
    loop_timer_set(timer, READ_MS);
    epoch_floors_read(floors);
}

static void name_all(struct epoch_floors *floors) {
    struct slice *word = floors->command;
    *word++ = SLICE("HMGET");
    *word++ = KEY;
    for (size_t i = 0; i < floors->len; i++) {
        char *name = floors->items[i].fields[FIELD_NUMBER];
        snprintf(name, FIELD_MAX, i + 1 < floors->len ? "%u" : "global", (unsigned)i);
        snprintf(floors->items[i].fields[FIELD_REACHED], FIELD_MAX, "%.11s:at", name);
        for (unsigned field = 0; field < FIELDS; field++) *word++ = slice_of(floors->items[i].fields[field]);
    }
}

struct epoch_floors *epoch_floors_new(struct loop *loop, struct redis *redis, const char *secret, size_t databases,
                                      const struct epoch_floors_events *events, void *owner) {
    struct epoch_floors *floors = NEW(struct epoch_floors);
    floors->loop = loop;
    floors->redis = redis;
    floors->seal = seal_new(secret);
    floors->events = events;
    floors->owner = owner;
    floors->items = NEW_ARRAY(struct known_floor, databases);
    floors->len = databases;
    floors->command = NEW_ARRAY(struct slice, COMMAND_WORDS + databases * FIELDS);
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

const struct epoch_floor *epoch_floors_of(const struct epoch_floors *floors, unsigned database) {
    static const struct epoch_floor none;
    return fault_planted("no_epoch_floor") ? &none : &floors->items[database].floor;
}

void epoch_floors_meet(struct epoch_floors *floors, unsigned database, const struct epoch_floor *met) {
    if (raise_to(&floors->items[database].floor, met)) epoch_floors_read(floors);
}
