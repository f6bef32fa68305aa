/* SPDX-License-Identifier: Apache-2.0 */
#include "channel/log.h"

#include <stdlib.h>

#include "base/fault.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/map.h"
#include "base/metrics.h"
#include "bus/bus.h"
#include "channel/room.h"
#include "channel/tail_check.h"
#include "channel/topic.h"
#include "loop/loop.h"

/* An append that the store has. log is NULL if the log was freed first. */
struct log_append {
    struct list link;
    struct channel_log *log;
    struct store_request *request; /* owned by the store */
    void (*done)(struct store_request *request);
    void *owner;
    struct loop_timer deadline;
    bool is_answered; /* its asker was answered at the deadline */
};

/* An event ahead of its turn. */
struct held {
    struct list link;
    int64_t seq;
    size_t len;
    char event[];
};

/* A read of missing events from the store. */
struct gap_read {
    struct followed *followed; /* NULL: no longer needed */
};

/* A channel's cursor on this node. */
struct followed {
    struct channel_log *log;
    char epoch[STORE_EPOCH_MAX];
    int64_t seq;      /* the last one handed out */
    int64_t seen;     /* the highest known to exist */
    int64_t newer;    /* the highest seq reported for a newer epoch, about which the store is asked; 0: none */
    struct list held; /* by seq */
    unsigned held_len;
    struct loop_timer wait; /* runs while seq < seen, unless a read is under way */
    uint64_t wait_ms;
    struct gap_read *read;
    struct tail_check_watch watch;
    bool was_roomless; /* it had no room at the last sweep */
    size_t id_len;
    char id[];
};

struct channel_log {
    struct loop *loop;
    struct store *store;
    struct rooms *rooms;
    struct bus *bus;               /* NULL: no other worker can exist */
    struct tail_check *tail_check; /* NULL: no other worker can exist */
    bool is_degraded;
    struct map *followed;
    struct list appends; /* that the store has */
    unsigned pending;
    struct list refused; /* requests that are answered UNAVAILABLE from the loop */
    struct loop_task refuse;
    struct loop_timer sweep;
    struct buffer name; /* of a room, for the current call */
};

enum { SWEEP_MS = 30000, WAIT_MAX_MS = 5000 };

static void gap_wait_over(struct loop_timer *timer);

static struct slice followed_id(const struct followed *followed) {
    return (struct slice){followed->id, followed->id_len};
}

void channel_room_name(struct buffer *out, struct slice channel_id) {
    buffer_append_str(out, "channel:");
    buffer_append_slice(out, channel_id);
}

struct slice channel_of_room(struct slice namespace_name, struct slice room) {
    static const struct slice prefix = {"channel:", 8};
    bool is_channel =
        slice_is(namespace_name, "/") && room.len > prefix.len && memcmp(room.ptr, prefix.ptr, prefix.len) == 0;
    return is_channel ? slice_from(room, prefix.len) : SLICE_NONE;
}

/* Valid until the next call. */
static struct slice log_room_name(struct channel_log *log, struct slice channel_id) {
    buffer_clear(&log->name);
    channel_room_name(&log->name, channel_id);
    return buffer_slice(&log->name);
}

static struct room *log_room(struct channel_log *log, struct slice channel_id) {
    return room_find(log->rooms, SLICE("/"), log_room_name(log, channel_id));
}

/* Cursors. */

/* Compares the epochs' numbers; epoch is shorter than STORE_EPOCH_MAX. */
static bool epoch_is_older(struct slice epoch, const struct followed *followed) {
    char text[STORE_EPOCH_MAX] = {0};
    memcpy(text, epoch.ptr, epoch.len);
    return strtoull(text, NULL, 10) < strtoull(followed->epoch, NULL, 10);
}

static struct followed *followed_new(struct channel_log *log, struct slice channel_id, int64_t seq,
                                     struct slice epoch) {
    struct followed *followed = memory_new(sizeof *followed + channel_id.len);
    followed->log = log;
    if (epoch.len) memcpy(followed->epoch, epoch.ptr, epoch.len);
    followed->seq = followed->seen = seq;
    list_init(&followed->held);
    loop_timer_init(&followed->wait, log->loop, gap_wait_over);
    followed->wait_ms = CHANNEL_HOLD_MS;
    followed->id_len = channel_id.len;
    memcpy(followed->id, channel_id.ptr, channel_id.len);
    map_put(log->followed, followed_id(followed), followed);
    if (log->tail_check) tail_check_add(log->tail_check, &followed->watch, followed_id(followed));
    if (!loop_timer_pending(&log->sweep)) loop_timer_set(&log->sweep, SWEEP_MS);
    return followed;
}

static void followed_release(struct followed *followed, struct list *link) {
    list_remove(link);
    followed->held_len--;
    free(CONTAINER(link, struct held, link));
}

/* Drops held events and the read under way. */
static void followed_clear(struct followed *followed) {
    LIST_EACH(&followed->held, link) followed_release(followed, link);
    loop_timer_cancel(&followed->wait);
    followed->wait_ms = CHANNEL_HOLD_MS;
    if (followed->read) followed->read->followed = NULL;
    followed->read = NULL;
}

static void followed_free(struct followed *followed) {
    followed_clear(followed);
    if (followed->log->tail_check) tail_check_remove(followed->log->tail_check, &followed->watch);
    map_remove(followed->log->followed, followed_id(followed));
    free(followed);
}

/* Drops cursors that had no room for a whole round. */
static void log_sweep(struct loop_timer *timer) {
    struct channel_log *log = CONTAINER(timer, struct channel_log, sweep);
    size_t cursor = 0;
    for (struct followed *followed; (followed = map_next(log->followed, &cursor));) {
        bool is_roomless = !log_room(log, followed_id(followed));
        if (is_roomless && followed->was_roomless)
            followed_free(followed);
        else
            followed->was_roomless = is_roomless;
    }
    if (map_size(log->followed) > 0) loop_timer_set(timer, SWEEP_MS);
}

static uint64_t event_tag(const struct followed *followed, int64_t seq) {
    uint64_t hash = hash_fixed(slice_of(followed->epoch));
    return hash_keyed(hash, (uint64_t)seq, followed_id(followed)) | 1;
}

static void followed_hand_out(struct followed *followed, int64_t seq, struct slice event) {
    struct slice room = log_room_name(followed->log, followed_id(followed));
    followed->seq = seq;
    room_emit(followed->log->rooms, &(struct room_emit){.namespace_name = SLICE("/"),
                                                        .to = &room,
                                                        .to_len = 1,
                                                        .class = PACKET_MESSAGE,
                                                        .args = event,
                                                        .tag = event_tag(followed, seq)});
}

/* Hands out the held events whose turn has come. */
static void followed_drain(struct followed *followed) {
    while (!list_empty(&followed->held)) {
        struct held *first = CONTAINER(followed->held.next, struct held, link);
        if (first->seq > followed->seq + 1) break;
        if (first->seq == followed->seq + 1)
            followed_hand_out(followed, first->seq, (struct slice){first->event, first->len});
        followed_release(followed, &first->link);
    }
    if (followed->seq >= followed->seen) {
        loop_timer_cancel(&followed->wait);
        followed->wait_ms = CHANNEL_HOLD_MS;
    } else if (!followed->read && !loop_timer_pending(&followed->wait)) {
        loop_timer_set(&followed->wait, followed->wait_ms);
    }
}

static void followed_hold(struct followed *followed, int64_t seq, struct slice event) {
    struct list *before = followed->held.prev;
    while (before != &followed->held && CONTAINER(before, struct held, link)->seq > seq) before = before->prev;
    if (before != &followed->held && CONTAINER(before, struct held, link)->seq == seq) return;
    struct held *held = memory_new(sizeof *held + event.len);
    held->seq = seq;
    held->len = event.len;
    memcpy(held->event, event.ptr, event.len);
    list_append(before->next, &held->link);
    followed->held_len++;
}

/* Holds an event that is ahead of its turn. Without room to hold it, it is read from the store. */
static void gap_read(struct followed *followed);

static void followed_take(struct followed *followed, int64_t seq, struct slice event) {
    if (seq > followed->seen) followed->seen = seq;
    if (seq <= followed->seq) return;
    if (followed->log->tail_check) tail_check_moved(followed->log->tail_check, &followed->watch);
    if (event.len == 0) {
        gap_read(followed);
    } else if (seq == followed->seq + 1) {
        followed_hand_out(followed, seq, event);
    } else {
        followed_hold(followed, seq, event);
        if (followed->held_len > CHANNEL_HOLD_MAX) {
            followed_release(followed, followed->held.prev);
            gap_read(followed);
        }
    }
    followed_drain(followed);
}

/* Reading what is missing. */

/* Moves to another epoch, whose log equals ours up to fork. */
static void followed_turn(struct followed *followed, const char *epoch, int64_t fork, int64_t head) {
    LOG(LOG_INFO, "channel.epoch", LOG_SLICE("channel", followed_id(followed)), LOG_TEXT("from", followed->epoch),
        LOG_TEXT("to", epoch));
    followed_clear(followed);
    memcpy(followed->epoch, epoch, sizeof followed->epoch);
    followed->seq = fork;
    followed->seen = followed->newer > head ? followed->newer : head;
    followed->newer = 0;
    if (followed->log->tail_check)
        tail_check_check(followed->log->tail_check, &followed->watch); /* events that arrived meanwhile were not held */
}

/* The store's answer continues after our cursor, or says why that is impossible. */
static void gap_take(struct followed *followed, const struct store_request *request) {
    if (epoch_is_older(slice_of(request->at.epoch), followed)) return; /* from a former primary */
    if (!slice_is(slice_of(request->at.epoch), followed->epoch)) {
        int64_t fork = request->events.fork_r >= 0 ? request->events.fork_r : followed->seq;
        followed_turn(followed, request->at.epoch, fork, request->at.seq);
    }
    if (request->events.floor_r > followed->seq) followed->seq = request->events.floor_r;
    for (size_t i = 0; i < store_events_len(request); i++) {
        struct store_event event = store_event_at(request, i);
        followed_take(followed, event.seq, event.bytes);
    }
}

static void gap_read_done(struct store_request *request) {
    struct gap_read *read = request->owner;
    struct followed *followed = read->followed;
    free(read);
    if (!followed) return;
    int64_t before = followed->seq;
    followed->read = NULL;
    if (request->status == STORE_OK) gap_take(followed, request);
    if (followed->read) return;
    if (followed->seq == before) followed->wait_ms = 2 * followed->wait_ms;
    if (followed->wait_ms > WAIT_MAX_MS) followed->wait_ms = WAIT_MAX_MS;
    if (followed->seq > before && request->events.more_r && followed->seq < followed->seen) gap_read(followed);
    followed_drain(followed);
}

static void gap_read(struct followed *followed) {
    if (followed->read) return;
    loop_timer_cancel(&followed->wait);
    metric_add(METRIC_GAP_READS, 1);
    LOG(LOG_DEBUG, "channel.gap", LOG_SLICE("channel", followed_id(followed)), LOG_NUMBER("after", followed->seq),
        LOG_NUMBER("seen", followed->seen));
    followed->read = NEW(struct gap_read);
    followed->read->followed = followed;
    struct store_request *request = store_request_new(STORE_EVENTS, gap_read_done, followed->read);
    request->channel_id = store_request_copy(request, followed_id(followed));
    request->events.epoch = store_request_copy(request, slice_of(followed->epoch));
    request->events.seq = followed->seq;
    request->events.limit = STORE_EVENTS_MAX;
    store_submit(followed->log->store, &request);
}

static void gap_wait_over(struct loop_timer *timer) {
    struct followed *followed = CONTAINER(timer, struct followed, wait);
    if (fault_planted("no_gap_fill") && !list_empty(&followed->held)) {
        followed->seq = CONTAINER(followed->held.next, struct held, link)->seq - 1;
        followed_drain(followed);
        return;
    }
    gap_read(followed);
}

/* Entry of events. */

/* A newer epoch's log may fork from ours at any earlier seq: only the store knows where, and what follows. */
static void followed_hear_of_newer(struct followed *followed, int64_t seq) {
    if (seq > followed->newer) followed->newer = seq;
    if (followed->seen == followed->seq) followed->seen++; /* so that a read is needed until the new epoch is entered */
    gap_read(followed);
}

/* False: the event is not of the current epoch. */
static bool followed_enter(struct followed *followed, int64_t seq, struct slice epoch) {
    if (slice_is(epoch, followed->epoch)) return true;
    if (!epoch_is_older(epoch, followed)) followed_hear_of_newer(followed, seq);
    return false;
}

void channel_log_committed(struct channel_log *log, struct slice channel_id, int64_t seq, struct slice epoch,
                           struct slice event) {
    if (epoch.len == 0 || epoch.len >= STORE_EPOCH_MAX) return;
    struct followed *followed = map_find(log->followed, channel_id);
    if (!followed) {
        const struct room *room = log_room(log, channel_id);
        if (!room || room_size(room) == 0) return;
        followed = followed_new(log, channel_id, seq - 1, epoch);
    }
    if (followed_enter(followed, seq, epoch)) followed_take(followed, seq, event);
}

void channel_log_follow(struct channel_log *log, struct slice channel_id, int64_t seq, struct slice epoch) {
    if (epoch.len >= STORE_EPOCH_MAX || map_find(log->followed, channel_id)) return;
    followed_new(log, channel_id, seq, epoch);
}

void channel_log_unfollow(struct channel_log *log, struct slice channel_id) {
    struct followed *followed = map_find(log->followed, channel_id);
    if (followed) followed_free(followed);
}

int64_t channel_log_delivered(const struct channel_log *log, struct slice channel_id) {
    const struct followed *followed = map_find(log->followed, channel_id);
    return followed ? followed->seq : -1;
}

struct slice channel_log_epoch(const struct channel_log *log, struct slice channel_id) {
    const struct followed *followed = map_find(log->followed, channel_id);
    return followed ? slice_of(followed->epoch) : SLICE_NONE;
}

bool channel_log_is_in(struct channel_log *log, struct slice channel_id, struct slice epoch) {
    struct followed *followed = map_find(log->followed, channel_id);
    return !followed || followed_enter(followed, 0, epoch);
}

void channel_log_expect(struct channel_log *log, struct slice channel_id, int64_t seq) {
    struct followed *followed = map_find(log->followed, channel_id);
    if (!followed || seq <= followed->seq) return;
    if (seq > followed->seen) followed->seen = seq;
    gap_read(followed);
}

/* Comparing heads. */

/* Waits for held events and for events under way on the bus first, unless the bus is degraded. */
static void head_found(void *owner, struct slice channel_id, int64_t seq, struct slice epoch) {
    struct channel_log *log = owner;
    struct followed *followed = map_find(log->followed, channel_id);
    if (!followed || epoch.len == 0 || epoch.len >= STORE_EPOCH_MAX) return;
    bool is_same = slice_is(epoch, followed->epoch);
    if (is_same ? seq <= followed->seen : epoch_is_older(epoch, followed)) return;
    if (is_same) followed->seen = seq;
    if (is_same && !log->is_degraded)
        followed_drain(followed);
    else
        gap_read(followed);
}

void channel_log_check(struct channel_log *log, struct slice channel_id) {
    struct followed *followed = map_find(log->followed, channel_id);
    if (followed && log->tail_check) tail_check_check(log->tail_check, &followed->watch);
}

void channel_log_set_degraded(struct channel_log *log, bool is_degraded) {
    log->is_degraded = is_degraded;
    if (log->tail_check) tail_check_hurry(log->tail_check, is_degraded);
}

/* Appends. */

/* Publishes a duplicate too: the worker that committed it may have died before it published. */
static void log_publish(struct channel_log *log, const struct store_request *request) {
    struct buffer topic = {0};
    const struct bus_message message = {.kind = BUS_EVENT,
                                        .seq = request->at.seq,
                                        .epoch = slice_of(request->at.epoch),
                                        .body = buffer_slice(&request->json)};
    topic_write_channel(&topic, request->channel_id);
    (void)!bus_publish(log->bus, buffer_slice(&topic), &message);
    buffer_done(&topic);
}

static void append_done(struct store_request *request) {
    struct log_append *append = request->owner;
    struct channel_log *log = append->log;
    if (log) {
        list_remove(&append->link);
        log->pending--;
        loop_timer_cancel(&append->deadline);
        if (request->status == STORE_OK) {
            channel_log_committed(log, request->channel_id, request->at.seq, slice_of(request->at.epoch),
                                  buffer_slice(&request->json));
            if (log->bus) log_publish(log, request);
        }
    }
    if (append->is_answered) {
        metric_add(METRIC_STALE, 1);
    } else {
        request->done = append->done;
        request->owner = append->owner;
        request->done(request);
    }
    free(append);
}

/* The store owns the request until it completes: at the deadline its asker gets a stand-in. */
static void append_overdue(struct loop_timer *timer) {
    struct log_append *append = CONTAINER(timer, struct log_append, deadline);
    const struct store_request *late = append->request;
    struct store_request *stand_in = store_request_new(STORE_APPEND, append->done, append->owner);
    stand_in->append.kind = late->append.kind;
    stand_in->channel_id = store_request_copy(stand_in, late->channel_id);
    stand_in->user_id = store_request_copy(stand_in, late->user_id);
    stand_in->append.client_id = store_request_copy(stand_in, late->append.client_id);
    stand_in->append.message_id = store_request_copy(stand_in, late->append.message_id);
    stand_in->status = STORE_UNAVAILABLE;
    append->is_answered = true;
    stand_in->done(stand_in);
    store_request_free(&stand_in);
}

static void log_refuse(struct loop_task *task) {
    struct channel_log *log = CONTAINER(task, struct channel_log, refuse);
    for (struct list *link; (link = list_pop(&log->refused));) {
        struct store_request *request = CONTAINER(link, struct store_request, link);
        request->done(request);
        store_request_free(&request);
    }
}

void channel_log_append(struct channel_log *log, struct store_request **request_owner) {
    struct store_request *request = *request_owner;
    *request_owner = NULL;
    if (log->pending >= CHANNEL_LOG_PENDING_MAX) {
        request->status = STORE_UNAVAILABLE;
        list_append(&log->refused, &request->link);
        loop_post(log->loop, &log->refuse);
        return;
    }
    struct log_append *append = NEW(struct log_append);
    *append = (struct log_append){.log = log, .request = request, .done = request->done, .owner = request->owner};
    list_append(&log->appends, &append->link);
    log->pending++;
    loop_timer_init(&append->deadline, log->loop, append_overdue);
    loop_timer_set(&append->deadline, CHANNEL_LOG_DEADLINE_MS);
    request->done = append_done;
    request->owner = append;
    store_submit(log->store, &request);
}

unsigned channel_log_pending(const struct channel_log *log) {
    return log->pending;
}

struct channel_log *channel_log_new(struct loop *loop, struct store *store, struct rooms *rooms, struct bus *bus) {
    struct channel_log *log = NEW(struct channel_log);
    log->loop = loop;
    log->store = store;
    log->rooms = rooms;
    if (bus && !bus_is_alone(bus)) {
        log->bus = bus;
        log->tail_check = tail_check_new(loop, store, head_found, log);
    }
    log->followed = map_new();
    list_init(&log->appends);
    list_init(&log->refused);
    loop_task_init(&log->refuse, log_refuse);
    loop_timer_init(&log->sweep, loop, log_sweep);
    return log;
}

void channel_log_free(struct channel_log **log_owner) {
    struct channel_log *log = *log_owner;
    if (!log) return;
    loop_task_cancel(&log->refuse);
    log_refuse(&log->refuse);
    LIST_EACH(&log->appends, link) {
        struct log_append *append = CONTAINER(link, struct log_append, link);
        list_remove(link);
        loop_timer_cancel(&append->deadline);
        append->log = NULL;
    }
    size_t cursor = 0;
    for (struct followed *followed; (followed = map_next(log->followed, &cursor));) followed_free(followed);
    tail_check_free(&log->tail_check);
    loop_timer_cancel(&log->sweep);
    map_free(&log->followed);
    buffer_done(&log->name);
    free(log);
    *log_owner = NULL;
}

bool channel_log_is_before(const struct channel_log *log, struct slice channel_id, struct slice epoch) {
    const struct followed *followed = map_find(log->followed, channel_id);
    if (!followed || epoch.len == 0 || slice_is(epoch, followed->epoch)) return false;
    return epoch.len >= STORE_EPOCH_MAX || !epoch_is_older(epoch, followed);
}
