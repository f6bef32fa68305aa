/* SPDX-License-Identifier: Apache-2.0 */
#include "session/hub.h"

#include <stdlib.h>

#include "base/ids.h"
#include "session/dispatch.h"
#include "session/parting.h"
#include "session/recovery.h"
#include "session/session_internal.h"
#include "wire/websocket_writer.h"

static void name_list_set(struct name_list *list, const char *const *names, size_t len) {
    for (size_t i = 0; i < list->len; i++) free(list->names[i]);
    free(list->names);
    list->names = len ? NEW_ARRAY(char *, len) : NULL;
    list->len = len;
    for (size_t i = 0; i < len; i++) list->names[i] = memory_copy(names[i], strlen(names[i]));
}

/* End of a turn: frees what has ended. */

static void reap_run(struct loop_task *task) {
    struct hub *hub = CONTAINER(task, struct hub, endings.reap);
    struct list *link;
    while ((link = list_pop(&hub->endings.dead_sockets))) socket_free(CONTAINER(link, struct socket, link));
    while ((link = list_pop(&hub->endings.dead_sessions))) session_free(CONTAINER(link, struct session, sockets));
}

void hub_bury_session(struct session *session) {
    list_append(&session->hub->endings.dead_sessions, &session->sockets); /* its list of sockets is empty by now */
    loop_reap(session->hub->loop, &session->hub->endings.reap);
}

void hub_bury_socket(struct socket *socket) {
    list_remove(&socket->user.link);
    socket->script.has_ended = true;
    if (socket->script.partings > 0) return;
    list_append(&socket->hub->endings.dead_sockets, &socket->link);
    loop_reap(socket->hub->loop, &socket->hub->endings.reap);
}

/* The hub. */

static struct packet *engine_packet(const char *text) {
    return packet_new_engine(slice_of(text));
}

struct hub *hub_new(struct loop *loop, struct rooms *rooms, const struct hub_settings *settings) {
    struct hub *hub = NEW(struct hub);
    hub->loop = loop;
    hub->rooms = rooms;
    hub->own_rooms.member = socket_is_implied;
    rooms_set_implied(rooms, &hub->own_rooms);
    hub->sessions = map_new();
    hub->backlogs = map_new();
    hub->sockets = map_new();
    hub->users = map_new();
    hub->records.by_pid = map_new();
    list_init(&hub->records.sockets);
    loop_timer_init(&hub->records.timer, loop, recovery_expired);
    flush_init(&hub->flush, loop);
    list_init(&hub->endings.dead_sessions);
    list_init(&hub->endings.dead_sockets);
    list_init(&hub->endings.partings);
    loop_task_init(&hub->endings.reap, reap_run);
    id_random(hub->node, ID_OWNER_LEN);
    hub->shared.ping = engine_packet("2");
    hub->shared.probe_pong = engine_packet("3probe");
    hub->shared.noop = engine_packet("6");
    hub->shared.close = engine_packet("1");
    websocket_writer_write(&hub->shared.plain_ping, FRAME_PING, false, SLICE("stoa"));
    hub_set(hub, settings);
    return hub;
}

void hub_set(struct hub *hub, const struct hub_settings *settings) {
    hub->settings = *settings;
    flush_set(&hub->flush, &settings->window);
    free(hub->http.path);
    free(hub->http.plain_path);
    hub->http.path = memory_copy(settings->path, strlen(settings->path));
    hub->http.plain_path = memory_copy(settings->plain_path, strlen(settings->plain_path));
    name_list_set(&hub->http.origins, settings->origins, settings->origins_len);
    hub->settings.path = hub->http.path;
    hub->settings.plain_path = hub->http.plain_path;
    hub->settings.origins = NULL; /* hub->http.origins */
}

void hub_set_presence(struct hub *hub, struct presence *presence) {
    hub->presence = presence;
}

void hub_name_sessions(struct hub *hub, const char name[ID_OWNER_LEN]) {
    memcpy(hub->node, name, ID_OWNER_LEN);
}

void hub_set_policy(struct hub *hub, struct policy *policy) {
    hub->policy = policy;
}

void hub_set_endpoints(struct hub *hub, const struct hub_endpoint *endpoints, size_t len) {
    size_t cursor = 0;
    struct session *session;
    script_endpoints_set(&hub->http.endpoints, endpoints, len);
    while ((session = map_next(hub->sessions, &cursor))) {
        const char *path = session->handshake->endpoint_path;
        if (path && !script_endpoints_find(&hub->http.endpoints, path, session->kind == SESSION_RAW))
            session_close(session, CLOSE_ENDPOINT_GONE);
    }
}

void hub_set_namespaces(struct hub *hub, const char *const *names, size_t len) {
    name_list_set(&hub->namespaces, names, len);
}

static void free_transports(struct hub *hub) {
    size_t cursor = 0;
    struct session *session;
    while ((session = map_next(hub->sessions, &cursor))) {
        session_close(session, CLOSE_SHUTTING_DOWN);
        struct transport *transport = session->transport;
        session->transport = NULL;
        if (transport) {
            transport->session = NULL;
            transport->ops->close(transport, 1001, SLICE_NONE);
        }
        if (session->state == SESSION_GONE) continue; /* buried already */
        session->state = SESSION_GONE;
        loop_timer_cancel(&session->timing.timer);
        hub_bury_session(session);
    }
}

void hub_free(struct hub **hub_r) {
    struct hub *hub = *hub_r;
    if (!hub) return;
    hub->policy = NULL;
    free_transports(hub);
    recovery_drop_all(hub);
    rooms_set_implied(hub->rooms, NULL);
    partings_forget(hub);
    loop_timer_cancel(&hub->records.timer);
    flush_done(&hub->flush);
    loop_task_cancel(&hub->endings.reap);
    reap_run(&hub->endings.reap);
    struct packet **shared[] = {&hub->shared.ping, &hub->shared.probe_pong, &hub->shared.noop, &hub->shared.close};
    for (size_t i = 0; i < sizeof shared / sizeof *shared; i++) packet_unref(shared[i]);
    struct buffer *buffers[] = {&hub->shared.plain_ping, &hub->scratch.text, &hub->scratch.name,
                                &hub->scratch.handshake};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++) buffer_done(buffers[i]);
    gathering_done(&hub->scratch.gathering);
    struct name_list *lists[] = {&hub->http.origins, &hub->namespaces};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) name_list_set(lists[i], NULL, 0);
    script_endpoints_set(&hub->http.endpoints, NULL, 0);
    map_free(&hub->sessions);
    map_free(&hub->backlogs);
    map_free(&hub->sockets);
    map_free(&hub->users);
    map_free(&hub->records.by_pid);
    free(hub->http.path);
    free(hub->http.plain_path);
    free(hub);
    *hub_r = NULL;
}

bool hub_has_namespace(const struct hub *hub, struct slice name) {
    if (slice_is(name, "/")) return true;
    for (size_t i = 0; i < hub->namespaces.len; i++) {
        if (slice_is(name, hub->namespaces.names[i])) return true;
    }
    return false;
}

bool hub_policy_handles(const struct hub *hub, enum policy_point point, struct slice namespace_name) {
    if (!hub->policy) return point == POLICY_AUTHENTICATE || point == POLICY_CONNECT; /* admits nobody */
    return hub->policy->ops->handles(hub->policy, point, namespace_name, SLICE_NONE);
}

/* Users. */

void hub_set_user_events(struct hub *hub, const struct hub_user_events *events, void *owner) {
    hub->user_events = events;
    hub->user_events_owner = owner;
}

struct hub_user *hub_user(struct hub *hub, struct slice id) {
    struct hub_user *user = map_find(hub->users, id);
    if (!user) {
        user = memory_new(sizeof *user + id.len + 1);
        memcpy(user->id, id.ptr, id.len);
        list_init(&user->sockets);
        map_put(hub->users, slice_of(user->id), user);
        if (hub->user_events) hub->user_events->came(hub->user_events_owner, id);
    }
    user->refs++;
    return user;
}

void hub_unref_user(struct hub *hub, struct hub_user **user_r) {
    struct hub_user *user = *user_r;
    *user_r = NULL;
    if (--user->refs > 0) return;
    if (hub->user_events) hub->user_events->went(hub->user_events_owner, slice_of(user->id));
    map_remove(hub->users, slice_of(user->id));
    free(user);
}

static void gather_reached(struct hub *hub, const struct room_emit *emit, struct buffer *sockets) {
    struct buffer receivers = {0};
    room_gather(hub->rooms, emit, &receivers);
    for (size_t at = 0; at < receivers.len; at += sizeof(struct receiver *)) {
        struct receiver *receiver;
        memcpy(&receiver, receivers.ptr + at, sizeof receiver);
        struct socket *socket = socket_receiving(receiver);
        if (socket) buffer_append(sockets, (const char *)&socket, sizeof socket);
    }
    buffer_done(&receivers);
}

static bool is_one_of(struct slice name, const struct slice *names, size_t len) {
    for (size_t i = 0; i < len; i++)
        if (slice_equal(name, names[i])) return true;
    return false;
}

static bool is_meant_while_away(const struct socket *socket, const struct room_emit *emit) {
    struct slice rooms = record_rooms(&socket->record), name;
    uint64_t since;
    bool is_meant = emit->to_len == 0;
    if (!slice_is(emit->namespace_name, socket->namespace_name)) return false;
    while (record_next_room(&rooms, &name, &since)) {
        if (is_one_of(name, emit->except, emit->except_len)) return false;
        is_meant = is_meant || is_one_of(name, emit->to, emit->to_len);
    }
    return is_meant;
}

static void gather_away(struct hub *hub, const struct room_emit *emit, struct buffer *sockets) {
    LIST_EACH(&hub->records.sockets, link) {
        struct socket *socket = CONTAINER(link, struct socket, link);
        if (is_meant_while_away(socket, emit)) buffer_append(sockets, (const char *)&socket, sizeof socket);
    }
}

/* fn may end any of them. */
static void each_gathered(struct buffer *sockets, bool is_connected, void (*fn)(void *owner, struct socket *socket),
                          void *owner) {
    for (size_t at = 0; at < sockets->len; at += sizeof(struct socket *)) {
        struct socket *socket;
        memcpy(&socket, sockets->ptr + at, sizeof socket);
        if (is_connected ? socket->session != NULL : !socket->script.has_ended) fn(owner, socket);
    }
    buffer_done(sockets);
}

void hub_each_of_user(struct hub *hub, struct slice user_id, void (*fn)(void *owner, struct socket *socket),
                      void *owner) {
    struct hub_user *user = map_find(hub->users, user_id);
    struct buffer sockets = {0};
    if (!user) return;
    LIST_EACH(&user->sockets, link) {
        struct socket *socket = CONTAINER(link, struct socket, user.link);
        buffer_append(&sockets, (const char *)&socket, sizeof socket);
    }
    each_gathered(&sockets, false, fn, owner);
}

void hub_each_reached(struct hub *hub, const struct room_emit *emit, void (*fn)(void *owner, struct socket *socket),
                      void *owner) {
    struct buffer sockets = {0};
    gather_reached(hub, emit, &sockets);
    each_gathered(&sockets, true, fn, owner);
}

void hub_each_meant(struct hub *hub, const struct room_emit *emit, void (*fn)(void *owner, struct socket *socket),
                    void *owner) {
    struct buffer sockets = {0};
    gather_reached(hub, emit, &sockets);
    gather_away(hub, emit, &sockets);
    each_gathered(&sockets, false, fn, owner);
}

/* Counts only the first socket that a user has in each session. */
static bool stands_for_session(const struct socket *socket) {
    if (!socket->session) return false;
    LIST_EACH(&socket->session->sockets, link) {
        struct socket *other = CONTAINER(link, struct socket, link);
        if (other->user.of == socket->user.of) return other == socket;
    }
    return false;
}

size_t hub_user_sessions(struct hub *hub, struct slice user_id) {
    struct hub_user *user = map_find(hub->users, user_id);
    size_t n = 0;
    if (!user) return 0;
    LIST_EACH(&user->sockets, link) n += stands_for_session(CONTAINER(link, struct socket, user.link));
    return n;
}

/* All. */

void hub_close_all(struct hub *hub, enum close_reason reason) {
    size_t cursor = 0;
    struct session *session;
    while ((session = map_next(hub->sessions, &cursor))) session_close(session, reason);
}

struct socket *hub_find_connected(struct hub *hub, struct slice socket_id) {
    struct socket *socket = hub_find(hub, socket_id);
    return socket && socket->session ? socket : NULL;
}

struct socket *hub_find(struct hub *hub, struct slice socket_id) {
    return map_find(hub->sockets, socket_id);
}

size_t hub_sessions(const struct hub *hub) {
    return hub->sessions_open;
}

size_t hub_queued_bytes(const struct hub *hub) {
    size_t cursor = 0, bytes = 0;
    const struct session *session;
    while ((session = map_next(hub->sessions, &cursor))) bytes += session->outbox.queue.bytes;
    return bytes;
}

size_t hub_events_waiting(const struct hub *hub) {
    size_t cursor = 0, events = 0;
    const struct session *session;
    while ((session = map_next(hub->sessions, &cursor))) events += dispatch_waiting(session);
    return events;
}

void hub_broadcast(struct hub *hub, struct slice args) {
    struct room_emit emit = {.namespace_name = SLICE("/"), .class = PACKET_MESSAGE, .args = args};
    room_emit(hub->rooms, &emit);
    for (size_t i = 0; i < hub->namespaces.len; i++) {
        emit.namespace_name = slice_of(hub->namespaces.names[i]);
        room_emit(hub->rooms, &emit);
    }
}
