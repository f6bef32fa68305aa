/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/fleet.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/metrics.h"
#include "bus/adapter.h"
#include "bus/bus.h"
#include "bus/fields.h"
#include "cache/cache.h"
#include "cache/shared_cache.h"
#include "channel/expulsions.h"
#include "channel/log.h"
#include "channel/relay.h"
#include "channel/room.h"
#include "channel/topic.h"
#include "presence/presence_sync.h"
#include "presence/survey.h"
#include "session/hub.h"
#include "session/socket.h"
#include "session/socket_rooms.h"
#include "session/transfers.h"
#include "state/state.h"
#include "store/store_json.h"
#include "wire/json.h"
#include "worker/repeated_messages.h"
#include "worker/worker.h"

static const struct slice everyone = {"", 0};

static void publish(struct worker *worker, struct slice topic, enum bus_kind kind, struct slice body) {
    const struct bus_message message = {.kind = kind, .body = body};
    (void)!bus_publish(worker->fleet.bus, topic, &message); /* too large is counted there */
}

static void publish_to_user(struct worker *worker, struct slice user_id, enum bus_kind kind, struct slice body) {
    struct buffer topic = {0};
    topic_write_user(&topic, user_id);
    publish(worker, buffer_slice(&topic), kind, body);
    buffer_done(&topic);
}

static void repeated(struct worker *worker, struct slice topic, enum bus_kind kind, struct slice body) {
    repeated_messages_publish(worker->fleet.repeated, topic, &(struct bus_message){.kind = kind, .body = body});
}

static void insist_to_user(struct worker *worker, struct slice user_id, enum bus_kind kind, struct slice body) {
    struct buffer topic = {0};
    topic_write_user(&topic, user_id);
    repeated(worker, buffer_slice(&topic), kind, body);
    buffer_done(&topic);
}

/* Events of channels. */

static bool is_event(struct slice body, int64_t seq) {
    return json_valid(body) && store_event_seq(body) == seq;
}

static bool take_event(struct worker *worker, struct slice topic, const struct bus_message *message) {
    struct slice channel_id = topic_channel(topic);
    if (channel_id.len == 0 || (message->body.len > 0 && !is_event(message->body, message->seq))) return false;
    channel_log_committed(worker->channels.log, channel_id, message->seq, message->epoch, message->body);
    return true;
}

static bool take_emit(struct worker *worker, struct slice topic, const struct bus_message *message) {
    return relay_take(worker->channels.relay, topic, message);
}

/* Everybody. */

static bool take_broadcast(struct worker *worker, struct slice topic, const struct bus_message *message) {
    if (topic.len > 0 || !json_valid(message->body)) return false;
    hub_broadcast(worker->hub, message->body);
    return true;
}

void fleet_broadcast(struct worker *worker, struct slice args) {
    hub_broadcast(worker->hub, args);
    publish(worker, everyone, BUS_BROADCAST, args);
    if (worker->fleet.adapter) adapter_broadcast(worker->fleet.adapter, args);
}

void fleet_set_namespaces(struct worker *worker, const char *const *names, size_t len) {
    hub_set_namespaces(worker->hub, names, len);
    if (worker->fleet.adapter) adapter_set_namespaces(worker->fleet.adapter, names, len);
}

static bool take_invalidation(struct worker *worker, struct slice topic, const struct bus_message *message) {
    struct slice rest = message->body, version, key;
    uint64_t number = 0;
    if (!fields_take(&rest, &version) || version.len != sizeof number || !fields_take(&rest, &key) || rest.len > 0)
        return false;
    for (size_t i = 0; i < sizeof number; i++) number = number << 8 | (unsigned char)version.ptr[i];
    cache_remove(worker->caches.own, key, number);
    return true;
}

static void tell_invalid(struct worker *worker, struct slice key, uint64_t version) {
    struct buffer body = {0};
    char number[sizeof version];
    if (bus_is_alone(worker->fleet.bus)) return;
    for (size_t i = 0; i < sizeof number; i++) number[i] = (char)(version >> (8 * (sizeof number - 1 - i)));
    fields_add(&body, (struct slice){number, sizeof number});
    fields_add(&body, key);
    publish(worker, everyone, BUS_INVALIDATE, buffer_slice(&body));
    buffer_done(&body);
}

void fleet_invalidate(struct worker *worker, struct slice key, uint64_t version) {
    cache_remove(worker->caches.own, key, version);
    tell_invalid(worker, key, version);
}

void fleet_invalidate_shared(struct worker *worker, struct slice key) {
    cache_remove(worker->caches.own, key, 0);
    shared_cache_remove(worker->caches.shared, key);
}

static void removed(void *owner, struct slice key) {
    tell_invalid(owner, key, 0);
}

const struct shared_events fleet_removals = {.removed = removed};

/* A user. */

struct sending {
    const struct fleet_news *news;
    struct buffer room; /* the channel's */
    size_t sent;
};

static void send_to(void *owner, struct socket *socket) {
    struct sending *sending = owner;
    const struct fleet_news *news = sending->news;
    struct slice room = buffer_slice(&sending->room);
    if (news->reach == FLEET_ABSENT && socket_is_in(socket, room)) return;
    if (news->reach == FLEET_EXPELLED) socket_leave(socket, room);
    bool sent = socket_emit(socket, news->args, news->attachments, news->attachments_len, PACKET_MESSAGE);
    sending->sent += sent && socket_is_connected(socket);
}

static size_t send_here(struct worker *worker, const struct fleet_news *news) {
    struct sending sending = {.news = news};
    channel_room_name(&sending.room, news->channel_id);
    hub_each_of_user(worker->hub, news->user_id, send_to, &sending);
    buffer_done(&sending.room);
    return sending.sent;
}

static void write_news(struct buffer *body, const struct fleet_news *news) {
    fields_add(body, news->channel_id);
    fields_add(body, news->args);
    for (unsigned i = 0; i < news->attachments_len; i++) fields_add(body, news->attachments[i]);
}

static bool read_news(struct slice rest, struct fleet_news *news, struct slice attachments[SOCKETIO_ATTACHMENTS_MAX]) {
    if (news->user_id.len == 0 || !fields_take(&rest, &news->channel_id) || !fields_take(&rest, &news->args))
        return false;
    news->attachments = attachments;
    while (rest.len > 0) {
        if (news->attachments_len == SOCKETIO_ATTACHMENTS_MAX) return false;
        if (!fields_take(&rest, &attachments[news->attachments_len++])) return false;
    }
    return json_valid(news->args);
}

static bool take_user_emit(struct worker *worker, struct slice topic, const struct bus_message *message) {
    struct slice rest = message->body, reach, attachments[SOCKETIO_ATTACHMENTS_MAX];
    struct fleet_news news = {.user_id = topic_user(topic)};
    if (!fields_take(&rest, &reach) || reach.len != 1 || reach.ptr[0] > FLEET_ABSENT) return false;
    news.reach = (enum fleet_reach)reach.ptr[0];
    if (!read_news(rest, &news, attachments)) return false;
    send_here(worker, &news);
    return true;
}

static bool take_expulsion(struct worker *worker, struct slice topic, const struct bus_message *message) {
    struct slice rest = message->body, attachments[SOCKETIO_ATTACHMENTS_MAX];
    struct fleet_news news = {.reach = FLEET_EXPELLED};
    uint64_t number;
    if (topic.len > 0 || !fields_take_number(&rest, &number) || !fields_take(&rest, &news.user_id)) return false;
    if (!read_news(rest, &news, attachments)) return false;
    if (expulsions_note(worker->channels.expulsions, news.user_id, news.channel_id, number)) send_here(worker, &news);
    return true;
}

/* Also sent to workers without sockets of this user: their messages may still wait there. */
static size_t expel(struct worker *worker, const struct fleet_news *news) {
    struct buffer body = {0};
    uint64_t number;
    arc4random_buf(&number, sizeof number);
    (void)expulsions_note(worker->channels.expulsions, news->user_id, news->channel_id, number);
    size_t sent = send_here(worker, news);
    if (bus_is_alone(worker->fleet.bus)) return sent;
    fields_add_number(&body, number);
    fields_add(&body, news->user_id);
    write_news(&body, news);
    repeated(worker, everyone, BUS_EXPULSION, buffer_slice(&body));
    buffer_done(&body);
    return sent;
}

size_t fleet_emit_to_user(struct worker *worker, const struct fleet_news *news) {
    if (news->reach == FLEET_EXPELLED) return expel(worker, news);
    size_t sent = send_here(worker, news);
    const char reach = (char)news->reach;
    if (bus_is_alone(worker->fleet.bus)) return sent;
    struct buffer body = {0};
    fields_add(&body, (struct slice){&reach, 1});
    write_news(&body, news);
    publish_to_user(worker, news->user_id, BUS_USER_EMIT, buffer_slice(&body));
    buffer_done(&body);
    return sent;
}

struct fleet_end {
    const struct fleet_ending *wanted;
    size_t ended;
};

static void end_one(void *owner, struct socket *socket) {
    struct fleet_end *ending = owner;
    struct slice wanted = ending->wanted->session;
    if (wanted.len > 0) {
        struct slice session = json_member(socket_user(socket), "session");
        if (session.len == 0 || json_type_of(session) != JSON_STRING || !json_string_is(session, wanted)) return;
    }
    ending->ended++;
    if (ending->wanted->stays_away)
        socket_disconnect(socket);
    else
        socket_close(socket, CLOSE_FORCED);
}

static bool take_disconnect(struct worker *worker, struct slice topic, const struct bus_message *message) {
    struct slice rest = message->body, flag;
    struct fleet_ending wanted = {.stays_away = false};
    struct fleet_end ending = {.wanted = &wanted};
    if (topic_user(topic).len == 0 || !fields_take(&rest, &flag) || flag.len > 1) return false;
    if (!fields_take(&rest, &wanted.session) || rest.len > 0) return false;
    wanted.stays_away = flag.len == 1;
    hub_each_of_user(worker->hub, topic_user(topic), end_one, &ending);
    return true;
}

size_t fleet_disconnect_user(struct worker *worker, struct slice user_id, const struct fleet_ending *wanted) {
    struct fleet_end ending = {.wanted = wanted};
    hub_each_of_user(worker->hub, user_id, end_one, &ending);
    if (bus_is_alone(worker->fleet.bus)) return ending.ended;
    struct buffer body = {0};
    fields_add(&body, wanted->stays_away ? SLICE("!") : SLICE_NONE);
    fields_add(&body, wanted->session);
    if (wanted->session.len > 0)
        insist_to_user(worker, user_id, BUS_DISCONNECT, buffer_slice(&body)); /* the session never comes back */
    else
        publish_to_user(worker, user_id, BUS_DISCONNECT, buffer_slice(&body));
    buffer_done(&body);
    return ending.ended;
}

/* A worker listens for the users whose sockets it has. */

static void user_came(void *owner, struct slice user_id) {
    struct worker *worker = owner;
    if (bus_is_alone(worker->fleet.bus)) return;
    struct buffer topic = {0};
    topic_write_user(&topic, user_id);
    bus_subscribe(worker->fleet.bus, buffer_slice(&topic));
    buffer_done(&topic);
}

static void user_went(void *owner, struct slice user_id) {
    struct worker *worker = owner;
    if (bus_is_alone(worker->fleet.bus)) return;
    struct buffer topic = {0};
    topic_write_user(&topic, user_id);
    bus_unsubscribe(worker->fleet.bus, buffer_slice(&topic));
    buffer_done(&topic);
}

static void user_left(void *owner, struct slice user_id) {
    state_release_connection(((struct worker *)owner)->fleet.state, user_id);
}

static const struct hub_user_events user_events = {user_came, user_went, user_left};

void fleet_join(struct worker *worker) {
    hub_set_user_events(worker->hub, &user_events, worker);
    if (!bus_is_alone(worker->fleet.bus)) bus_subscribe(worker->fleet.bus, everyone);
}

/* Presence. */

/* Ignores late messages of a dead worker. A worker's first message is one of these. */
static bool is_of_dead(struct worker *worker, const struct bus_message *message) {
    state_note_worker(worker->fleet.state, message->origin);
    return state_is_gone(worker->fleet.state, message->origin);
}

static bool take_presence(struct worker *worker, struct slice topic, const struct bus_message *message) {
    return is_of_dead(worker, message) || presence_sync_take(worker->presence.sync, topic, message);
}

static bool take_survey(struct worker *worker, struct slice topic, const struct bus_message *message) {
    return is_of_dead(worker, message) || survey_take(worker->presence.survey, topic, message);
}

static void gone(void *owner, struct slice worker_id) {
    struct worker *worker = owner;
    if (worker->presence.sync) presence_sync_gone(worker->presence.sync, worker_id);
}

const struct state_events fleet_state_events = {.gone = gone};

static bool take_transfer(struct worker *worker, struct slice topic, const struct bus_message *message) {
    return !worker->transfers || transfers_take(worker->transfers, topic, message);
}

/* The bus speaks. */

static bool (*const takers[BUS_KINDS])(struct worker *, struct slice topic, const struct bus_message *) = {
    [BUS_EVENT] = take_event,           [BUS_EMIT] = take_emit,
    [BUS_BROADCAST] = take_broadcast,   [BUS_USER_EMIT] = take_user_emit,
    [BUS_DISCONNECT] = take_disconnect, [BUS_INVALIDATE] = take_invalidation,
    [BUS_PRESENCE] = take_presence,     [BUS_TRANSFER] = take_transfer,
    [BUS_SURVEY] = take_survey,         [BUS_EXPULSION] = take_expulsion,
};

/* An ending worker ignores messages. */
static void received(void *owner, struct slice topic, const struct bus_message *message) {
    struct worker *worker = owner;
    if (!worker->hub || takers[message->kind](worker, topic, message)) return;
    metric_add_labelled(METRIC_BUS_DROPPED, "malformed", 1);
    LOG(LOG_WARNING, "bus.dropped", LOG_TEXT("reason", "malformed"), LOG_SLICE("topic", topic),
        LOG_SLICE("from", message->origin));
}

static void subscribed(void *owner, struct slice topic) {
    struct worker *worker = owner;
    struct slice channel_id = topic_channel(topic);
    if (channel_id.len > 0) channel_log_check(worker->channels.log, channel_id);
    presence_sync_subscribed(worker->presence.sync, topic);
    if (topic.len == 0) cache_forget_all(worker->caches.own); /* invalidations may be missing */
}

static void degraded(void *owner, bool is_degraded) {
    struct worker *worker = owner;
    channel_log_set_degraded(worker->channels.log, is_degraded);
    cache_forget_all(worker->caches.own);
}

const struct bus_events fleet_events = {.received = received, .subscribed = subscribed, .degraded = degraded};
