/* SPDX-License-Identifier: Apache-2.0 */
#include "bus/adapter.h"

#include <stdlib.h>

#include "base/ids.h"
#include "base/memory.h"
#include "base/metrics.h"
#include "redis/redis.h"
#include "redis/subscriber.h"
#include "wire/json.h"
#include "wire/msgpack.h"
#include "wire/utf8.h"

/* Such servers take a room whose name is as long as a socket's id for one: emits to it use the namespace's channel. */
enum { CLASSIC_UID_LEN = 6, SHARDED_UID_LEN = 16, SOCKET_ROOM_LEN = 20 };
static const char EMITS[] = "socket.io", REQUESTS[] = "socket.io-request", RESPONSES[] = "socket.io-response";

struct adapter {
    struct redis *redis;
    struct subscriber *subscriber;
    struct adapter_settings settings;
    const struct adapter_events *events;
    void *owner;
    char classic_uid[CLASSIC_UID_LEN + 1], sharded_uid[SHARDED_UID_LEN + 1];
    char **namespaces; /* the main one first */
    size_t namespaces_len;
    struct buffer json, topic, bytes; /* for the current call */
};

struct adapter_reply {
    struct adapter *adapter;
    enum adapter_form form;
    char *namespace_name, *request_id, *asker; /* request_id: JSON; asker: plain, SHARDED only */
};

/* Channels: KEY#NAMESPACE# and KEY#NAMESPACE#ROOM#. */

static struct slice channel(struct adapter *adapter, const char *key, struct slice namespace_name, struct slice room) {
    struct buffer *topic = &adapter->topic;
    buffer_clear(topic);
    buffer_printf(topic, "%s#%.*s#", key, SLICE_ARG(namespace_name));
    if (room.len > 0) buffer_printf(topic, "%.*s#", SLICE_ARG(room));
    return buffer_slice(topic);
}

/* A pattern for all channels of the namespace's emits, with special characters escaped. */
static struct slice emits_pattern(struct adapter *adapter, struct slice namespace_name) {
    struct buffer *topic = &adapter->topic;
    buffer_clear(topic);
    buffer_printf(topic, "%s#", EMITS);
    for (size_t i = 0; i < namespace_name.len; i++) {
        if (strchr("*?[]\\", namespace_name.ptr[i])) buffer_append_char(topic, '\\');
        buffer_append_char(topic, namespace_name.ptr[i]);
    }
    buffer_append_str(topic, "#*");
    return buffer_slice(topic);
}

static void want(struct adapter *adapter, enum topic_kind kind, struct slice topic, bool wanted) {
    if (wanted)
        (void)subscriber_want(adapter->subscriber, kind, topic);
    else
        subscriber_drop(adapter->subscriber, kind, topic);
}

/* Subscribes each channel once per process: the other servers count subscribers. */
static void serve(struct adapter *adapter, struct slice namespace_name, bool served) {
    if (adapter->settings.is_classic) {
        want(adapter, TOPIC_CLASSIC, channel(adapter, REQUESTS, namespace_name, SLICE_NONE), served);
        want(adapter, TOPIC_PATTERN, emits_pattern(adapter, namespace_name), served);
    }
    if (adapter->settings.is_sharded)
        want(adapter, TOPIC_SHARDED, channel(adapter, EMITS, namespace_name, SLICE_NONE), served);
}

/* Length in UTF-16 units, as in JavaScript. */
static size_t script_len(struct slice text) {
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++)
        len += (size_t)!utf8_continues(text.ptr + i) + ((unsigned char)text.ptr[i] >= 0xF0);
    return len;
}

static bool has_own_channel(struct slice room) {
    return room.len > 0 && script_len(room) != SOCKET_ROOM_LEN;
}

static void want_room(struct adapter *adapter, struct slice namespace_name, struct slice room, bool wanted) {
    if (!adapter->settings.is_sharded || !has_own_channel(room)) return;
    want(adapter, TOPIC_SHARDED, channel(adapter, EMITS, namespace_name, room), wanted);
}

void adapter_room_occupied(struct adapter *adapter, struct slice namespace_name, struct slice room) {
    want_room(adapter, namespace_name, room, true);
}

void adapter_room_vacated(struct adapter *adapter, struct slice namespace_name, struct slice room) {
    want_room(adapter, namespace_name, room, false);
}

/* Receiving. */

static bool is_channel_of(struct slice topic, const char *key, struct slice namespace_name) {
    size_t key_len = strlen(key), len = key_len + 1 + namespace_name.len + 1;
    return topic.len >= len && memcmp(topic.ptr, key, key_len) == 0 && topic.ptr[key_len] == '#' &&
           memcmp(topic.ptr + key_len + 1, namespace_name.ptr, namespace_name.len) == 0 && topic.ptr[len - 1] == '#';
}

static bool is_own(const struct adapter *adapter, const struct adapter_message *message) {
    if (message->is_ours) return true;
    if (message->uid.len == 0) return false;
    return json_string_is(message->uid, slice_of(adapter->classic_uid)) ||
           json_string_is(message->uid, slice_of(adapter->sharded_uid));
}

static void hear(struct adapter *adapter, enum adapter_channel from, struct slice namespace_name,
                 struct slice payload) {
    struct adapter_message message;
    struct msgpack_binaries binaries;
    if (!adapter_read(from, namespace_name, payload, &adapter->json, &binaries, &message)) {
        metric_add_labelled(METRIC_REJECTED, "adapter_message", 1);
        return;
    }
    if (message.kind == ADAPTER_OTHER || is_own(adapter, &message)) return;
    struct adapter_heard heard = {
        .form = from == ADAPTER_SHARDED_ALL ? ADAPTER_SHARDED : ADAPTER_CLASSIC,
        .namespace_name = namespace_name,
        .message = &message,
        .attachments = binaries.items,
        .attachments_len = binaries.len,
    };
    adapter->events->heard(adapter->owner, &heard);
}

/* The channel's name gives the namespace. A name with '#' can have another one as a prefix, so the message's own
 * namespace must match. */
static void message_came(void *owner, enum topic_kind kind, struct slice pattern, struct slice topic,
                         struct slice payload) {
    struct adapter *adapter = owner;
    static const struct {
        const char *key;
        enum adapter_channel channel;
    } rows[] = {
        [TOPIC_CLASSIC] = {REQUESTS, ADAPTER_CLASSIC_REQUESTS},
        [TOPIC_PATTERN] = {EMITS, ADAPTER_CLASSIC_EMITS},
        [TOPIC_SHARDED] = {EMITS, ADAPTER_SHARDED_ALL},
    };
    size_t best = adapter->namespaces_len, best_len = 0;
    for (size_t i = 0; i < adapter->namespaces_len; i++) {
        struct slice name = slice_of(adapter->namespaces[i]);
        if (name.len < best_len || !is_channel_of(topic, rows[kind].key, name)) continue;
        best = i;
        best_len = name.len;
    }
    if (best < adapter->namespaces_len) hear(adapter, rows[kind].channel, slice_of(adapter->namespaces[best]), payload);
}

/* Emits are delivered at most once: nothing is fetched later. */
static void topic_confirmed(void *owner, enum topic_kind kind, struct slice topic) {}
static void topic_lost(void *owner, enum topic_kind kind, struct slice topic) {}

static const struct subscriber_events subscriber_events = {
    .message = message_came, .subscribed = topic_confirmed, .lost = topic_lost};

/* Sending. */

static void publish(struct adapter *adapter, enum adapter_form form, struct slice topic) {
    redis_publish(adapter->redis, NULL, form == ADAPTER_SHARDED, topic, buffer_slice(&adapter->bytes));
}

static void publish_in(struct adapter *adapter, enum adapter_form form, const struct adapter_emit *emit) {
    bool is_classic = form == ADAPTER_CLASSIC;
    struct slice room = emit->rooms_len == 1 ? emit->rooms[0] : SLICE_NONE;
    if (!is_classic && !has_own_channel(room)) room = SLICE_NONE;
    buffer_clear(&adapter->bytes);
    adapter_write_emit(&adapter->bytes, form, slice_of(is_classic ? adapter->classic_uid : adapter->sharded_uid), emit);
    publish(adapter, form, channel(adapter, EMITS, emit->namespace_name, room));
}

/* False: the other servers could not read it. */
static bool is_text(const struct adapter_emit *emit) {
    bool is_valid = utf8_valid(emit->namespace_name);
    for (size_t i = 0; i < emit->rooms_len; i++) is_valid = is_valid && utf8_valid(emit->rooms[i]);
    for (size_t i = 0; i < emit->except_len; i++) is_valid = is_valid && utf8_valid(emit->except[i]);
    return is_valid;
}

void adapter_publish(struct adapter *adapter, const struct adapter_emit *emit) {
    if (!is_text(emit)) return;
    if (adapter->settings.is_classic) publish_in(adapter, ADAPTER_CLASSIC, emit);
    if (adapter->settings.is_sharded) publish_in(adapter, ADAPTER_SHARDED, emit);
}

void adapter_broadcast(struct adapter *adapter, struct slice args) {
    for (size_t i = 0; i < adapter->namespaces_len; i++)
        adapter_publish(adapter,
                        &(struct adapter_emit){.namespace_name = slice_of(adapter->namespaces[i]), .args = args});
}

static char *copy(struct slice bytes) {
    return memory_copy(bytes.ptr, bytes.len);
}

struct adapter_reply *adapter_reply_new(struct adapter *adapter, const struct adapter_heard *heard) {
    const struct adapter_message *message = heard->message;
    if (message->request_id.len == 0) return NULL;
    struct adapter_reply *reply = NEW(struct adapter_reply);
    struct buffer asker = {0};
    if (message->uid.len > 0) json_string(message->uid, &asker);
    *reply = (struct adapter_reply){.adapter = adapter,
                                    .form = heard->form,
                                    .namespace_name = copy(heard->namespace_name),
                                    .request_id = copy(message->request_id),
                                    .asker = buffer_take(&asker, NULL)};
    return reply;
}

void adapter_reply_send(struct adapter_reply *reply, enum adapter_answer answer, struct slice value,
                        const struct slice *attachments, unsigned attachments_len) {
    struct adapter *adapter = reply->adapter;
    struct slice namespace_name = slice_of(reply->namespace_name);
    bool is_classic = reply->form == ADAPTER_CLASSIC;
    buffer_clear(&adapter->bytes);
    adapter_write_answer(&adapter->bytes, reply->form, answer, slice_of(adapter->sharded_uid), namespace_name,
                         slice_of(reply->request_id), value, attachments, attachments_len);
    publish(adapter, reply->form,
            is_classic ? channel(adapter, RESPONSES, namespace_name, SLICE_NONE)
                       : channel(adapter, EMITS, namespace_name, slice_of(reply->asker)));
}

void adapter_reply_free(struct adapter_reply **reply_owner) {
    struct adapter_reply *reply = *reply_owner;
    *reply_owner = NULL;
    if (!reply) return;
    free(reply->namespace_name);
    free(reply->request_id);
    free(reply->asker);
    free(reply);
}

/* Creation and end. */

static void forget_namespaces(struct adapter *adapter) {
    for (size_t i = 0; i < adapter->namespaces_len; i++) free(adapter->namespaces[i]);
    free(adapter->namespaces);
}

static bool serves(char *const *namespaces, size_t len, const char *name) {
    for (size_t i = 0; i < len; i++)
        if (strcmp(namespaces[i], name) == 0) return true;
    return false;
}

void adapter_set_namespaces(struct adapter *adapter, const char *const *names, size_t len) {
    char **namespaces = NEW_ARRAY(char *, len + 1);
    size_t served = 0;
    namespaces[served++] = copy(SLICE("/"));
    for (size_t i = 0; i < len; i++)
        if (!serves(namespaces, served, names[i])) namespaces[served++] = copy(slice_of(names[i]));
    for (size_t i = 0; i < served; i++)
        if (!serves(adapter->namespaces, adapter->namespaces_len, namespaces[i]))
            serve(adapter, slice_of(namespaces[i]), true);
    for (size_t i = 0; i < adapter->namespaces_len; i++)
        if (!serves(namespaces, served, adapter->namespaces[i]))
            serve(adapter, slice_of(adapter->namespaces[i]), false);
    forget_namespaces(adapter);
    adapter->namespaces = namespaces;
    adapter->namespaces_len = served;
}

struct adapter *adapter_new(struct redis *redis, const struct adapter_settings *settings,
                            const struct adapter_events *events, void *owner) {
    struct adapter *adapter = NEW(struct adapter);
    *adapter = (struct adapter){.redis = redis, .settings = *settings, .events = events, .owner = owner};
    id_random(adapter->classic_uid, CLASSIC_UID_LEN);
    id_random(adapter->sharded_uid, SHARDED_UID_LEN);
    adapter->subscriber = subscriber_new(redis, &(struct subscriber_settings){0}, &subscriber_events, adapter);
    adapter_set_namespaces(adapter, NULL, 0);
    return adapter;
}

void adapter_free(struct adapter **adapter_owner) {
    struct adapter *adapter = *adapter_owner;
    *adapter_owner = NULL;
    if (!adapter) return;
    subscriber_free(&adapter->subscriber);
    forget_namespaces(adapter);
    buffer_done(&adapter->json);
    buffer_done(&adapter->topic);
    buffer_done(&adapter->bytes);
    free(adapter);
}
