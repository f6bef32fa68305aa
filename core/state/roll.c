#include "state/roll.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/list.h"
#include "base/log.h"
#include "base/map.h"
#include "base/memory.h"
#include "loop/loop.h"
#include "redis/redis.h"
#include "state/state.h"
#include "state/state_scripts.h"

/* STEP: the fleet's clock goes on by so much at most for a beat. When Redis was away, nobody's lease has run. */
enum { BEAT_MS = 1000, EARLY_MS = 20, MISSING_MS = STATE_WORKER_LEASE_MS + 2000, STEP_MS = 2000 };
enum { WAS_ALIVE, CLOCK, NUMBER, ALIVE, IS_ALL, ENTRIES }; /* an answer's items */

struct worker_entry {
    struct list link; /* in roll->dead, who died last first; else alone */
    bool is_dead;
    uint64_t heard_ms; /* when the roll told of it last */
    uint64_t round;    /* of the roll */
    char id[];
};

struct roll {
    struct loop *loop;
    struct redis *redis;
    const struct state_scripts *scripts;
    struct roll_events events;
    void *owner, *keeper;
    struct map *entries; /* not this worker */
    struct list dead;
    unsigned alive;
    uint64_t clock_ms, clock_read_ms; /* the fleet's; when it was told, by this worker's own */
    uint64_t number;                  /* of the last change that was told; 0: all must be told */
    uint64_t round, round_ms;         /* counts how often all were told; since when it is this one */
    struct loop_timer beat;
    struct redis_call call;
    bool was_known, is_early; /* early: for a stranger, before it is due */
    size_t place_len;         /* of "NODE.INDEX." */
    char id[STATE_WORKER_ID_MAX + 1];
};

static void entry_die(struct roll *roll, struct worker_entry *entry, bool is_news) {
    if (entry->is_dead) return;
    entry->is_dead = true;
    list_append(roll->dead.next, &entry->link); /* before the first */
    if (is_news) {
        roll->alive--;
        LOG(LOG_WARNING, "fleet.gone", LOG_TEXT("worker", entry->id));
        if (roll->events.gone) roll->events.gone(roll->owner, slice_of(entry->id));
    }
}

static struct worker_entry *entry_get(struct roll *roll, struct slice id) {
    struct worker_entry *entry = map_find(roll->entries, id);
    if (entry) return entry;
    entry = memory_new(sizeof *entry + id.len + 1);
    memcpy(entry->id, id.ptr, id.len);
    list_init(&entry->link);
    map_put(roll->entries, slice_of(entry->id), entry);
    return entry;
}

static void hear(struct roll *roll, struct slice id, bool is_alive) {
    if (slice_is(id, roll->id) || id.len > STATE_WORKER_ID_MAX || memchr(id.ptr, 0, id.len)) return;
    bool is_new = !map_find(roll->entries, id);
    struct worker_entry *entry = entry_get(roll, id);
    entry->heard_ms = loop_now_ms(roll->loop);
    entry->round = roll->round;
    if (is_alive && (is_new || entry->is_dead)) {
        entry->is_dead = false;
        list_remove(&entry->link);
        roll->alive++;
        LOG(LOG_INFO, "fleet.came", LOG_TEXT("worker", entry->id));
    } else if (!is_alive) {
        entry_die(roll, entry, !is_new);
    }
}

/* Those that Redis knows no more: the dead are forgotten with it, the living have some time. How many it has alive. */
static unsigned miss(struct roll *roll) {
    uint64_t now_ms = loop_now_ms(roll->loop);
    size_t cursor = 0;
    unsigned alive = 1;
    for (struct worker_entry *entry; (entry = map_next(roll->entries, &cursor));) {
        bool is_missing = entry->round != roll->round;
        alive += !entry->is_dead && !is_missing;
        if (!entry->is_dead && is_missing && roll->round_ms + MISSING_MS <= now_ms) entry_die(roll, entry, true);
        if (!entry->is_dead || entry->heard_ms + STATE_BURIED_MS > now_ms) continue;
        map_remove(roll->entries, slice_of(entry->id));
        list_remove(&entry->link);
        free(entry);
    }
    return alive;
}

static void call_soon(struct roll *roll) {
    if (roll->is_early) return;
    roll->is_early = true;
    loop_timer_set(&roll->beat, EARLY_MS);
}

static uint64_t steady_ms(const struct roll *roll) {
    return loop_clock_us(roll->loop) / 1000;
}

static void take_entries(struct roll *roll, const struct redis_value *items, size_t len) {
    bool is_all = items[IS_ALL].integer;
    roll->clock_ms = (uint64_t)items[CLOCK].integer;
    roll->clock_read_ms = steady_ms(roll);
    roll->number = (uint64_t)items[NUMBER].integer;
    if (is_all) {
        roll->round++;
        roll->round_ms = loop_now_ms(roll->loop);
    }
    for (size_t i = ENTRIES; i + 1 < len; i += 2) hear(roll, items[i].text, items[i + 1].integer);
    if (miss(roll) == items[ALIVE].integer || is_all) return;
    roll->number = 0; /* a server that took another one's place had not heard all of it */
    call_soon(roll);
}

static void answered(struct redis_call *call, const struct redis_answer *answer) {
    struct roll *roll = CONTAINER(call, struct roll, call);
    const struct redis_value *value = answer->value;
    if (answer->status != REDIS_DONE || value->type != REDIS_ARRAY || value->items_len < ENTRIES) return;
    take_entries(roll, value->items, value->items_len);
    if (value->items[WAS_ALIVE].integer) return;
    if (roll->was_known) LOG(LOG_WARNING, "fleet.forgotten", LOG_TEXT("worker", roll->id));
    roll->was_known = true;
    roll->events.unknown(roll->keeper);
}

static uint64_t passed_ms(const struct roll *roll) {
    uint64_t passed_ms = steady_ms(roll) - roll->clock_read_ms;
    return passed_ms < STEP_MS ? passed_ms : STEP_MS;
}

uint64_t roll_clock_ms(const struct roll *roll) {
    return roll->clock_ms > 0 ? roll->clock_ms + passed_ms(roll) : 0;
}

static void speak(struct roll *roll, uint64_t lease_ms, struct redis_call *call) {
    struct state_words words = {0};
    state_words_workers_key(&words);
    state_words_add(&words, slice_of(roll->id));
    state_words_add(&words, (struct slice){roll->id, roll->place_len});
    state_words_add_number(&words, lease_ms);
    state_words_add_number(&words, STATE_BURIED_MS);
    state_words_add_number(&words, roll->clock_ms);
    state_words_add_number(&words, passed_ms(roll));
    state_words_add_number(&words, roll->number);
    state_words_eval(&words, roll->redis, call, roll->scripts, STATE_SCRIPT_BEAT);
}

static void beat(struct loop_timer *timer) {
    struct roll *roll = CONTAINER(timer, struct roll, beat);
    loop_timer_set(timer, BEAT_MS);
    roll->is_early = false;
    if (!roll->call.request) speak(roll, STATE_WORKER_LEASE_MS, &roll->call);
}

void roll_note(struct roll *roll, struct slice worker_id) {
    if (!map_find(roll->entries, worker_id)) call_soon(roll);
}

struct roll *roll_new(struct loop *loop, struct redis *redis, const struct state_scripts *scripts,
                      struct slice worker_id, const struct roll_events *events, void *owner, void *keeper) {
    struct roll *roll = NEW(struct roll);
    roll->loop = loop;
    roll->redis = redis;
    roll->scripts = scripts;
    roll->events = *events;
    roll->owner = owner;
    roll->keeper = keeper;
    roll->entries = map_new();
    list_init(&roll->dead);
    roll->alive = 1;
    roll->call = (struct redis_call){.done = answered, .repeatable = true};
    snprintf(roll->id, sizeof roll->id, "%.*s", SLICE_ARG(worker_id));
    const char *dot = strrchr(roll->id, '.');
    roll->place_len = dot ? (size_t)(dot + 1 - roll->id) : strlen(roll->id);
    loop_timer_init(&roll->beat, loop, beat);
    beat(&roll->beat);
    return roll;
}

void roll_free(struct roll **roll_owner) {
    struct roll *roll = *roll_owner;
    *roll_owner = NULL;
    if (!roll) return;
    redis_forget(&roll->call);
    speak(roll, 0, NULL);
    loop_timer_cancel(&roll->beat);
    size_t cursor = 0;
    for (struct worker_entry *entry; (entry = map_next(roll->entries, &cursor));) free(entry);
    map_free(&roll->entries);
    free(roll);
}

unsigned roll_alive(const struct roll *roll) {
    return roll->alive;
}

void roll_each_alive(const struct roll *roll, void (*fn)(void *owner, struct slice worker_id), void *owner) {
    size_t cursor = 0;
    for (const struct worker_entry *entry; (entry = map_next(roll->entries, &cursor));) {
        if (!entry->is_dead) fn(owner, slice_of(entry->id));
    }
}

bool roll_is_dead(const struct roll *roll, struct slice worker_id) {
    const struct worker_entry *entry = map_find(roll->entries, worker_id);
    return entry && entry->is_dead;
}

size_t roll_dead(const struct roll *roll, const char **ids, size_t max) {
    size_t len = 0;
    LIST_EACH(&roll->dead, link) {
        if (len == max) break;
        ids[len++] = CONTAINER(link, struct worker_entry, link)->id;
    }
    return len;
}
