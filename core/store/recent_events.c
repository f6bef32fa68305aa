/* SPDX-License-Identifier: Apache-2.0 */
#include "store/recent_events.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/list.h"
#include "loop/loop.h"
#include "redis/redis.h"
#include "redis/redis_room.h"
#include "redis/seal.h"
#include "store/store_json.h"
#include "wire/json.h"

#define LAST "local last = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')[2] "
/* KEYS the range; ARGV seq, most, event or nothing (then the range ends) → 0: there is no range. */
static const char append_text[] = LAST
    "if not last then return 0 end "
    "if tonumber(last) + 1 ~= tonumber(ARGV[1]) then return 1 end "
    "if ARGV[3] == '' then redis.call('DEL', KEYS[1]) return 0 end "
    "redis.call('ZADD', KEYS[1], ARGV[1], ARGV[3]) "
    "redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -1 - ARGV[2]) "
    "return 1";
/* KEYS the range; ARGV first, most, ttl or 0 (0: the events extend the range), event…. */
static const char keep_text[] = LAST
    "local first, most, ttl, from = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3]), 4 "
    "if ttl == 0 then "
    "  if not last or tonumber(last) + 1 < first then return 0 end "
    "  from = from + tonumber(last) + 1 - first "
    "elseif last and tonumber(last) > first + #ARGV - 4 then return 0 "
    "else redis.call('DEL', KEYS[1]) end "
    "for i = from, #ARGV do redis.call('ZADD', KEYS[1], first + i - 4, ARGV[i]) end "
    "if ttl > 0 then redis.call('PEXPIRE', KEYS[1], ttl) end "
    "redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -1 - most) "
    "return 1";

enum { NUMBER_MAX = 24, HINTS = 4096, KEEP_FIXED = 3 };
static const char MOST[] = "1000"; /* RECENT_EVENTS_MAX */

/* Channels with this hash are assumed to have no range until then. */
struct hint {
    uint64_t channel, until_ms;
};

struct recent_events {
    struct loop *loop;
    struct redis *redis;
    struct redis_room *room;
    struct seal *seal; /* NULL: no secret */
    struct redis_script append, keep;
    struct hint hints[HINTS];
    uint64_t draws;
    struct list readings, appendings;
    struct buffer key, event; /* for the current call */
};

struct recent_reading {
    struct redis_call call;
    struct list link;
    struct recent_events *recent;
    struct recent_read *read;
    int64_t after, head;
    struct buffer key;
};

struct appending {
    struct redis_call call;
    struct list link;
    struct recent_events *recent;
    uint64_t channel;
};

/* Valid until the next call. */
static struct slice key_of(struct recent_events *recent, const struct recent_log *log) {
    buffer_clear(&recent->key);
    buffer_append_str(&recent->key, "stoa:{c:");
    buffer_append_slice(&recent->key, log->channel_id);
    buffer_append_str(&recent->key, "}:e:");
    buffer_append_slice(&recent->key, log->epoch);
    return buffer_slice(&recent->key);
}

static struct slice write_number(int64_t number, char *out) {
    int len = snprintf(out, NUMBER_MAX, "%lld", (long long)number);
    return (struct slice){out, (size_t)len};
}

static struct hint *hint_of(struct recent_events *recent, uint64_t channel) {
    return &recent->hints[channel % HINTS];
}

/* What an event is. */

bool recent_event_deletes(struct slice event) {
    struct json_walk walk;
    struct slice name;
    json_walk_init(&walk, event);
    return json_walk_item(&walk, &name) && json_string_is(name, SLICE("message:deleted"));
}

/* Reading. */

static void reading_free(struct recent_reading *reading) {
    redis_forget(&reading->call);
    list_remove(&reading->link);
    buffer_done(&reading->key);
    free(reading);
}

/* Data in Redis is not trusted. False: not an event with that number, or not sealed. */
static bool take_event(struct recent_reading *reading, struct slice held, int64_t seq, struct buffer *out) {
    struct seal *seal = reading->recent->seal;
    if (seal && (held.len < SEAL_LEN || !seal_strip(seal, buffer_slice(&reading->key), &held))) return false;
    if (!json_valid(held) || store_event_seq(held) != seq) return false;
    buffer_append_slice(out, held);
    buffer_append_char(out, ',');
    return true;
}

static void read_answered(struct redis_call *call, const struct redis_answer *answer) {
    struct recent_reading *reading = CONTAINER(call, struct recent_reading, call);
    struct recent_read *read = reading->read;
    const struct redis_value *value = answer->value;
    struct buffer events = {0};
    int64_t after = reading->after, head = reading->head, top = after;
    bool is_sound = answer->status == REDIS_DONE && value->type == REDIS_ARRAY;
    for (size_t i = 0; is_sound && i < value->items_len; i++) {
        is_sound = top < head && take_event(reading, value->items[i].text, top + 1, &events);
        if (is_sound) top++;
    }
    reading_free(reading);
    read->reading = NULL;
    if (is_sound)
        read->done(read, buffer_slice(&events), top);
    else
        read->done(read, SLICE_NONE, after);
    buffer_done(&events);
}

bool recent_events_usable(const struct recent_events *recent) {
    return redis_is_up(recent->redis);
}

void recent_events_read(struct recent_events *recent, struct recent_read *read, const struct recent_log *log,
                        int64_t after, int64_t head) {
    struct recent_reading *reading = NEW(struct recent_reading);
    char from[NUMBER_MAX + 1] = "(", to[NUMBER_MAX];
    struct slice key = key_of(recent, log), number = write_number(after, from + 1);
    reading->call = (struct redis_call){.done = read_answered, .deadline_ms = RECENT_DEADLINE_MS, .repeatable = true};
    reading->recent = recent;
    reading->read = read;
    reading->after = after;
    reading->head = head;
    buffer_append_slice(&reading->key, key);
    list_append(&recent->readings, &reading->link);
    read->reading = reading;
    redis_command(
        recent->redis, &reading->call, key,
        REDIS_ARGS(SLICE("ZRANGEBYSCORE"), key, ((struct slice){from, 1 + number.len}), write_number(head, to)));
}

void recent_events_forget(struct recent_read *read) {
    if (!read->reading) return;
    reading_free(read->reading);
    read->reading = NULL;
}

/* Writing. */

/* Writes the event to out in the format kept in Redis. */
static void write_event(struct recent_events *recent, struct slice key, struct slice event, struct buffer *out) {
    size_t start = out->len;
    buffer_append_slice(out, event);
    if (recent->seal) seal_append(recent->seal, key, out, start);
}

static void append_answered(struct redis_call *call, const struct redis_answer *answer) {
    struct appending *appending = CONTAINER(call, struct appending, call);
    struct recent_events *recent = appending->recent;
    if (answer->status == REDIS_DONE && answer->value->type == REDIS_INTEGER && answer->value->integer == 0)
        *hint_of(recent, appending->channel) =
            (struct hint){appending->channel, loop_now_ms(recent->loop) + RECENT_ABSENT_MS};
    list_remove(&appending->link);
    free(appending);
}

void recent_events_committed(struct recent_events *recent, const struct recent_log *log, int64_t seq,
                             struct slice event) {
    uint64_t channel = hash_local(log->channel_id);
    const struct hint *hint = hint_of(recent, channel);
    if (hint->channel == channel && loop_now_ms(recent->loop) < hint->until_ms) return;
    if (!redis_room_take(recent->room, event.len + ROOM_ENTRY_BYTES)) return; /* the range ends before it */
    struct appending *appending = NEW(struct appending);
    char number[NUMBER_MAX];
    struct slice key = key_of(recent, log);
    appending->call = (struct redis_call){.done = append_answered};
    appending->recent = recent;
    appending->channel = channel;
    list_append(&recent->appendings, &appending->link);
    buffer_clear(&recent->event);
    if (event.len <= RECENT_EVENT_BYTES && !recent_event_deletes(event))
        write_event(recent, key, event, &recent->event);
    redis_eval(recent->redis, &appending->call, &recent->append, &key, 1,
               REDIS_ARGS(write_number(seq, number), slice_of(MOST), buffer_slice(&recent->event)));
}

/* The last events of the array, at most RECENT_EVENTS_MAX, as arguments. False: none, or one is too large. */
static bool write_events(struct recent_events *recent, struct slice key, struct slice events, struct slice *args,
                         size_t *len_r) {
    struct json_walk walk;
    struct slice event;
    size_t offsets[RECENT_EVENTS_MAX + 1], len = 0;
    buffer_clear(&recent->event);
    json_walk_init(&walk, events);
    while (json_walk_item(&walk, &event)) {
        if (event.len > RECENT_EVENT_BYTES || len == RECENT_EVENTS_MAX) return false;
        offsets[len++] = recent->event.len;
        write_event(recent, key, event, &recent->event);
    }
    offsets[len] = recent->event.len;
    for (size_t i = 0; i < len; i++)
        args[i] = (struct slice){recent->event.ptr + offsets[i], offsets[i + 1] - offsets[i]};
    *len_r = len;
    return len > 0;
}

void recent_events_keep(struct recent_events *recent, const struct recent_log *log, int64_t after, int64_t top,
                        struct slice events, bool continues) {
    struct slice args[KEEP_FIXED + RECENT_EVENTS_MAX], key = key_of(recent, log);
    char first[NUMBER_MAX], ttl[NUMBER_MAX];
    size_t len;
    if (!redis_room_take(recent->room, events.len + RECENT_EVENTS_MAX * ROOM_ENTRY_BYTES)) return;
    if (!write_events(recent, key, events, args + KEEP_FIXED, &len) || after + (int64_t)len != top) return;
    args[0] = write_number(after + 1, first);
    args[1] = slice_of(MOST);
    args[2] = write_number(continues ? 0 : (int64_t)hash_spread(&recent->draws, RECENT_TTL_MS), ttl);
    hint_of(recent, hash_local(log->channel_id))->until_ms = 0;
    redis_eval(recent->redis, NULL, &recent->keep, &key, 1, args, KEEP_FIXED + len);
}

/* The whole. */

struct recent_events *recent_events_new(struct loop *loop, struct redis *redis, struct redis_room *room,
                                        const char *secret) {
    struct recent_events *recent = NEW(struct recent_events);
    recent->loop = loop;
    recent->redis = redis;
    recent->room = room;
    recent->seal = seal_new(secret);
    redis_script_init(&recent->append, SLICE(append_text));
    redis_script_init(&recent->keep, SLICE(keep_text));
    list_init(&recent->readings);
    list_init(&recent->appendings);
    return recent;
}

void recent_events_free(struct recent_events **owned) {
    struct recent_events *recent = *owned;
    *owned = NULL;
    if (!recent) return;
    LIST_EACH(&recent->readings, link) {
        struct recent_reading *reading = CONTAINER(link, struct recent_reading, link);
        reading->read->reading = NULL;
        reading_free(reading);
    }
    LIST_EACH(&recent->appendings, link) {
        struct appending *appending = CONTAINER(link, struct appending, link);
        redis_forget(&appending->call);
        list_remove(link);
        free(appending);
    }
    seal_free(&recent->seal);
    buffer_done(&recent->key);
    buffer_done(&recent->event);
    free(recent);
}
