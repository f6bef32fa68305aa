/* SPDX-License-Identifier: Apache-2.0 */
#include "session/transfer_owner.h"

#include <stdlib.h>

#include "base/metrics.h"
#include "bus/fields.h"
#include "channel/log.h"
#include "channel/room.h"
#include "channel/topic.h"
#include "session/recovery.h"
#include "session/session_internal.h"

/* A socket that is being given to another worker. */
struct giving {
    struct list link;
    struct transfers *transfers;
    struct socket *socket;
    uint64_t number, offset, until_ms;
    bool is_ready; /* the taker listens; the owner waits for events still on their way to it */
    bool is_stale; /* the socket changed after the offer: the transfer is refused */
    struct loop_timer timer;
    char pid[PID_LEN + 1], taker[ID_OWNER_LEN + 1];
};

static void giving_free(struct giving *giving) {
    list_remove(&giving->link);
    loop_timer_cancel(&giving->timer);
    free(giving);
}

/* The taker has fallen silent: a client with the pid may try again. */
static void take_back(struct giving *giving) {
    struct socket *socket = giving->socket;
    recovery_restore(socket, giving->pid);
    giving_free(giving);
    socket_part(socket, "transport close", true);
}

void transfer_owner_edited(struct transfers *transfers, const struct socket *socket) {
    LIST_EACH(&transfers->givings, link) {
        struct giving *giving = CONTAINER(link, struct giving, link);
        if (giving->socket != socket) continue;
        giving->is_stale = true;
        loop_timer_set(&giving->timer, 1);
    }
}

static bool is_shared(const struct socket *socket, struct slice room) {
    return room.len > 0 && !slice_is(room, socket->id);
}

static void send_offer(struct giving *giving) {
    struct transfers *transfers = giving->transfers;
    const struct socket *socket = giving->socket;
    struct slice namespace_name = slice_of(socket->namespace_name);
    transfers_write_head(transfers, TRANSFER_OFFER, giving->number);
    fields_add(&transfers->body, (struct slice){transfers->hub->node, ID_OWNER_LEN});
    fields_add(&transfers->body, slice_of(socket->id));
    fields_add(&transfers->body, socket->guest ? slice_of(socket->user.of->id) : SLICE_NONE);
    fields_add(&transfers->body, slice_of(socket->state_json));
    LIST_EACH(&socket->memberships, link) {
        struct slice room = room_name(CONTAINER(link, struct membership, link)->room);
        if (!is_shared(socket, room)) continue;
        struct slice channel_id = channel_of_room(namespace_name, room);
        struct slice epoch = channel_id.len > 0 ? channel_log_epoch(transfers->log, channel_id) : SLICE_NONE;
        fields_add(&transfers->body, room);
        fields_add(&transfers->body, epoch);
        fields_add_number(&transfers->body,
                          epoch.len ? (uint64_t)channel_log_delivered(transfers->log, channel_id) : 0);
    }
    transfers_send(transfers, slice_of(giving->taker));
}

static void send_marks(struct giving *giving) {
    struct transfers *transfers = giving->transfers;
    const struct socket *socket = giving->socket;
    struct buffer topic = {0};
    LIST_EACH(&socket->memberships, link) {
        struct slice room = room_name(CONTAINER(link, struct membership, link)->room);
        buffer_clear(&topic);
        if (!topic_write_room(&topic, slice_of(socket->namespace_name), room)) continue;
        transfers_write_head(transfers, TRANSFER_MARK, giving->number);
        transfers_publish(transfers, buffer_slice(&topic));
    }
    buffer_done(&topic);
}

/* Collects the packets of a replay. */
struct collector {
    struct receiver receiver;
    struct socket *socket;
    struct buffer *out;
};

static void collect(struct receiver *receiver, const struct room *room, struct packet *packet) {
    struct collector *collector = CONTAINER(receiver, struct collector, receiver);
    struct slice attachments[SOCKETIO_ATTACHMENTS_MAX];
    if (socket_has_had(collector->socket, packet)) return;
    unsigned len = packet_attachments(packet, attachments);
    fields_add_number(collector->out, packet_tag(packet) ? packet_tag(packet) | 1 : 0);
    buffer_append_char(collector->out, (char)packet_class_of(packet));
    buffer_append_char(collector->out, (char)len);
    fields_add(collector->out, packet_json(packet));
    for (unsigned i = 0; i < len; i++) fields_add(collector->out, attachments[i]);
}

static void add_cursors(const struct giving *giving, struct buffer *out) {
    const struct socket *socket = giving->socket;
    const struct channel_log *log = giving->transfers->log;
    LIST_EACH(&socket->memberships, link) {
        struct slice room = room_name(CONTAINER(link, struct membership, link)->room);
        struct slice channel_id = channel_of_room(slice_of(socket->namespace_name), room);
        if (channel_id.len == 0 || channel_log_delivered(log, channel_id) < 0) continue;
        fields_add(out, channel_id);
        fields_add_number(out, (uint64_t)channel_log_delivered(log, channel_id));
    }
}

/* Tells the pid's home where the socket is now, so that it can redirect askers. */
static void tell_home(const struct giving *giving) {
    struct transfers *transfers = giving->transfers;
    struct slice pid = slice_of(giving->pid), taker = slice_of(giving->taker);
    if (memcmp(giving->pid, transfers->hub->node, ID_OWNER_LEN) == 0) {
        transfers_note_moved(transfers, pid, taker);
        return;
    }
    transfers_write_head(transfers, TRANSFER_MOVED, giving->number);
    fields_add(&transfers->body, pid);
    fields_add(&transfers->body, taker);
    transfers_send(transfers, (struct slice){giving->pid, ID_OWNER_LEN});
}

static void give(struct giving *giving) {
    static const struct receiver_ops collector_ops = {collect};
    struct transfers *transfers = giving->transfers;
    struct socket *socket = giving->socket;
    const struct hub_settings *settings = &socket->hub->settings;
    struct buffer cursors = {0}, events = {0};
    struct collector collector = {.receiver = {.ops = &collector_ops}, .socket = socket, .out = &events};
    bool whole = !giving->is_stale && rooms_replay(socket->hub->rooms, &socket->memberships, &collector.receiver,
                                                   giving->offset, settings->recovery.events, settings->recovery.bytes);
    add_cursors(giving, &cursors);
    transfers_write_head(transfers, whole ? TRANSFER_MISSED : TRANSFER_REFUSED, giving->number);
    if (whole) fields_add(&transfers->body, buffer_slice(&cursors));
    if (whole) fields_add(&transfers->body, buffer_slice(&events));
    transfers_send(transfers, slice_of(giving->taker));
    buffer_done(&cursors);
    buffer_done(&events);
    if (whole) tell_home(giving);
    giving_free(giving);
    socket_part(socket, "transport close", false);
}

static void timer_fired(struct loop_timer *timer) {
    struct giving *giving = CONTAINER(timer, struct giving, timer);
    if (giving->is_ready || giving->is_stale) {
        give(giving);
    } else if (loop_now_ms(timer->loop) >= giving->until_ms) {
        take_back(giving);
    } else {
        send_marks(giving);
        loop_timer_set(timer, TRANSFER_MARK_MS);
    }
}

static void giving_begin(struct transfers *transfers, uint64_t number, struct slice taker, struct socket *socket,
                         uint64_t offset) {
    struct hub *hub = transfers->hub;
    struct giving *giving = NEW(struct giving);
    giving->transfers = transfers;
    giving->socket = socket;
    giving->number = number;
    giving->offset = offset;
    giving->until_ms = loop_now_ms(hub->loop) + TRANSFER_MS;
    memcpy(giving->pid, socket->record.pid, PID_LEN);
    memcpy(giving->taker, taker.ptr, ID_OWNER_LEN);
    loop_timer_init(&giving->timer, hub->loop, timer_fired);
    list_append(&transfers->givings, &giving->link);
    recovery_drop(socket); /* nobody else can claim it meanwhile */
    send_offer(giving);
    send_marks(giving);
    loop_timer_set(&giving->timer, TRANSFER_MARK_MS);
}

bool transfer_owner_claim(struct transfers *transfers, uint64_t number, struct slice body) {
    struct recovery_claim claim = {.guest = false};
    struct slice whole = body, taker, guest;
    uint64_t offset;
    if (!fields_take(&body, &taker) || taker.len != ID_OWNER_LEN || !fields_take(&body, &claim.pid) ||
        !fields_take(&body, &claim.offset) || !fields_take(&body, &claim.namespace_name) ||
        !fields_take(&body, &claim.user_id) || !fields_take(&body, &guest) || guest.len > 1 || body.len > 0)
        return false;
    claim.guest = guest.len == 1;
    const char *elsewhere = recovery_find(transfers->hub, claim.pid) ? NULL : transfers_where(transfers, claim.pid);
    if (elsewhere) {
        transfers_write_head(transfers, TRANSFER_CLAIM, number);
        buffer_append_slice(&transfers->body, whole);
        transfers_send(transfers, slice_of(elsewhere));
        return true;
    }
    struct socket *socket = recovery_take(transfers->hub, &claim, &offset);
    if (socket) {
        giving_begin(transfers, number, taker, socket, offset);
        return true;
    }
    transfers_write_head(transfers, TRANSFER_REFUSED, number);
    transfers_send(transfers, taker);
    return true;
}

bool transfer_owner_ready(struct transfers *transfers, uint64_t number, struct slice body) {
    LIST_EACH(&transfers->givings, link) {
        struct giving *giving = CONTAINER(link, struct giving, link);
        if (giving->number != number || giving->is_ready) continue;
        giving->is_ready = true;
        loop_timer_set(&giving->timer, TRANSFER_SKEW_MS);
    }
    return body.len == 0;
}

void transfer_owner_end(struct transfers *transfers) {
    LIST_EACH(&transfers->givings, link) take_back(CONTAINER(link, struct giving, link));
}
