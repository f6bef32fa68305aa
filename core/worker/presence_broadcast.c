/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/presence_broadcast.h"

#include <stdlib.h>

#include "base/metrics.h"
#include "channel/log.h"
#include "channel/room.h"
#include "loop/loop.h"
#include "presence/presence_sync.h"
#include "store/store.h"
#include "wire/json.h"
#include "worker/worker.h"

enum { SEEN_MS = 100, SEEN_MAX = 1000 };

struct presence_broadcast {
    struct worker *worker;
    struct store_request *seen; /* of those to be noted as last seen now; NULL: nobody */
    unsigned seen_len;
    struct loop_timer timer;
};

static void tell_channel(void *owner, struct slice channel_id, struct slice users, size_t online) {
    struct worker *worker = owner;
    struct buffer args = {0}, room = {0};
    buffer_append_str(&args, "[\"presence:changed\",{\"channelId\":");
    json_write_string(&args, channel_id);
    if (users.len > 0) {
        buffer_append_str(&args, ",\"users\":");
        buffer_append_slice(&args, users);
    }
    buffer_printf(&args, ",\"online\":%zu}]", online);
    channel_room_name(&room, channel_id);
    struct slice to = buffer_slice(&room);
    room_emit(worker->channels.rooms, &(struct room_emit){.namespace_name = SLICE("/"),
                                                          .to = &to,
                                                          .to_len = 1,
                                                          .class = PACKET_PRESENCE,
                                                          .args = buffer_slice(&args),
                                                          .unlogged = true});
    buffer_done(&args);
    buffer_done(&room);
}

static void seen(struct store_request *request) {
    if (request->status != STORE_OK) metric_add_labelled(METRIC_STORE_ERRORS, store_status_code(request->status), 1);
}

static void write_seen(struct presence_broadcast *presence_broadcast) {
    if (!presence_broadcast->seen) return;
    presence_broadcast->seen_len = 0;
    loop_timer_cancel(&presence_broadcast->timer);
    store_submit(presence_broadcast->worker->store, &presence_broadcast->seen);
}

static void write_seen_due(struct loop_timer *timer) {
    write_seen(CONTAINER(timer, struct presence_broadcast, timer));
}

/* Thousands of users may leave at once, with a network or a node: they share a write. */
static void note_last_seen(void *owner, struct slice user_id) {
    struct presence_broadcast *presence_broadcast = ((struct worker *)owner)->presence.broadcast;
    if (!presence_broadcast->seen) presence_broadcast->seen = store_request_new(STORE_USERS_SEEN, seen, owner);
    store_ids_add(presence_broadcast->seen, user_id);
    if (++presence_broadcast->seen_len == SEEN_MAX)
        write_seen(presence_broadcast);
    else if (!loop_timer_pending(&presence_broadcast->timer))
        loop_timer_set(&presence_broadcast->timer, SEEN_MS);
}

struct presence_broadcast *presence_broadcast_new(struct worker *worker) {
    struct presence_broadcast *presence_broadcast = NEW(struct presence_broadcast);
    presence_broadcast->worker = worker;
    loop_timer_init(&presence_broadcast->timer, worker->loop, write_seen_due);
    return presence_broadcast;
}

void presence_broadcast_free(struct presence_broadcast **presence_broadcast) {
    if (*presence_broadcast) write_seen(*presence_broadcast);
    free(*presence_broadcast);
    *presence_broadcast = NULL;
}

static void moved(void *owner, struct slice channel_id, struct slice user_id) {
    presence_sync_moved(((struct worker *)owner)->presence.sync, channel_id, user_id);
}

static void said(void *owner, struct slice user_id) {
    presence_sync_said(((struct worker *)owner)->presence.sync, user_id);
}

const struct presence_events announce_events = {
    .changed = tell_channel, .offline = note_last_seen, .moved = moved, .said = said};
