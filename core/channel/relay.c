/* SPDX-License-Identifier: Apache-2.0 */
#include "channel/relay.h"

#include <assert.h>
#include <stdlib.h>

#include "base/hash.h"
#include "bus/adapter.h"
#include "bus/bus.h"
#include "bus/fields.h"
#include "channel/log.h"
#include "channel/room.h"
#include "channel/topic.h"
#include "wire/json.h"

struct relay {
    struct rooms_watch watch;
    struct rooms *rooms;
    struct channel_log *log;
    struct bus *bus;
    void (*unfollowed)(void *owner, struct slice channel_id); /* NULL: nobody listens */
    void *unfollowed_owner;
    struct adapter *adapter; /* NULL: there are no other servers */
    uint64_t emits;
    struct buffer topic, body; /* of the current call */
};

/* Rooms begin and end. */

static void room_opened(struct rooms_watch *watch, struct slice namespace_name, struct slice name) {
    struct relay *relay = CONTAINER(watch, struct relay, watch);
    if (relay->adapter) adapter_room_occupied(relay->adapter, namespace_name, name);
    buffer_clear(&relay->topic);
    if (topic_write_room(&relay->topic, namespace_name, name)) bus_subscribe(relay->bus, buffer_slice(&relay->topic));
}

static void room_closed(struct rooms_watch *watch, struct slice namespace_name, struct slice name) {
    struct relay *relay = CONTAINER(watch, struct relay, watch);
    if (relay->adapter) adapter_room_vacated(relay->adapter, namespace_name, name);
    buffer_clear(&relay->topic);
    if (!topic_write_room(&relay->topic, namespace_name, name)) return;
    struct slice topic = buffer_slice(&relay->topic), channel_id = topic_channel(topic);
    if (channel_id.len > 0) channel_log_unfollow(relay->log, channel_id);
    if (channel_id.len > 0 && relay->unfollowed) relay->unfollowed(relay->unfollowed_owner, channel_id);
    bus_unsubscribe(relay->bus, topic);
}

/* An emit as a body: class, unlogged, the numbers of rooms, exceptions and attachments, the tag, the namespace, the
 * rooms, exceptions and attachments, args. */

static void emit_write(const struct room_emit *emit, struct buffer *out) {
    const char head[] = {(char)emit->class, (char)emit->unlogged, (char)emit->to_len, (char)emit->except_len,
                         (char)emit->attachments_len};
    buffer_append(out, head, sizeof head);
    fields_add_number(out, emit->tag);
    fields_add(out, emit->namespace_name);
    for (size_t i = 0; i < emit->to_len; i++) fields_add(out, emit->to[i]);
    for (size_t i = 0; i < emit->except_len; i++) fields_add(out, emit->except[i]);
    for (unsigned i = 0; i < emit->attachments_len; i++) fields_add(out, emit->attachments[i]);
    fields_add(out, emit->args);
}

struct emit_read {
    struct slice to[RELAY_ROOMS_MAX], except[RELAY_ROOMS_MAX], attachments[SOCKETIO_ATTACHMENTS_MAX];
    struct room_emit emit;
};

static bool take_all(struct slice *rest, struct slice *parts, size_t len) {
    for (size_t i = 0; i < len; i++) {
        if (!fields_take(rest, &parts[i])) return false;
    }
    return true;
}

static bool emit_read(struct slice body, struct emit_read *read) {
    enum { HEAD_LEN = 5 };
    struct room_emit *emit = &read->emit;
    if (body.len < HEAD_LEN) return false;
    const unsigned char *head = (const unsigned char *)body.ptr;
    if (head[0] > PACKET_VOLATILE || head[1] > 1 || head[2] > RELAY_ROOMS_MAX || head[3] > RELAY_ROOMS_MAX ||
        head[4] > SOCKETIO_ATTACHMENTS_MAX)
        return false;
    *emit = (struct room_emit){.class = head[0], .unlogged = head[1], .to_len = head[2], .except_len = head[3]};
    emit->to = read->to;
    emit->except = read->except;
    emit->attachments = read->attachments;
    emit->attachments_len = head[4];
    body = slice_from(body, HEAD_LEN);
    return fields_take_number(&body, &emit->tag) && fields_take(&body, &emit->namespace_name) &&
           take_all(&body, read->to, emit->to_len) && take_all(&body, read->except, emit->except_len) &&
           take_all(&body, read->attachments, emit->attachments_len) && fields_take(&body, &emit->args) &&
           body.len == 0 && json_valid(emit->args);
}

/* A single room has its own topic. Several rooms, or a socket's own room, use the namespace's topic. Valid until the
 * next call. */
static struct slice emit_topic(struct relay *relay, const struct room_emit *emit) {
    struct buffer *topic = &relay->topic;
    buffer_clear(topic);
    if (emit->to_len != 1 || !topic_write_room(topic, emit->namespace_name, emit->to[0]))
        (void)topic_write_room(topic, emit->namespace_name, SLICE(""));
    return buffer_slice(topic);
}

static void tell_adapter(struct adapter *adapter, const struct room_emit *emit) {
    adapter_publish(adapter, &(struct adapter_emit){.namespace_name = emit->namespace_name,
                                                    .rooms = emit->to,
                                                    .rooms_len = emit->to_len,
                                                    .except = emit->except,
                                                    .except_len = emit->except_len,
                                                    .is_volatile = emit->class == PACKET_VOLATILE,
                                                    .args = emit->args,
                                                    .attachments = emit->attachments,
                                                    .attachments_len = emit->attachments_len});
}

size_t relay_emit(struct relay *relay, const struct room_emit *untagged) {
    struct room_emit emit = *untagged;
    assert(!emit.except_receiver && emit.to_len <= RELAY_ROOMS_MAX && emit.except_len <= RELAY_ROOMS_MAX);
    if (bus_is_alone(relay->bus)) return room_emit(relay->rooms, &emit);
    if (!room_emit_allowed(emit.args, emit.attachments_len)) return 0;
    emit.tag = hash_keyed(0, ++relay->emits, bus_worker_id(relay->bus)) | 1;
    size_t reached = room_emit_checked(relay->rooms, &emit);
    buffer_clear(&relay->body);
    emit_write(&emit, &relay->body);
    const struct bus_message message = {.kind = BUS_EMIT, .body = buffer_slice(&relay->body)};
    (void)!bus_publish(relay->bus, emit_topic(relay, &emit), &message); /* counts those that are too large */
    if (relay->adapter) tell_adapter(relay->adapter, &emit);
    return reached;
}

bool relay_take(struct relay *relay, struct slice topic, const struct bus_message *message) {
    struct emit_read read;
    if (!emit_read(message->body, &read) || !slice_equal(emit_topic(relay, &read.emit), topic)) return false;
    (void)room_emit(relay->rooms, &read.emit);
    return true;
}

struct relay *relay_new(struct rooms *rooms, struct channel_log *log, struct bus *bus, struct adapter *adapter) {
    struct relay *relay = NEW(struct relay);
    *relay =
        (struct relay){.watch = {room_opened, room_closed}, .rooms = rooms, .log = log, .bus = bus, .adapter = adapter};
    if (!bus_is_alone(bus)) rooms_set_watch(rooms, &relay->watch);
    return relay;
}

void relay_on_unfollow(struct relay *relay, void (*unfollowed)(void *owner, struct slice channel_id), void *owner) {
    relay->unfollowed = unfollowed;
    relay->unfollowed_owner = owner;
}

void relay_free(struct relay **relay_owner) {
    struct relay *relay = *relay_owner;
    *relay_owner = NULL;
    if (!relay) return;
    rooms_set_watch(relay->rooms, NULL);
    buffer_done(&relay->topic);
    buffer_done(&relay->body);
    free(relay);
}
