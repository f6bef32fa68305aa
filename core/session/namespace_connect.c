/* SPDX-License-Identifier: Apache-2.0 */
#include "session/namespace_connect.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/ids.h"
#include "base/metrics.h"
#include "session/dispatch.h"
#include "session/flood.h"
#include "session/recovery.h"
#include "session/seating.h"
#include "session/session_internal.h"
#include "session/transfer_taker.h"
#include "wire/json.h"
#include "wire/json_client.h"
#include "wire/user_id.h"

/* A CONNECT that is being answered: authenticate, recover an earlier socket, ask the policy, answer. */
struct connecting {
    struct socket *socket; /* NULL: abandoned */
    struct policy_question authenticate, admit;
    struct loop_task next, reap;
    char *auth;           /* the client's auth; NULL: none */
    char *pid, *offset;   /* the socket that the client wants to continue; NULL: none */
    uint64_t replay_from; /* of a recovered socket */
    struct transfer_taker_call transfer;
};

static void connect_admit(struct connecting *connecting);
static void connect_next(struct connecting *connecting);

static void connecting_free(struct connecting *connecting) {
    loop_task_cancel(&connecting->next);
    free(connecting->auth);
    free(connecting->pid);
    free(connecting->offset);
    free(connecting);
}

static void reap_run(struct loop_task *task) {
    connecting_free(CONTAINER(task, struct connecting, reap));
}

/* However the CONNECT ends, arrivals that waited for it continue. */
static void connect_end(struct connecting *connecting) {
    struct socket *socket = connecting->socket;
    struct hub *hub = socket->hub;
    if (socket->session) dispatch_wake(socket->session);
    socket->connecting = NULL;
    connecting->socket = NULL;
    loop_task_cancel(&connecting->next);
    loop_reap(hub->loop, &connecting->reap);
}

struct slice namespace_connect_auth(const struct connecting *connecting) {
    return connecting->auth ? slice_of(connecting->auth) : SLICE("{}");
}

void namespace_connect_abandon(struct connecting **connecting_r) {
    struct connecting *connecting = *connecting_r;
    if (!connecting) return;
    policy_question_forget(&connecting->authenticate);
    policy_question_forget(&connecting->admit);
    transfer_taker_forget(&connecting->transfer);
    connect_end(connecting);
}

/* Refusals. */

static void send_refusal(struct session *session, struct slice namespace_name, struct slice json) {
    struct socketio_packet parts = {.type = SOCKETIO_CONNECT_ERROR, .namespace_name = namespace_name, .json = json};
    struct packet *packet = packet_new(&parts, NULL, SLICE_NONE, PACKET_CONTROL);
    session_push(session, packet);
    packet_unref(&packet);
}

/* {"message":…,"data":…?} as an error of the plain protocol, with all that a CONNECT_ERROR tells (when to come back,
 * why a token is refused). */
static void write_plain_error(struct slice json, struct buffer *out) {
    struct slice data = json_member(json, "data"), code = json_member(data, "code"), name, value;
    struct slice message = json_member(json, "message");
    buffer_append_str(out, "{\"code\":");
    buffer_append_slice(out, code.len > 0 ? code : SLICE("\"unauthorized\""));
    buffer_append_str(out, ",\"message\":");
    buffer_append_slice(out, message.len > 0 ? message : SLICE("\"refused\""));
    if (data.len > 0 && json_type_of(data) == JSON_OBJECT) {
        struct json_walk walk;
        json_walk_init(&walk, data);
        while (json_walk_member(&walk, &name, &value)) {
            if (json_string_is(name, SLICE("code")) || json_string_is(name, SLICE("message"))) continue;
            buffer_append_char(out, ',');
            buffer_append_slice(out, name);
            buffer_append_char(out, ':');
            buffer_append_slice(out, value);
        }
    }
    buffer_append_char(out, '}');
}

static void send_plain_refusal(struct session *session, struct slice json) {
    struct buffer error = {0}, text = {0};
    write_plain_error(json, &error);
    json_client_write_refused(&text, buffer_slice(&error));
    struct packet *packet = packet_new_plain(buffer_slice(&text));
    session_push(session, packet);
    packet_unref(&packet);
    buffer_done(&text);
    buffer_done(&error);
}

static void connect_refuse(struct connecting *connecting, const struct policy_answer *answer) {
    struct socket *socket = connecting->socket;
    struct session *session = socket->session;
    struct slice json = answer->json;
    if (answer->status == POLICY_UNAVAILABLE || answer->status == POLICY_UNKNOWN) {
        json = SLICE("{\"message\":\"unavailable\",\"data\":{\"code\":\"unavailable\",\"retryAfter\":1}}");
    } else if (answer->status == POLICY_TOO_LARGE) {
        json = SLICE("{\"message\":\"too_large\",\"data\":{\"code\":\"too_large\"}}");
    } else if (answer->status != POLICY_REFUSED || json.len == 0 || json_type_of(json) != JSON_OBJECT) {
        json = SLICE("{\"message\":\"script_error\",\"data\":{\"code\":\"script_error\"}}");
    }
    bool is_clients_fault = answer->status == POLICY_REFUSED || answer->status == POLICY_TOO_LARGE;
    metric_add_labelled(METRIC_REJECTED, "connect", 1);
    if (session->kind == SESSION_PLAIN)
        send_plain_refusal(session, json);
    else
        send_refusal(session, slice_of(socket->namespace_name), json);
    connect_end(connecting);
    socket_part(socket, "refused", false);
    if (session->kind == SESSION_PLAIN)
        session_close(session, CLOSE_REFUSED);
    else if (is_clients_fault)
        flood_violation(session);
}

static void connect_script_error(struct connecting *connecting) {
    connect_refuse(connecting, &(struct policy_answer){.status = POLICY_SCRIPT_ERROR});
}

/* The answer. */

static void send_connected(struct socket *socket) {
    struct buffer text = {0};
    struct packet *packet;
    if (socket->session->kind == SESSION_PLAIN) {
        json_client_write_connected(&text, slice_of(socket->id));
        packet = packet_new_plain(buffer_slice(&text));
    } else {
        buffer_printf(&text, "{\"sid\":\"%s\"", socket->id);
        if (socket->record.pid) buffer_printf(&text, ",\"pid\":\"%s\"", socket->record.pid);
        buffer_append_char(&text, '}');
        struct socketio_packet parts = {
            .type = SOCKETIO_CONNECT, .namespace_name = slice_of(socket->namespace_name), .json = buffer_slice(&text)};
        packet = packet_new(&parts, NULL, SLICE_NONE, PACKET_CONTROL);
    }
    session_push(socket->session, packet);
    packet_unref(&packet);
    buffer_done(&text);
}

/* The log lost events to replay while scripts were asked: the client gets a new socket. */
static void start_over(struct connecting *connecting) {
    struct socket *old = connecting->socket;
    struct socket *fresh = socket_new(old->session, slice_of(old->namespace_name));
    socket_set_user(fresh, slice_of(old->user.of->id), slice_of(old->user.json));
    fresh->guest = old->guest;
    socket_want_recovery(fresh);
    old->connecting = NULL;
    fresh->connecting = connecting;
    connecting->socket = fresh;
    recovery_drop(old);
    socket_part(old, "transport close", false);
    metric_add_labelled(METRIC_RECOVERED, "trimmed", 1);
    connect_next(connecting);
}

static void connect_finish(struct connecting *connecting) {
    struct socket *socket = connecting->socket;
    struct session *session = socket->session;
    socket->script.announced = true;
    if (socket->recovered && !recovery_replay(socket, connecting->replay_from)) {
        start_over(connecting);
        return;
    }
    if (socket->recovered) metric_add_labelled(METRIC_RECOVERED, "ok", 1);
    recovery_offer(socket);
    connect_end(connecting);
    send_connected(socket);
    socket_release(socket);
    session_deadline_clear(session, DEADLINE_CONNECT);
    seating_let_in(session, true);
}

/* The steps before. */

static void admit_answered(struct policy_call *call, const struct policy_answer *answer) {
    struct connecting *connecting = CONTAINER(call, struct connecting, admit.call);
    connecting->admit.policy = NULL;
    if (!connecting->socket) return;
    bool welcome = answer->status == POLICY_OK || answer->status == POLICY_NO_HANDLER;
    if (welcome)
        connect_finish(connecting);
    else
        connect_refuse(connecting, answer);
}

static struct recovery_claim claim_of(const struct connecting *connecting) {
    const struct socket *fresh = connecting->socket;
    return (struct recovery_claim){
        .pid = slice_of(connecting->pid),
        .offset = slice_of(connecting->offset),
        .namespace_name = slice_of(fresh->namespace_name),
        .user_id = slice_of(fresh->user.of->id),
        .guest = fresh->guest,
    };
}

static void forget_claim(struct connecting *connecting) {
    free(connecting->pid);
    connecting->pid = NULL;
}

static void transferred(struct transfer_taker_call *call, bool is_moved, uint64_t offset) {
    struct connecting *connecting = CONTAINER(call, struct connecting, transfer);
    connecting->replay_from = offset;
    if (is_moved)
        recovery_moved(connecting->socket, connecting->pid, offset);
    else
        metric_add_labelled(METRIC_RECOVERED, "elsewhere", 1);
    forget_claim(connecting);
    connect_next(connecting);
}

/* False: no other worker has the socket. */
static bool connect_transfer(struct connecting *connecting) {
    struct recovery_claim claim = claim_of(connecting);
    connecting->transfer.done = transferred;
    return transfer_taker_begin(&connecting->transfer, connecting->socket, &claim);
}

/* The client's earlier socket takes the place of the new one. */
static void connect_recover(struct connecting *connecting) {
    struct socket *fresh = connecting->socket, *old;
    struct recovery_claim claim = claim_of(connecting);
    old = recovery_take(fresh->hub, &claim, &connecting->replay_from);
    forget_claim(connecting);
    if (!old) return;
    if (!old->guest) socket_set_user(old, slice_of(fresh->user.of->id), slice_of(fresh->user.json));
    struct session *session = fresh->session;
    fresh->connecting = NULL;
    socket_part(fresh, "recovered", false);
    socket_attach(old, session);
    old->recovered = true;
    old->connecting = connecting;
    connecting->socket = old;
}

/* Scripts are told of ended sockets before they are asked about new ones. */
static void connect_next(struct connecting *connecting) {
    loop_post(connecting->socket->hub->loop, &connecting->next);
}

static void next_run(struct loop_task *task) {
    struct connecting *connecting = CONTAINER(task, struct connecting, next);
    if (!connecting->pid) {
        connect_admit(connecting);
    } else if (!connect_transfer(connecting)) {
        connect_recover(connecting);
        connect_next(connecting);
    }
}

static void connect_admit(struct connecting *connecting) {
    struct socket *socket = connecting->socket;
    struct hub *hub = socket->hub;
    if (!socket->recovered) {
        socket_join_namespace(socket);
        socket->record.known_offset = rooms_offset(hub->rooms);
    }
    if (!hub_policy_handles(hub, POLICY_CONNECT, slice_of(socket->namespace_name))) {
        connect_finish(connecting);
        return;
    }
    struct policy_call *call = &connecting->admit.call;
    *call = (struct policy_call){.point = POLICY_CONNECT,
                                 .namespace_name = slice_of(socket->namespace_name),
                                 .socket_id = slice_of(socket->id),
                                 .done = admit_answered};
    policy_question_ask(&connecting->admit, hub->policy);
}

/* False: what authenticate returned is no user. */
static bool take_user(struct socket *socket, struct slice json) {
    if (json.len == 0 || json_type_of(json) != JSON_OBJECT) return false;
    struct slice id = json_member(json, "id");
    if (id.len == 0 || json_type_of(id) != JSON_STRING) return false;
    struct buffer text = {0};
    json_string(id, &text);
    bool valid = user_id_valid(buffer_slice(&text));
    if (valid) socket_set_user(socket, buffer_slice(&text), json);
    buffer_done(&text);
    return valid;
}

static void authenticate_answered(struct policy_call *call, const struct policy_answer *answer) {
    struct connecting *connecting = CONTAINER(call, struct connecting, authenticate.call);
    connecting->authenticate.policy = NULL;
    if (!connecting->socket) return;
    if (answer->status != POLICY_OK)
        connect_refuse(connecting, answer);
    else if (!take_user(connecting->socket, answer->json))
        connect_script_error(connecting);
    else
        connect_next(connecting);
}

static void connect_as_guest(struct connecting *connecting) {
    char id[32] = "guest-", json[64];
    id_random(id + 6, 12);
    snprintf(json, sizeof json, "{\"id\":\"%s\"}", id);
    socket_set_user(connecting->socket, slice_of(id), slice_of(json));
    connecting->socket->guest = true;
    connect_next(connecting);
}

static void connect_authenticate(struct connecting *connecting) {
    struct socket *socket = connecting->socket;
    if (!hub_policy_handles(socket->hub, POLICY_AUTHENTICATE, slice_of(socket->namespace_name))) {
        connect_as_guest(connecting);
        return;
    }
    struct policy_call *call = &connecting->authenticate.call;
    *call = (struct policy_call){.point = POLICY_AUTHENTICATE,
                                 .namespace_name = slice_of(socket->namespace_name),
                                 .socket_id = slice_of(socket->id),
                                 .json = socket_handshake(socket),
                                 .done = authenticate_answered};
    policy_question_ask(&connecting->authenticate, socket->hub->policy);
}

static char *text_member(struct slice object, const char *name) {
    struct slice value = json_member(object, name);
    if (value.len == 0 || json_type_of(value) != JSON_STRING) return NULL;
    struct buffer text = {0};
    size_t len;
    json_string(value, &text);
    buffer_append(&text, "", 0);
    return buffer_take(&text, &len);
}

/* object: the handshake's auth or query. */
static bool asks_recovery(struct slice object) {
    static const char *const yes[] = {"true", "1", "\"true\"", "\"1\""};
    struct slice said = json_member(object, "recovery");
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++)
        if (slice_is(said, yes[i])) return true;
    return false;
}

static bool wants_recovery(const struct socket *socket) {
    const struct hub_settings *settings = &socket->hub->settings;
    if (socket->session->kind != SESSION_SOCKETIO || !settings->recovery.window_ms) return false;
    if (settings->recovery.offer != RECOVERY_ASKED) return settings->recovery.offer == RECOVERY_ALL;
    struct slice handshake = socket_handshake(socket);
    return asks_recovery(json_member(handshake, "auth")) || asks_recovery(json_member(handshake, "query"));
}

void namespace_connect_begin(struct session *session, struct socket *none, const struct arrival *arrival) {
    struct hub *hub = session->hub;
    if (!hub_has_namespace(hub, arrival->namespace_name)) {
        metric_add_labelled(METRIC_REJECTED, "namespace", 1);
        send_refusal(session, arrival->namespace_name, SLICE("{\"message\":\"Invalid namespace\"}"));
        return;
    }
    if (session->sockets_len >= hub->settings.namespaces_max) {
        metric_add_labelled(METRIC_REJECTED, "namespaces_max", 1);
        send_refusal(session, arrival->namespace_name, SLICE("{\"message\":\"Too many namespaces\"}"));
        return;
    }
    struct connecting *connecting = NEW(struct connecting);
    loop_task_init(&connecting->next, next_run);
    loop_task_init(&connecting->reap, reap_run);
    if (arrival->json.len > 0) connecting->auth = memory_copy(arrival->json.ptr, arrival->json.len);
    struct slice auth = namespace_connect_auth(connecting);
    connecting->socket = socket_new(session, arrival->namespace_name);
    connecting->socket->connecting = connecting;
    if (wants_recovery(connecting->socket)) {
        socket_want_recovery(connecting->socket);
        connecting->pid = text_member(auth, "pid");
        connecting->offset = text_member(auth, "offset");
    }
    connect_authenticate(connecting);
}
