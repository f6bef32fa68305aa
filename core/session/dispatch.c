/* SPDX-License-Identifier: Apache-2.0 */
/* The central path of the server: a client's arrival, the checks, the question to the policy, the effects. */
#include "session/dispatch.h"

#include <stdlib.h>

#include "base/metrics.h"
#include "session/flood.h"
#include "session/namespace_connect.h"
#include "session/script_connection.h"
#include "session/seating.h"
#include "session/session_internal.h"
#include "wire/json.h"
#include "wire/utf8.h"
#include "wire/websocket_reader.h"

typedef void effect(struct session *session, struct socket *socket, const struct arrival *arrival);
static effect leave_namespace, ask_event, ask_open, ask_message, hear_acknowledgement, refuse_packet;

/* Must the sender be in the namespace that it names? If not met, the session ends with "invalid state". */
enum dispatch_order { ANYWHERE, OUTSIDE, INSIDE };

/* One row for each kind of arrival. waits: only after the current event has been answered. */
static const struct rule {
    enum dispatch_order place;
    bool waits;
    effect *effect;
} rules[] = {
    [ARRIVAL_CONNECT] = {OUTSIDE, false,
                         namespace_connect_begin}, /* → authenticate → recover? → connect → CONNECT reply */
    [ARRIVAL_DISCONNECT] = {INSIDE, true, leave_namespace},     /* → disconnect */
    [ARRIVAL_EVENT] = {INSIDE, true, ask_event},                /* → the event's handler → acknowledgement */
    [ARRIVAL_ACK] = {INSIDE, false, hear_acknowledgement},      /* → the asker */
    [ARRIVAL_CONNECT_ERROR] = {ANYWHERE, false, refuse_packet}, /* only servers may send it */
    [ARRIVAL_OPEN] = {ANYWHERE, true, ask_open},                /* → the endpoint's open → it stays, or is closed */
    [ARRIVAL_MESSAGE] = {ANYWHERE, true, ask_message},          /* → the endpoint's message */
};

/* What a client gets when its event has no regular answer. */
static const struct refusal {
    const char *code, *message;
} refusals[] = {
    [POLICY_REFUSED] = {"forbidden", "refused"},
    [POLICY_NO_HANDLER] = {"unknown_event", "no handler for this event"},
    [POLICY_SCRIPT_ERROR] = {"script_error", "the handler failed"},
    [POLICY_TOO_LARGE] = {"too_large", "the event has too many values"},
    [POLICY_UNAVAILABLE] = {"unavailable", "the server cannot do this now"},
    [POLICY_UNKNOWN] = {"unknown", "the server does not know whether this was done"},
};

enum { REFUSAL_MAX = 1024 };

/* The current event: one a session, freed with its answer. An idle session has none. */
struct client_event {
    struct policy_question question;
    struct session *session;
    struct socket *socket; /* NULL: it is gone */
    bool has_id;
    uint64_t id;
};

/* Order. */

static bool answering(const struct session *session) {
    return session->dispatch.event != NULL;
}

static bool must_wait(struct session *session, const struct arrival *arrival, bool first) {
    const struct rule *rule = &rules[arrival->kind];
    struct socket *socket = session_socket(session, arrival->namespace_name);
    if (socket && socket->connecting) return true;
    if (arrival->kind == ARRIVAL_ACK) return false;
    return (rule->waits && answering(session)) || (!first && session->dispatch.inbox.len > 0);
}

static void dispatch_now(struct session *session, const struct arrival *arrival) {
    const struct rule *rule = &rules[arrival->kind];
    struct socket *socket = session_socket(session, arrival->namespace_name);
    bool misplaced = (rule->place == OUTSIDE && socket) || (rule->place == INSIDE && !socket);
    if (misplaced)
        session_reject(session, CLOSE_INVALID_STATE);
    else
        rule->effect(session, socket, arrival);
}

void dispatch(struct session *session, const struct arrival *arrival) {
    if (!must_wait(session, arrival, false)) {
        dispatch_now(session, arrival);
        return;
    }
    inbox_push(&session->dispatch.inbox, arrival);
    if (session->dispatch.inbox.bytes > session->hub->settings.inbox_bytes) session_pause(session, PAUSED_INBOX, true);
}

void dispatch_pump(struct session *session) {
    struct inbox_item *item;
    while (session->state == SESSION_OPEN && (item = inbox_first(&session->dispatch.inbox))) {
        if (must_wait(session, &item->arrival, true)) break;
        if (loop_overdue(session->hub->loop)) { /* other sessions are waiting */
            dispatch_wake(session);
            break;
        }
        item = inbox_pop(&session->dispatch.inbox);
        dispatch_now(session, &item->arrival);
        free(item);
    }
    if (session->state == SESSION_OPEN && session->dispatch.inbox.bytes <= session->hub->settings.inbox_bytes / 2) {
        session_pause(session, PAUSED_INBOX, false);
    }
}

void dispatch_wake(struct session *session) {
    if (session->state == SESSION_OPEN && session->dispatch.inbox.len > 0)
        loop_post(session->hub->loop, &session->dispatch.pump);
}

void dispatch_drop(struct session *session, struct slice namespace_name) {
    inbox_drop(&session->dispatch.inbox, namespace_name);
    dispatch_wake(session);
}

size_t dispatch_waiting(const struct session *session) {
    return session->dispatch.inbox.len + (answering(session) ? 1 : 0);
}

void dispatch_forget(struct session *session) {
    if (!answering(session)) return;
    policy_question_forget(&session->dispatch.event->question);
    free(session->dispatch.event);
    session->dispatch.event = NULL;
}

void dispatch_forget_socket(struct session *session, const struct socket *socket) {
    if (dispatch_answering(session, socket)) session->dispatch.event->socket = NULL;
}

bool dispatch_answering(const struct session *session, const struct socket *socket) {
    return answering(session) && session->dispatch.event->socket == socket;
}

/* Answers. */

static void write_refusal(struct buffer *out, const struct refusal *refusal, enum policy_status status,
                          struct slice json) {
    struct slice message = status == POLICY_REFUSED ? json_member(json, "message") : SLICE_NONE;
    buffer_printf(out, "[{\"ok\":false,\"error\":{\"code\":\"%s\",\"message\":", refusal->code);
    if (message.len > 0)
        buffer_append_slice(out, message);
    else
        json_write_string(out, slice_of(refusal->message));
    if (status == POLICY_UNAVAILABLE) buffer_append_str(out, ",\"retryAfter\":1");
    buffer_append_str(out, "}}]");
}

static void acknowledge(struct socket *socket, uint64_t id, const struct policy_answer *answer) {
    struct socketio_packet parts = {
        .type = answer->attachments_len > 0 ? SOCKETIO_BINARY_ACK : SOCKETIO_ACK,
        .namespace_name = slice_of(socket->namespace_name),
        .has_id = true,
        .id = id,
        .attachments = answer->attachments_len,
        .json = answer->json.len > 0 ? answer->json : SLICE("[]"),
    };
    enum policy_status status = answer->status;
    if (status == POLICY_OK && answer->attachments_len > SOCKETIO_ATTACHMENTS_MAX) status = POLICY_SCRIPT_ERROR;
    if (status != POLICY_OK) {
        struct buffer *text = &socket->hub->scratch.text;
        buffer_clear(text);
        write_refusal(text, &refusals[status], status, answer->json);
        parts.type = SOCKETIO_ACK;
        parts.attachments = 0;
        parts.json = buffer_slice(text);
    }
    struct packet *packet =
        packet_new(&parts, parts.attachments ? answer->attachments : NULL, SLICE_NONE, PACKET_CONTROL);
    session_push(socket->session, packet);
    packet_unref(&packet);
}

/* Reads the code of {"error":{"code":…}} from a script's answer; only short answers can be refusals. False: it is no
 * refusal. */
static bool read_refusal(struct slice answer, struct buffer *code) {
    struct json_walk walk;
    struct slice first;
    if (answer.len == 0 || answer.len > REFUSAL_MAX) return false;
    json_walk_init(&walk, answer);
    if (!json_walk_item(&walk, &first)) return false;
    struct slice text = json_member(json_member(first, "error"), "code");
    if (text.len == 0 || json_type_of(text) != JSON_STRING) return false;
    json_string(text, code);
    return true;
}

/* The cost of a refusal. If the server is the cause, it costs nothing. */
static unsigned refusal_cost(enum policy_status status, struct slice code) {
    if (slice_is(code, "unavailable") || slice_is(code, "storage_full") || status == POLICY_UNKNOWN) return 0;
    return status == POLICY_SCRIPT_ERROR ? FLOOD_ERROR : FLOOD_REFUSAL;
}

static void count_refusal(struct session *session, const struct policy_answer *answer) {
    struct buffer code = {0};
    bool refused = answer->status != POLICY_OK || read_refusal(answer->json, &code);
    if (answer->status != POLICY_OK) buffer_append_str(&code, refusals[answer->status].code);
    unsigned cost = refused ? refusal_cost(answer->status, buffer_slice(&code)) : 0;
    bool spent = cost > 0 && flood_charge(session, cost);
    if (spent || (refused && slice_is(buffer_slice(&code), "rate_limited")))
        flood_violation(session);
    else
        session->violations = 0;
    buffer_append_char(&code, '\0');
    if (refused) metric_add_labelled(METRIC_REJECTED, code.ptr, 1);
    buffer_done(&code);
}

static void event_answered(struct policy_call *call, const struct policy_answer *answer) {
    struct client_event *event = CONTAINER(call, struct client_event, question.call);
    struct session *session = event->session;
    struct socket *socket = event->socket;
    session->dispatch.event = NULL;
    bool is_unknown = event->has_id && answer->status == POLICY_UNKNOWN;
    if (socket && event->has_id && !is_unknown) acknowledge(socket, event->id, answer);
    if (socket) socket_release(socket);
    free(event);
    if (session->state != SESSION_OPEN) return; /* the handler closed it */
    dispatch_wake(session);
    count_refusal(session, answer);
    if (is_unknown) session_close(session, CLOSE_OVERLOAD); /* closing reports the missing answer in every client */
}

/* The script's answer to POLICY_OPEN. Continues with messages that arrived meanwhile. */
static void open_answered(struct policy_call *call, const struct policy_answer *answer) {
    struct client_event *event = CONTAINER(call, struct client_event, question.call);
    struct session *session = event->session;
    session->dispatch.event = NULL;
    free(event);
    if (session->state != SESSION_OPEN) return; /* the handler closed it */
    dispatch_wake(session);
    if (answer->status == POLICY_OK || answer->status == POLICY_NO_HANDLER) {
        seating_let_in(session, true);
        return;
    }
    count_refusal(session, answer);
    script_connection_refuse(session);
    if (answer->status == POLICY_UNAVAILABLE || answer->status == POLICY_UNKNOWN) {
        session_close(session, CLOSE_OVERLOAD);
        return;
    }
    struct buffer text = {0};
    struct slice message = answer->status == POLICY_REFUSED ? json_member(answer->json, "message") : SLICE_NONE;
    if (message.len > 0)
        json_string(message, &text);
    else
        buffer_append_str(&text, refusals[answer->status].message);
    uint16_t code = answer->status == POLICY_REFUSED ? 1008 : 1011;
    session_close_saying(session, CLOSE_REFUSED, code, utf8_cut(buffer_slice(&text), WEBSOCKET_REASON_MAX));
    buffer_done(&text);
}

/* Effects. */

static struct client_event *event_begin(struct session *session, struct socket *socket) {
    session->dispatch.event = NEW(struct client_event);
    *session->dispatch.event = (struct client_event){.session = session, .socket = socket};
    session->dispatch.event->question.call.done = event_answered;
    metric_add(METRIC_EVENTS, 1);
    flood_charge(session, FLOOD_EVENT);
    return session->dispatch.event;
}

static void ask_event(struct session *session, struct socket *socket, const struct arrival *arrival) {
    struct client_event *event = event_begin(session, socket);
    struct policy_call *call = &event->question.call;
    struct buffer *name = &session->hub->scratch.name;
    event->has_id = call->wants_answer = arrival->has_id;
    event->id = arrival->id;
    buffer_clear(name);
    bool named = json_type_of(arrival->event) == JSON_STRING;
    if (named) json_string(arrival->event, name);
    call->point = POLICY_EVENT;
    call->namespace_name = slice_of(socket->namespace_name);
    call->socket_id = slice_of(socket->id);
    call->name = buffer_slice(name);
    call->json = arrival->json;
    call->attachments = arrival->attachments;
    call->attachments_len = arrival->attachments_len;
    if (named)
        policy_question_ask(&event->question, session->hub->policy);
    else /* a number cannot be an event's name */
        call->done(call, &(struct policy_answer){.status = POLICY_NO_HANDLER});
}

static void ask_open(struct session *session, struct socket *socket, const struct arrival *arrival) {
    struct client_event *event = event_begin(session, NULL);
    struct policy_call *call = &event->question.call;
    struct buffer *json = &session->hub->scratch.handshake;
    buffer_clear(json);
    buffer_printf(json, "{%s}", session->handshake->json);
    call->done = open_answered;
    call->point = POLICY_OPEN;
    call->socket_id = slice_of(session->id);
    call->name = slice_of(session->handshake->endpoint_path);
    call->json = buffer_slice(json);
    policy_question_ask(&event->question, session->hub->policy);
}

static void ask_message(struct session *session, struct socket *socket, const struct arrival *arrival) {
    struct client_event *event = event_begin(session, NULL);
    struct policy_call *call = &event->question.call;
    call->point = POLICY_MESSAGE;
    call->socket_id = slice_of(session->id);
    call->name = slice_of(session->handshake->endpoint_path);
    call->data = arrival->json;
    call->binary = arrival->binary;
    policy_question_ask(&event->question, session->hub->policy);
}

static void leave_namespace(struct session *session, struct socket *socket, const struct arrival *arrival) {
    socket_part(socket, "client namespace disconnect", false);
}

static void hear_acknowledgement(struct session *session, struct socket *socket, const struct arrival *arrival) {
    socket_hear_ack(socket, arrival);
}

static void refuse_packet(struct session *session, struct socket *socket, const struct arrival *arrival) {
    session_reject(session, CLOSE_INVALID_STATE);
}
