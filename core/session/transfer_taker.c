/* SPDX-License-Identifier: Apache-2.0 */
#include "session/transfer_taker.h"

#include <stdlib.h>

#include "base/ids.h"
#include "base/map.h"
#include "bus/bus.h"
#include "bus/fields.h"
#include "channel/log.h"
#include "channel/room.h"
#include "channel/topic.h"
#include "session/recovery.h"
#include "session/session_internal.h"
#include "wire/json.h"
#include "wire/user_id.h"

/* A socket of another worker that will be continued here. */
struct taking {
    struct list link;
    struct transfers *transfers;
    struct transfer_taker_call *call;
    struct socket *socket;
    uint64_t number, base; /* base: offsets after it are reserved for what was missed */
    unsigned reserved;     /* the number of these offsets */
    bool is_offered, is_ready;
    struct buffer unheard; /* topics whose mark has not arrived, as parts */
    struct buffer cursors; /* channels that were followed here already, with their seqs */
    struct loop_timer timer;
    char owner[ID_OWNER_LEN + 1];
};

/* Ends. */

static void taking_free(struct taking *taking) {
    list_remove(&taking->link);
    loop_timer_cancel(&taking->timer);
    buffer_done(&taking->unheard);
    buffer_done(&taking->cursors);
    free(taking);
}

static void taking_end(struct taking *taking, bool is_moved) {
    struct transfer_taker_call *call = taking->call;
    uint64_t base = taking->base;
    if (!is_moved && taking->is_offered) socket_become_other(taking->socket);
    taking_free(taking);
    call->taking = NULL;
    call->done(call, is_moved, base);
}

static void too_late(struct loop_timer *timer) {
    taking_end(CONTAINER(timer, struct taking, timer), false);
}

void transfer_taker_forget(struct transfer_taker_call *call) {
    if (call->taking) taking_free(call->taking);
    call->taking = NULL;
}

/* The claim. */

bool transfer_taker_begin(struct transfer_taker_call *call, struct socket *socket, const struct recovery_claim *claim) {
    struct hub *hub = socket->hub;
    struct transfers *transfers = hub->transfers;
    if (!transfers || bus_is_alone(transfers->bus) || !hub->settings.recovery.window_ms || claim->pid.len != PID_LEN ||
        recovery_find(hub, claim->pid))
        return false;
    const char *owner = transfers_where(transfers, claim->pid);
    if (!owner) owner = claim->pid.ptr;
    if (memcmp(owner, hub->node, ID_OWNER_LEN) == 0) return false;
    struct taking *taking = NEW(struct taking);
    taking->transfers = transfers;
    taking->call = call;
    taking->socket = socket;
    taking->number = id_number();
    memcpy(taking->owner, owner, ID_OWNER_LEN);
    loop_timer_init(&taking->timer, hub->loop, too_late);
    loop_timer_set(&taking->timer, TRANSFER_CLAIM_MS);
    list_append(&transfers->takings, &taking->link);
    call->taking = taking;
    struct buffer *body = &transfers->body;
    transfers_write_head(transfers, TRANSFER_CLAIM, taking->number);
    fields_add(body, (struct slice){hub->node, ID_OWNER_LEN});
    fields_add(body, claim->pid);
    fields_add(body, claim->offset);
    fields_add(body, claim->namespace_name);
    fields_add(body, claim->user_id);
    fields_add(body, claim->guest ? SLICE("!") : SLICE_NONE);
    transfers_send(transfers, slice_of(taking->owner));
    return true;
}

/* The offer. */

static void be_ready(struct taking *taking) {
    if (taking->unheard.len > 0 || taking->is_ready) return;
    taking->is_ready = true;
    transfers_write_head(taking->transfers, TRANSFER_READY, taking->number);
    transfers_send(taking->transfers, slice_of(taking->owner));
}

static void await_mark(struct taking *taking, struct slice room) {
    struct buffer topic = {0};
    if (topic_write_room(&topic, slice_of(taking->socket->namespace_name), room))
        fields_add(&taking->unheard, buffer_slice(&topic));
    buffer_done(&topic);
}

static void join(struct taking *taking, struct slice room, struct slice epoch, uint64_t seq) {
    struct socket *socket = taking->socket;
    struct channel_log *log = taking->transfers->log;
    struct slice channel_id = channel_of_room(slice_of(socket->namespace_name), room);
    int64_t delivered = channel_id.len > 0 ? channel_log_delivered(log, channel_id) : -1;
    if (delivered >= 0) {
        fields_add(&taking->cursors, channel_id);
        fields_add_number(&taking->cursors, (uint64_t)delivered);
    } else if (channel_id.len > 0 && epoch.len > 0) {
        channel_log_follow(log, channel_id, (int64_t)seq, epoch);
    }
    socket_join_since(socket, room, taking->base);
    await_mark(taking, room);
}

static bool rooms_are_sound(struct slice rest) {
    struct slice room, epoch;
    uint64_t seq;
    while (rest.len > 0) {
        if (!fields_take(&rest, &room) || room.len == 0 || room.len > SOCKET_ROOM_NAME_MAX ||
            !fields_take(&rest, &epoch) || epoch.len >= STORE_EPOCH_MAX || !fields_take_number(&rest, &seq) ||
            seq > INT64_MAX)
            return false;
    }
    return true;
}

/* Without authentication the pid alone proves that the user is the same. */
static void become_guest(struct socket *socket, struct slice user_id) {
    struct buffer json = {0};
    if (!user_id_valid(user_id)) return;
    buffer_append_str(&json, "{\"id\":");
    json_write_string(&json, user_id);
    buffer_append_char(&json, '}');
    socket_set_user(socket, user_id, buffer_slice(&json));
    buffer_done(&json);
}

static bool take_offer(struct taking *taking, struct slice rest) {
    struct socket *socket = taking->socket;
    struct slice owner, id, guest, state, room, epoch;
    uint64_t seq;
    if (taking->is_offered || !fields_take(&rest, &owner) || owner.len != ID_OWNER_LEN || !fields_take(&rest, &id) ||
        id.len != SOCKET_ID_LEN || !fields_take(&rest, &guest) || !fields_take(&rest, &state) ||
        state.len > SOCKET_STATE_MAX || (state.len > 0 && !json_valid(state)) || !rooms_are_sound(rest))
        return false;
    if (hub_find(socket->hub, id)) { /* it is here already */
        taking_end(taking, false);
        return true;
    }
    taking->is_offered = socket->recovered = true; /* events from now on will come with the replay */
    taking->base = rooms_offset(socket->hub->rooms);
    loop_timer_set(&taking->timer, TRANSFER_MS);
    memcpy(taking->owner, owner.ptr, ID_OWNER_LEN);
    socket_rename(socket, id);
    if (socket->guest) become_guest(socket, guest);
    if (state.len > 0) (void)socket_set_state(socket, state);
    join(taking, SLICE(""), SLICE_NONE, 0);
    join(taking, id, SLICE_NONE, 0);
    while (fields_take(&rest, &room) && fields_take(&rest, &epoch) && fields_take_number(&rest, &seq))
        join(taking, room, epoch, seq);
    taking->reserved = socket->hub->settings.recovery.events;
    rooms_reserve(socket->hub->rooms, taking->reserved); /* reserved before all live events */
    return true;
}

static void hear_mark(struct taking *taking, struct slice topic) {
    if (!taking->is_offered) return;
    fields_remove(&taking->unheard, topic);
    be_ready(taking);
}

/* What was missed. */

/* True: the owner has heard all events that were handed out here before the socket joined. */
static bool reaches(const struct taking *taking, struct slice cursors) {
    struct slice mine = buffer_slice(&taking->cursors), channel_id, other_id;
    uint64_t seq, other_seq;
    while (fields_take(&mine, &channel_id) && fields_take_number(&mine, &seq)) {
        struct slice rest = cursors;
        bool found = false;
        while (!found && fields_take(&rest, &other_id) && fields_take_number(&rest, &other_seq))
            found = slice_equal(channel_id, other_id) && other_seq >= seq;
        if (!found) return false;
    }
    return true;
}

static bool take_event(struct slice *rest, struct room_emit *emit, struct slice *attachments) {
    if (!fields_take_number(rest, &emit->tag) || rest->len < 2) return false;
    unsigned class = (unsigned char)rest->ptr[0], len = (unsigned char)rest->ptr[1];
    *rest = slice_from(*rest, 2);
    if (class > PACKET_VOLATILE || len > SOCKETIO_ATTACHMENTS_MAX || !fields_take(rest, &emit->args)) return false;
    for (unsigned i = 0; i < len; i++)
        if (!fields_take(rest, &attachments[i])) return false;
    emit->class = (enum packet_class) class;
    emit->attachments = attachments;
    emit->attachments_len = len;
    return json_valid(emit->args) && room_emit_allowed(emit->args, len);
}

/* The number of events; SIZE_MAX: malformed. */
static size_t count_events(struct slice rest) {
    struct slice attachments[SOCKETIO_ATTACHMENTS_MAX];
    struct room_emit emit;
    size_t count = 0;
    for (; rest.len > 0; count++)
        if (!take_event(&rest, &emit, attachments)) return SIZE_MAX;
    return count;
}

static bool take_missed(struct taking *taking, struct slice rest) {
    struct socket *socket = taking->socket;
    struct slice cursors, events, attachments[SOCKETIO_ATTACHMENTS_MAX];
    struct room_emit emit;
    if (!taking->is_ready || !fields_take(&rest, &cursors) || !fields_take(&rest, &events) || rest.len > 0)
        return false;
    size_t count = count_events(events);
    if (count > taking->reserved) return false;
    bool is_whole = reaches(taking, cursors);
    for (uint64_t offset = taking->base + 1; is_whole && events.len > 0; offset++) {
        emit = (struct room_emit){.to_len = 0};
        if (!take_event(&events, &emit, attachments)) break;
        if (emit.tag) socket_note_had(socket, emit.tag);
        emit.tag &= ~UINT64_C(1); /* a live copy that arrives later is the duplicate */
        room_keep(socket->hub->rooms, slice_of(socket->namespace_name), slice_of(socket->id), offset, &emit);
    }
    taking_end(taking, is_whole);
    return true;
}

static bool hear(struct taking *taking, enum transfer_kind kind, struct slice topic, struct slice body) {
    switch (kind) {
        case TRANSFER_OFFER:
            return take_offer(taking, body);
        case TRANSFER_MARK:
            hear_mark(taking, topic);
            return body.len == 0;
        case TRANSFER_MISSED:
            return take_missed(taking, body);
        case TRANSFER_REFUSED:
            taking_end(taking, false);
            return body.len == 0;
        default:
            return false;
    }
}

bool transfer_taker_hear(struct transfers *transfers, enum transfer_kind kind, uint64_t number, struct slice topic,
                         struct slice body) {
    LIST_EACH(&transfers->takings, link) {
        struct taking *taking = CONTAINER(link, struct taking, link);
        if (taking->number == number) return hear(taking, kind, topic, body);
    }
    return true; /* too late */
}

void transfer_taker_forget_all(struct transfers *transfers) {
    LIST_EACH(&transfers->takings, link) transfer_taker_forget(CONTAINER(link, struct taking, link)->call);
}
