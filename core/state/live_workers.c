/* SPDX-License-Identifier: Apache-2.0 */
#include "state/live_workers.h"

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

/* STEP: the most that one beat advances the fleet's clock. So no lease runs out because Redis was away. */
enum { BEAT_MS = 1000, EARLY_MS = 20, MISSING_MS = STATE_WORKER_LEASE_MS + 2000, STEP_MS = 2000 };
enum { WAS_ALIVE, CLOCK, NUMBER, ALIVE, IS_ALL, ENTRIES }; /* indices in an answer */

struct worker_entry {
    struct list link; /* in live_workers->dead, the latest dead first; else unlinked */
    bool is_dead;
    uint64_t heard_ms; /* when an answer last named it */
    uint64_t round;    /* of the last full answer that named it */
    char id[];
};

struct live_workers {
    struct loop *loop;
    struct redis *redis;
    const struct state_scripts *scripts;
    struct live_workers_events events;
    void *owner, *keeper;
    struct map *entries; /* not this worker */
    struct list dead;
    unsigned alive;
    uint64_t clock_ms, clock_read_ms; /* the fleet's time; when it was read, by this worker's clock */
    uint64_t number;                  /* of the last change received; 0: ask for all */
    uint64_t round, round_ms;         /* number of full answers; since when it is this one */
    struct loop_timer beat;
    struct redis_call call;
    bool was_known, is_early; /* early: beats before it is due, because of an unknown worker */
    size_t place_len;         /* of "NODE.INDEX." */
    char id[STATE_WORKER_ID_MAX + 1];
};

static void entry_die(struct live_workers *live_workers, struct worker_entry *entry, bool is_news) {
    if (entry->is_dead) return;
    entry->is_dead = true;
    list_append(live_workers->dead.next, &entry->link); /* before the first */
    if (is_news) {
        live_workers->alive--;
        LOG(LOG_WARNING, "fleet.gone", LOG_TEXT("worker", entry->id));
        if (live_workers->events.gone) live_workers->events.gone(live_workers->owner, slice_of(entry->id));
    }
}

static struct worker_entry *entry_get(struct live_workers *live_workers, struct slice id) {
    struct worker_entry *entry = map_find(live_workers->entries, id);
    if (entry) return entry;
    entry = memory_new(sizeof *entry + id.len + 1);
    memcpy(entry->id, id.ptr, id.len);
    list_init(&entry->link);
    map_put(live_workers->entries, slice_of(entry->id), entry);
    return entry;
}

static void hear(struct live_workers *live_workers, struct slice id, bool is_alive) {
    if (slice_is(id, live_workers->id) || id.len > STATE_WORKER_ID_MAX || memchr(id.ptr, 0, id.len)) return;
    bool is_new = !map_find(live_workers->entries, id);
    struct worker_entry *entry = entry_get(live_workers, id);
    entry->heard_ms = loop_now_ms(live_workers->loop);
    entry->round = live_workers->round;
    if (is_alive && (is_new || entry->is_dead)) {
        entry->is_dead = false;
        list_remove(&entry->link);
        live_workers->alive++;
        LOG(LOG_INFO, "fleet.came", LOG_TEXT("worker", entry->id));
    } else if (!is_alive) {
        entry_die(live_workers, entry, !is_new);
    }
}

/* Handles workers that Redis no longer knows: forgets the dead, gives the living some time. Returns how many of those
 * Redis had alive. */
static unsigned miss(struct live_workers *live_workers) {
    uint64_t now_ms = loop_now_ms(live_workers->loop);
    size_t cursor = 0;
    unsigned alive = 1;
    for (struct worker_entry *entry; (entry = map_next(live_workers->entries, &cursor));) {
        bool is_missing = entry->round != live_workers->round;
        alive += !entry->is_dead && !is_missing;
        if (!entry->is_dead && is_missing && live_workers->round_ms + MISSING_MS <= now_ms)
            entry_die(live_workers, entry, true);
        if (!entry->is_dead || entry->heard_ms + STATE_BURIED_MS > now_ms) continue;
        map_remove(live_workers->entries, slice_of(entry->id));
        list_remove(&entry->link);
        free(entry);
    }
    return alive;
}

static void call_soon(struct live_workers *live_workers) {
    if (live_workers->is_early) return;
    live_workers->is_early = true;
    loop_timer_set(&live_workers->beat, EARLY_MS);
}

static uint64_t steady_ms(const struct live_workers *live_workers) {
    return loop_clock_us(live_workers->loop) / 1000;
}

static void take_entries(struct live_workers *live_workers, const struct redis_value *items, size_t len) {
    bool is_all = items[IS_ALL].integer;
    live_workers->clock_ms = (uint64_t)items[CLOCK].integer;
    live_workers->clock_read_ms = steady_ms(live_workers);
    live_workers->number = (uint64_t)items[NUMBER].integer;
    if (is_all) {
        live_workers->round++;
        live_workers->round_ms = loop_now_ms(live_workers->loop);
    }
    for (size_t i = ENTRIES; i + 1 < len; i += 2) hear(live_workers, items[i].text, items[i + 1].integer);
    if (miss(live_workers) == items[ALIVE].integer || is_all) return;
    live_workers->number = 0; /* the server that took over lacked some changes */
    call_soon(live_workers);
}

static void answered(struct redis_call *call, const struct redis_answer *answer) {
    struct live_workers *live_workers = CONTAINER(call, struct live_workers, call);
    const struct redis_value *value = answer->value;
    if (answer->status != REDIS_DONE || value->type != REDIS_ARRAY || value->items_len < ENTRIES) return;
    take_entries(live_workers, value->items, value->items_len);
    if (value->items[WAS_ALIVE].integer) return;
    if (live_workers->was_known) LOG(LOG_WARNING, "fleet.forgotten", LOG_TEXT("worker", live_workers->id));
    live_workers->was_known = true;
    live_workers->events.unknown(live_workers->keeper);
}

static uint64_t passed_ms(const struct live_workers *live_workers) {
    uint64_t passed_ms = steady_ms(live_workers) - live_workers->clock_read_ms;
    return passed_ms < STEP_MS ? passed_ms : STEP_MS;
}

uint64_t live_workers_clock_ms(const struct live_workers *live_workers) {
    return live_workers->clock_ms > 0 ? live_workers->clock_ms + passed_ms(live_workers) : 0;
}

static void speak(struct live_workers *live_workers, uint64_t lease_ms, struct redis_call *call) {
    struct state_words words = {0};
    state_words_workers_key(&words);
    state_words_add(&words, slice_of(live_workers->id));
    state_words_add(&words, (struct slice){live_workers->id, live_workers->place_len});
    state_words_add_number(&words, lease_ms);
    state_words_add_number(&words, STATE_BURIED_MS);
    state_words_add_number(&words, live_workers->clock_ms);
    state_words_add_number(&words, passed_ms(live_workers));
    state_words_add_number(&words, live_workers->number);
    state_words_eval(&words, live_workers->redis, call, live_workers->scripts, STATE_SCRIPT_BEAT);
}

static void beat(struct loop_timer *timer) {
    struct live_workers *live_workers = CONTAINER(timer, struct live_workers, beat);
    loop_timer_set(timer, BEAT_MS);
    live_workers->is_early = false;
    if (!live_workers->call.request) speak(live_workers, STATE_WORKER_LEASE_MS, &live_workers->call);
}

void live_workers_note(struct live_workers *live_workers, struct slice worker_id) {
    if (!map_find(live_workers->entries, worker_id)) call_soon(live_workers);
}

struct live_workers *live_workers_new(struct loop *loop, struct redis *redis, const struct state_scripts *scripts,
                                      struct slice worker_id, const struct live_workers_events *events, void *owner,
                                      void *keeper) {
    struct live_workers *live_workers = NEW(struct live_workers);
    live_workers->loop = loop;
    live_workers->redis = redis;
    live_workers->scripts = scripts;
    live_workers->events = *events;
    live_workers->owner = owner;
    live_workers->keeper = keeper;
    live_workers->entries = map_new();
    list_init(&live_workers->dead);
    live_workers->alive = 1;
    live_workers->call = (struct redis_call){.done = answered, .repeatable = true};
    snprintf(live_workers->id, sizeof live_workers->id, "%.*s", SLICE_ARG(worker_id));
    const char *dot = strrchr(live_workers->id, '.');
    live_workers->place_len = dot ? (size_t)(dot + 1 - live_workers->id) : strlen(live_workers->id);
    loop_timer_init(&live_workers->beat, loop, beat);
    beat(&live_workers->beat);
    return live_workers;
}

void live_workers_free(struct live_workers **roll_owner) {
    struct live_workers *live_workers = *roll_owner;
    *roll_owner = NULL;
    if (!live_workers) return;
    redis_forget(&live_workers->call);
    speak(live_workers, 0, NULL);
    loop_timer_cancel(&live_workers->beat);
    size_t cursor = 0;
    for (struct worker_entry *entry; (entry = map_next(live_workers->entries, &cursor));) free(entry);
    map_free(&live_workers->entries);
    free(live_workers);
}

unsigned live_workers_alive(const struct live_workers *live_workers) {
    return live_workers->alive;
}

void live_workers_each_alive(const struct live_workers *live_workers, void (*fn)(void *owner, struct slice worker_id),
                             void *owner) {
    size_t cursor = 0;
    for (const struct worker_entry *entry; (entry = map_next(live_workers->entries, &cursor));) {
        if (!entry->is_dead) fn(owner, slice_of(entry->id));
    }
}

bool live_workers_is_dead(const struct live_workers *live_workers, struct slice worker_id) {
    const struct worker_entry *entry = map_find(live_workers->entries, worker_id);
    return entry && entry->is_dead;
}

size_t live_workers_dead(const struct live_workers *live_workers, const char **ids, size_t max) {
    size_t len = 0;
    LIST_EACH(&live_workers->dead, link) {
        if (len == max) break;
        ids[len++] = CONTAINER(link, struct worker_entry, link)->id;
    }
    return len;
}
