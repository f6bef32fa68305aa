#include "server/announce.h"

#include "base/metrics.h"
#include "channel/gossip.h"
#include "channel/log.h"
#include "channel/room.h"
#include "server/worker.h"
#include "store/store.h"
#include "wire/json.h"

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
    room_emit(worker->rooms, &(struct room_emit){.namespace_name = SLICE("/"),
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

static void note_last_seen(void *owner, struct slice user_id) {
    struct worker *worker = owner;
    struct store_request *request = store_request_new(STORE_USER_SEEN, seen, worker);
    request->user_id = store_request_copy(request, user_id);
    store_submit(worker->store, &request);
}

static void moved(void *owner, struct slice channel_id, struct slice user_id) {
    gossip_moved(((struct worker *)owner)->gossip, channel_id, user_id);
}

static void said(void *owner, struct slice user_id) {
    gossip_said(((struct worker *)owner)->gossip, user_id);
}

const struct presence_events announce_events = {
    .changed = tell_channel, .offline = note_last_seen, .moved = moved, .said = said};
