/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/socketio_peers.h"

#include <stdlib.h>

#include "base/metrics.h"
#include "bus/adapter.h"
#include "channel/room.h"
#include "config/config.h"
#include "loop/loop.h"
#include "policy/policy.h"
#include "session/hub.h"
#include "session/socket.h"
#include "session/socket_call.h"
#include "session/socket_rooms.h"
#include "wire/json.h"
#include "wire/utf8.h"
#include "worker/socketio_peer_socket.h"
#include "worker/worker.h"

enum { ROOMS_MAX = 1024, ANSWER_MS = 5000, ANSWER_MAX_MS = 60000 };

/* The sockets that a message is about, and storage for the names. */
struct whom {
    struct slice to[ROOMS_MAX], except[ROOMS_MAX];
    struct buffer to_text, except_text;
    struct room_emit emit;
};

/* Omits the room "": it means everybody here and nobody for Node.js. False: too many names, or an item that is not a
 * name. */
static bool read_names(struct slice json, struct buffer *text, struct slice *names, size_t *len_r, bool *given_r) {
    size_t len;
    *len_r = 0;
    if (!adapter_names(json, text, names, ROOMS_MAX, &len)) return false;
    *given_r = len > 0;
    for (size_t i = 0; i < len; i++)
        if (names[i].len > 0) names[(*len_r)++] = names[i];
    return true;
}

/* False: no socket can match. */
static bool whom_init(struct whom *whom, const struct adapter_heard *heard) {
    const struct adapter_message *message = heard->message;
    struct room_emit *emit = &whom->emit;
    bool to_given, except_given;
    whom->to_text = whom->except_text = (struct buffer){0};
    *emit = (struct room_emit){
        .namespace_name = heard->namespace_name, .to = whom->to, .except = whom->except, .unlogged = true};
    if (!read_names(message->rooms, &whom->to_text, whom->to, &emit->to_len, &to_given) ||
        !read_names(message->except, &whom->except_text, whom->except, &emit->except_len, &except_given)) {
        metric_add_labelled(METRIC_REJECTED, "adapter_message", 1);
        return false;
    }
    return emit->to_len > 0 || !to_given;
}

static void whom_done(struct whom *whom) {
    buffer_done(&whom->to_text);
    buffer_done(&whom->except_text);
}

/* fn for each socket that the message is about. */
static void each_socket(struct worker *worker, const struct adapter_heard *heard,
                        void (*fn)(void *owner, struct socket *socket), void *owner) {
    struct whom whom;
    if (whom_init(&whom, heard)) hub_each_reached(worker->hub, &whom.emit, fn, owner);
    whom_done(&whom);
}

/* The same, including disconnected sockets that may come back. */
static void change_each(struct worker *worker, const struct adapter_heard *heard,
                        void (*fn)(void *owner, struct socket *socket), void *owner) {
    struct whom whom;
    if (whom_init(&whom, heard)) hub_each_meant(worker->hub, &whom.emit, fn, owner);
    whom_done(&whom);
}

/* If an answer is wanted. */
static void answer(struct worker *worker, const struct adapter_heard *heard, enum adapter_answer kind,
                   struct slice value) {
    struct adapter_reply *reply = adapter_reply_new(worker->fleet.adapter, heard);
    if (reply) adapter_reply_send(reply, kind, value, NULL, 0);
    adapter_reply_free(&reply);
}

/* Emits. */

static void emit(struct worker *worker, const struct adapter_heard *heard) {
    const struct adapter_message *message = heard->message;
    struct whom whom;
    if (whom_init(&whom, heard)) {
        whom.emit.class = message->is_volatile ? PACKET_VOLATILE : PACKET_MESSAGE;
        whom.emit.unlogged = message->is_volatile;
        whom.emit.args = message->args;
        whom.emit.attachments = heard->attachments;
        whom.emit.attachments_len = heard->attachments_len;
        (void)room_emit(worker->channels.rooms, &whom.emit);
    }
    whom_done(&whom);
}

/* An emit that asks for acknowledgements: reports the number of asked sockets at once, and each answer as it arrives.
 */
struct inquest {
    struct adapter_reply *reply;
    size_t open;
};
struct peers_asking {
    struct inquest *inquest;
    const struct adapter_heard *heard;
    unsigned timeout_ms;
};

static void inquest_free(struct inquest *inquest) {
    adapter_reply_free(&inquest->reply);
    free(inquest);
}

static void acknowledged(void *owner, enum socket_call_status status, struct slice json,
                         const struct slice *attachments, unsigned attachments_len) {
    struct inquest *inquest = owner;
    struct json_walk walk;
    struct slice first = SLICE("null");
    if (status == SOCKET_CALL_OK) {
        json_walk_init(&walk, json);
        (void)json_walk_item(&walk, &first);
        adapter_reply_send(inquest->reply, ANSWER_ACK, first, attachments, attachments_len);
    }
    if (--inquest->open == 0) inquest_free(inquest);
}

static void ask(void *owner, struct socket *socket) {
    const struct peers_asking *asking = owner;
    const struct adapter_heard *heard = asking->heard;
    asking->inquest->open += socket_ask(socket, heard->message->args, heard->attachments, heard->attachments_len,
                                        asking->timeout_ms, acknowledged, asking->inquest);
}

static void ask_all(struct worker *worker, const struct adapter_heard *heard) {
    int64_t timeout_ms = heard->message->timeout_ms;
    struct peers_asking asking = {NEW(struct inquest), heard, ANSWER_MS};
    struct buffer count = {0};
    if (timeout_ms > 0) asking.timeout_ms = timeout_ms < ANSWER_MAX_MS ? (unsigned)timeout_ms : ANSWER_MAX_MS;
    asking.inquest->reply = adapter_reply_new(worker->fleet.adapter, heard);
    each_socket(worker, heard, ask, &asking);
    buffer_printf(&count, "%zu", asking.inquest->open);
    adapter_reply_send(asking.inquest->reply, ANSWER_COUNT, buffer_slice(&count), NULL, 0);
    if (asking.inquest->open == 0) inquest_free(asking.inquest);
    buffer_done(&count);
}

static void take_emit(struct worker *worker, const struct adapter_heard *heard) {
    if (heard->message->request_id.len > 0)
        ask_all(worker, heard);
    else
        emit(worker, heard);
}

/* Joins, leaves, disconnects. */

struct move {
    struct slice rooms[ROOMS_MAX];
    size_t len, moved;
    bool joins;
};

static void move_one(void *owner, struct socket *socket) {
    struct move *move = owner;
    move->moved++;
    for (size_t i = 0; i < move->len; i++) {
        if (!move->joins)
            socket_leave(socket, move->rooms[i]);
        else if (!socket_join(socket, move->rooms[i]))
            metric_add_labelled(METRIC_REJECTED, "adapter_join", 1);
    }
}

static void take_move(struct worker *worker, const struct adapter_heard *heard) {
    struct move move = {.joins = heard->message->kind == ADAPTER_JOIN};
    struct buffer text = {0};
    if (adapter_names(heard->message->moved, &text, move.rooms, ROOMS_MAX, &move.len))
        change_each(worker, heard, move_one, &move);
    else
        metric_add_labelled(METRIC_REJECTED, "adapter_message", 1);
    if (move.moved > 0) answer(worker, heard, ANSWER_DONE, SLICE_NONE);
    buffer_done(&text);
}

struct peers_end {
    bool closes;
    size_t ended;
};

static void end_one(void *owner, struct socket *socket) {
    struct peers_end *ending = owner;
    ending->ended++;
    if (ending->closes)
        socket_expel(socket);
    else
        socket_disconnect(socket);
}

static void take_disconnect(struct worker *worker, const struct adapter_heard *heard) {
    struct peers_end ending = {.closes = heard->message->closes};
    change_each(worker, heard, end_one, &ending);
    if (ending.ended > 0) answer(worker, heard, ANSWER_DONE, SLICE_NONE);
}

/* Queries: each gets an answer, even an empty list; otherwise the asker waits in vain. */

struct listing {
    struct worker *worker;
    struct buffer json;
};

static struct buffer *next_item(struct listing *listing) {
    buffer_append_char(&listing->json, listing->json.len > 0 ? ',' : '[');
    return &listing->json;
}

static void list_id(void *owner, struct socket *socket) {
    json_write_string(next_item(owner), socket_id(socket));
}

static void list_socket(void *owner, struct socket *socket) {
    struct listing *listing = owner;
    socketio_peer_socket_write(next_item(listing), socket, slice_of(listing->worker->config->path));
}

static void answer_listing(struct listing *listing, const struct adapter_heard *heard, enum adapter_answer kind) {
    buffer_append_str(&listing->json, listing->json.len > 0 ? "]" : "[]");
    answer(listing->worker, heard, kind, buffer_slice(&listing->json));
    buffer_done(&listing->json);
}

static void take_sockets(struct worker *worker, const struct adapter_heard *heard) {
    struct listing listing = {.worker = worker};
    each_socket(worker, heard, list_id, &listing);
    answer_listing(&listing, heard, ANSWER_SOCKET_IDS);
}

static void take_fetch(struct worker *worker, const struct adapter_heard *heard) {
    struct listing listing = {.worker = worker};
    each_socket(worker, heard, list_socket, &listing);
    answer_listing(&listing, heard, ANSWER_SOCKETS);
}

static void take_rooms(struct worker *worker, const struct adapter_heard *heard) {
    struct listing listing = {.worker = worker};
    size_t cursor = 0;
    each_socket(worker, heard, list_id, &listing); /* its own room's name */
    for (const struct room *room; (room = rooms_next(worker->channels.rooms, heard->namespace_name, &cursor));) {
        if (hub_find(worker->hub, room_name(room)) || !utf8_valid(room_name(room))) continue;
        json_write_string(next_item(&listing), room_name(room));
    }
    answer_listing(&listing, heard, ANSWER_ROOMS);
}

/* Events between servers: scripts get them after the bus has been read, and may answer. */

struct server_event {
    struct policy_call call;
    struct worker *worker;
    struct adapter_reply *reply; /* NULL: no answer is wanted */
    struct loop_task tell;
    char *text; /* what the call is about */
    struct slice attachments[];
};

static void server_event_done(struct policy_call *call, const struct policy_answer *answer) {
    struct server_event *event = CONTAINER(call, struct server_event, call);
    bool is_answered = answer->status == POLICY_OK;
    if (event->reply)
        adapter_reply_send(event->reply, ANSWER_EVENT, is_answered ? answer->json : SLICE("null"), answer->attachments,
                           is_answered ? answer->attachments_len : 0);
    adapter_reply_free(&event->reply);
    free(event->text);
    free(event);
}

static void server_event_tell(struct loop_task *task) {
    struct server_event *event = CONTAINER(task, struct server_event, tell);
    struct policy *policy = event->worker->scripts.policy;
    if (policy)
        policy_ask(policy, &event->call);
    else /* the worker ends */
        server_event_done(&event->call, &(struct policy_answer){.status = POLICY_UNAVAILABLE});
}

/* For the log: as it is written, without the quotes. */
static struct slice event_name(struct slice args) {
    struct json_walk walk;
    struct slice name = SLICE_NONE;
    json_walk_init(&walk, args);
    if (!json_walk_item(&walk, &name) || json_type_of(name) != JSON_STRING) return SLICE_NONE;
    return (struct slice){name.ptr + 1, name.len - 2};
}

/* The part of the text that was appended last. */
static struct slice append_part(struct buffer *text, struct slice part) {
    buffer_append_slice(text, part);
    return (struct slice){text->ptr + text->len - part.len, part.len};
}

static void take_server_event(struct worker *worker, const struct adapter_heard *heard) {
    struct server_event *event = memory_new(sizeof *event + heard->attachments_len * sizeof *heard->attachments);
    struct buffer text = {0};
    size_t len = heard->namespace_name.len + heard->message->args.len;
    for (unsigned i = 0; i < heard->attachments_len; i++) len += heard->attachments[i].len;
    buffer_reserve(&text, len); /* so that what was appended stays where it is */
    event->worker = worker;
    event->reply = adapter_reply_new(worker->fleet.adapter, heard);
    event->call = (struct policy_call){.point = POLICY_SERVER_EVENT,
                                       .namespace_name = append_part(&text, heard->namespace_name),
                                       .json = append_part(&text, heard->message->args),
                                       .attachments = event->attachments,
                                       .attachments_len = heard->attachments_len,
                                       .done = server_event_done};
    event->call.name = event_name(event->call.json);
    for (unsigned i = 0; i < heard->attachments_len; i++)
        event->attachments[i] = append_part(&text, heard->attachments[i]);
    event->text = text.ptr;
    loop_task_init(&event->tell, server_event_tell);
    loop_post(worker->loop, &event->tell);
}

static void (*const takers[])(struct worker *, const struct adapter_heard *) = {
    [ADAPTER_EMIT] = take_emit,   [ADAPTER_SOCKETS] = take_sockets,
    [ADAPTER_ROOMS] = take_rooms, [ADAPTER_JOIN] = take_move,
    [ADAPTER_LEAVE] = take_move,  [ADAPTER_DISCONNECT] = take_disconnect,
    [ADAPTER_FETCH] = take_fetch, [ADAPTER_SERVER_EVENT] = take_server_event,
};

/* An ending worker ignores messages. */
static void heard_message(void *owner, const struct adapter_heard *heard) {
    struct worker *worker = owner;
    if (worker->hub) takers[heard->message->kind](worker, heard);
}

const struct adapter_events socketio_peers_events = {.heard = heard_message};
