/* SPDX-License-Identifier: Apache-2.0 */
#include "session/channel_follow.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/fault.h"
#include "channel/log.h"
#include "session/online.h"
#include "session/session_internal.h"
#include "session/socket_rooms.h"
#include "session/watch.h"

/* Joins the room first and holds back live events, then reads the tail and cuts it where live events begin. A channel
 * that nobody follows yet is read before the join, to learn its head. */
struct following {
    struct watch watch;
    struct channel_log *log;
    struct store *store;
    char *channel_id, *since_epoch;
    struct buffer room;
    int64_t since_seq, joined_at;       /* joined_at: live events come after it; -1: not joined yet */
    char joined_epoch[STORE_EPOCH_MAX]; /* the epoch of joined_at */
    unsigned behind;                    /* how often this worker was behind the cursor */
    struct outbox_queue live;           /* the held-back events of this room that came while the tail was read */
    bool was_member, verify;
    bool is_over; /* the socket was removed from the room, or was removed before it joined */
    channel_follow_done *done;
    void *owner;
};

enum { BEHIND_MAX = 5 };

static void following_read(struct following *following);

static void following_finish(struct following *following, const struct channel_follow_result *result) {
    following->done(following->owner, result);
    watch_end(&following->watch);
    outbox_queue_done(&following->live);
    buffer_done(&following->room);
    free(following->channel_id);
    free(following->since_epoch);
    free(following);
}

/* Undoes the follow as if it had never been requested. */
static void following_undo(struct following *following) {
    if (following->joined_at < 0 || following->was_member || following->is_over) return;
    struct packet *packet;
    while ((packet = outbox_queue_pop(&following->live))) {
        socket_drop_held(following->watch.socket, packet);
        packet_unref(&packet);
    }
    socket_leave(following->watch.socket, buffer_slice(&following->room));
}

static void following_fail(struct following *following, enum store_status status) {
    if (following->watch.socket) following_undo(following);
    following_finish(following, &(struct channel_follow_result){.status = status, .fork_seq = -1});
}

/* The client will not get the answer, so the follow is undone: a recovery must restore only what the client was told.
 */
static void connection_ended(struct watch *watch) {
    following_undo(CONTAINER(watch, struct following, watch));
}

/* NULL: the watch is of another kind or for another room. */
static struct following *following_of(struct watch *watch, struct slice room) {
    if (watch->ended != connection_ended) return NULL;
    struct following *following = CONTAINER(watch, struct following, watch);
    return slice_equal(buffer_slice(&following->room), room) ? following : NULL;
}

void channel_follow_left(struct socket *socket, struct slice room) {
    for (struct watch *watch = socket->watches; watch; watch = watch->next) {
        struct following *following = following_of(watch, room);
        if (following) following->is_over = true;
    }
}

void channel_follow_held(struct socket *socket, struct slice room, struct packet *packet) {
    for (struct watch *watch = socket->watches; watch; watch = watch->next) {
        struct following *following = following_of(watch, room);
        if (following && following->joined_at >= 0 && !following->was_member)
            outbox_queue_push(&following->live, packet);
    }
}

/* Holds and joins; live events of the channel, which the log follows, come after seq. */
static bool following_join(struct following *following, int64_t seq) {
    struct slice epoch = channel_log_epoch(following->log, slice_of(following->channel_id));
    struct socket *socket = following->watch.socket;
    struct slice room = buffer_slice(&following->room);
    bool was_member = room_membership(&socket->memberships, room) != NULL;
    socket_hold(socket);
    if (!socket_enter(socket, room)) return false;
    following->was_member = was_member;
    following->joined_at = seq;
    snprintf(following->joined_epoch, sizeof following->joined_epoch, "%.*s", SLICE_ARG(epoch));
    return true;
}

/* True: all live events from now on come after the cursor. */
static bool log_is_as_far(const struct following *following) {
    struct slice channel_id = slice_of(following->channel_id);
    int64_t delivered = channel_log_delivered(following->log, channel_id);
    return delivered >= 0 && delivered >= following->since_seq &&
           !channel_log_is_before(following->log, channel_id, slice_of(following->since_epoch));
}

/* Appends the events up to seq. Returns the last one's seq. */
static int64_t cut_events(const struct store_request *request, int64_t seq, struct buffer *out) {
    int64_t last = 0;
    buffer_append_char(out, '[');
    for (size_t i = 0; i < store_events_len(request); i++) {
        struct store_event event = store_event_at(request, i);
        if (event.seq > seq) break;
        if (i > 0) buffer_append_char(out, ',');
        buffer_append_slice(out, event.bytes);
        last = event.seq;
    }
    buffer_append_char(out, ']');
    return last;
}

/* Events that were committed while nobody followed the channel pass through the log like all others. */
static void verified(struct store_request *request) {
    struct channel_log *log = request->owner;
    if (request->status != STORE_OK) return;
    for (size_t i = 0; i < store_events_len(request); i++) {
        struct store_event event = store_event_at(request, i);
        channel_log_committed(log, request->channel_id, event.seq, slice_of(request->at.epoch), event.bytes);
    }
}

static void following_verify(struct following *following, struct slice epoch) {
    struct store_request *request = store_request_new(STORE_EVENTS, verified, following->log);
    request->channel_id = store_request_copy(request, slice_of(following->channel_id));
    request->events.epoch = store_request_copy(request, epoch);
    request->events.seq = following->joined_at;
    request->events.limit = CHANNEL_HOLD_MAX;
    store_submit(following->store, &request);
}

/* Tells other follows of the same socket and room that it has joined, so that their failure does not undo the join. */
static void following_succeed(const struct following *following) {
    struct socket *socket = following->watch.socket;
    struct slice room = buffer_slice(&following->room);
    for (struct watch *watch = socket->watches; watch; watch = watch->next) {
        struct following *other = following_of(watch, room);
        if (other) other->was_member = true;
    }
    online_joined(socket, room);
}

static void following_answer(struct following *following, struct store_request *request) {
    struct buffer events = {0};
    struct channel_follow_result result = {.status = STORE_OK, .seq = following->joined_at, .fork_seq = -1};
    result.epoch = slice_of(request->at.epoch);
    result.events = SLICE("[]");
    if (following->since_seq >= 0 && !fault_planted("no_gap_fill")) {
        int64_t last = cut_events(request, following->joined_at, &events);
        result.events = buffer_slice(&events);
        if (request->events.fork_r >= 0) result.fork_seq = request->events.fork_r;
        if (request->events.floor_r > 0) {
            result.gap_from = following->since_seq + 1;
            result.gap_to = request->events.floor_r;
            result.gap_reason = "trimmed";
        }
        if (request->events.more_r && last < following->joined_at) {
            result.gap_from = (request->events.fork_r >= 0 ? request->events.fork_r : following->since_seq) + 1;
            result.gap_to = following->joined_at;
            result.gap_reason = "too_large";
            result.events = SLICE("[]");
        }
    }
    if (following->verify) following_verify(following, result.epoch);
    following_succeed(following);
    following_finish(following, &result);
    buffer_done(&events);
}

/* True: the client's cursor is ahead of this worker. The client must not get those events twice. */
static bool is_behind(const struct following *following, const struct store_request *request, int64_t delivered) {
    bool forked = request->op == STORE_EVENTS && request->events.fork_r >= 0;
    int64_t cursor = forked ? request->events.fork_r : following->since_seq;
    return delivered >= 0 && delivered < cursor;
}

/* Reads again after the log, which asks the store first, has caught up. */
static void following_catch_up(struct following *following, const struct store_request *request) {
    channel_log_expect(following->log, slice_of(following->channel_id), request->at.seq);
    if (++following->behind > BEHIND_MAX)
        following_fail(following, STORE_UNAVAILABLE);
    else
        following_read(following);
}

static void following_heard(struct store_request *request) {
    struct following *following = request->owner;
    if (request->status != STORE_OK || !following->watch.socket || following->is_over) {
        following_fail(following, request->status == STORE_OK ? STORE_UNAVAILABLE : request->status);
        return;
    }
    struct slice channel_id = slice_of(following->channel_id), epoch = slice_of(request->at.epoch);
    if (!channel_log_is_in(following->log, channel_id, epoch) ||
        (following->joined_at >= 0 && !slice_is(epoch, following->joined_epoch))) {
        following_fail(following, STORE_UNAVAILABLE); /* its seqs and those of live events belong to two epochs */
        return;
    }
    if (following->joined_at >= 0) {
        following_answer(following, request);
        return;
    }
    int64_t delivered = channel_log_delivered(following->log, channel_id);
    if (is_behind(following, request, delivered)) {
        following_catch_up(following, request);
        return;
    }
    if (delivered < 0) channel_log_follow(following->log, channel_id, request->at.seq, slice_of(request->at.epoch));
    following->verify = delivered < 0;
    if (!following_join(following, delivered < 0 ? request->at.seq : delivered)) {
        following_fail(following, STORE_UNAVAILABLE);
    } else if (delivered < 0) {
        following_answer(following, request);
    } else {
        following_read(following); /* another follow came first: the tail must reach the log's current seq */
    }
}

static void following_read(struct following *following) {
    bool cursor = following->since_seq >= 0;
    struct store_request *request =
        store_request_new(cursor ? STORE_EVENTS : STORE_CHANNEL, following_heard, following);
    request->channel_id = store_request_copy(request, slice_of(following->channel_id));
    if (cursor) {
        request->events.epoch = store_request_copy(request, slice_of(following->since_epoch));
        request->events.seq = following->since_seq;
        request->events.limit = STORE_EVENTS_MAX;
    }
    store_submit(following->store, &request);
}

void channel_follow_channel(struct hub *hub, struct channel_log *log, struct store *store, struct slice socket_id,
                            struct slice channel_id, int64_t since_seq, struct slice since_epoch,
                            channel_follow_done *done, void *owner) {
    struct following *following = NEW(struct following);
    following->watch.ended = connection_ended;
    following->log = log;
    following->store = store;
    following->channel_id = memory_copy(channel_id.ptr, channel_id.len);
    following->since_epoch = memory_copy(since_epoch.ptr, since_epoch.len);
    following->since_seq = since_seq;
    following->joined_at = -1;
    following->done = done;
    following->owner = owner;
    channel_room_name(&following->room, channel_id);
    struct socket *socket = hub_find_connected(hub, socket_id);
    if (socket) watch_begin(&following->watch, socket);
    if (socket && log_is_as_far(following))
        following_join(following, channel_log_delivered(log, channel_id)); /* else after the store's answer */
    following_read(following);
}
