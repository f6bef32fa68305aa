/* SPDX-License-Identifier: Apache-2.0 */
#include "session/parting.h"

#include <stdlib.h>

#include "session/policy_question.h"
#include "session/session_internal.h"
#include "wire/json.h"

struct parting {
    struct policy_question question;
    struct list link; /* in the hub's list */
    struct hub *hub;
    struct socket *socket; /* NULL: the end of a connection */
    const char *reason;    /* for a socket */
    char id[ID_SESSION_LEN + 1];
    struct buffer path, said; /* for a connection; said: [code, reason] */
    struct loop_task ask, reap;
};

static void parting_free(struct loop_task *task) {
    struct parting *parting = CONTAINER(task, struct parting, reap);
    buffer_done(&parting->path);
    buffer_done(&parting->said);
    free(parting);
}

/* The last parting of a socket that has ended frees the socket. */
static void parting_end(struct parting *parting) {
    struct socket *socket = parting->socket;
    list_remove(&parting->link);
    if (socket && --socket->script.partings == 0 && socket->script.has_ended) hub_bury_socket(socket);
}

static void parting_done(struct policy_call *call, const struct policy_answer *answer) {
    struct parting *parting = CONTAINER(call, struct parting, question.call);
    parting_end(parting);
    loop_reap(parting->hub->loop, &parting->reap);
}

static void parting_ask(struct loop_task *task) {
    struct parting *parting = CONTAINER(task, struct parting, ask);
    struct policy_call *call = &parting->question.call;
    call->done = parting_done;
    if (parting->socket) {
        call->point = POLICY_DISCONNECT;
        call->namespace_name = slice_of(parting->socket->namespace_name);
        call->socket_id = slice_of(parting->socket->id);
        call->name = slice_of(parting->reason);
    } else {
        call->point = POLICY_CLOSED;
        call->socket_id = slice_of(parting->id);
        call->name = buffer_slice(&parting->path);
        call->json = buffer_slice(&parting->said);
    }
    policy_question_ask(&parting->question, parting->hub->policy);
}

static struct parting *parting_new(struct hub *hub) {
    struct parting *parting = NEW(struct parting);
    parting->hub = hub;
    loop_task_init(&parting->ask, parting_ask);
    loop_task_init(&parting->reap, parting_free);
    list_append(&hub->endings.partings, &parting->link);
    loop_post(hub->loop, &parting->ask);
    return parting;
}

void parting_begin(struct socket *socket, const char *reason) {
    struct parting *parting = parting_new(socket->hub);
    parting->socket = socket;
    parting->reason = reason;
    socket->script.partings++;
}

void parting_begin_connection(struct session *session, uint16_t code, struct slice reason) {
    struct parting *parting = parting_new(session->hub);
    memcpy(parting->id, session->id, sizeof parting->id);
    buffer_append_str(&parting->path, session->handshake->endpoint_path);
    buffer_printf(&parting->said, "[%u,", code);
    json_write_string(&parting->said, reason);
    buffer_append_char(&parting->said, ']');
}

void partings_forget(struct hub *hub) {
    while (!list_empty(&hub->endings.partings)) {
        struct parting *parting = CONTAINER(hub->endings.partings.next, struct parting, link);
        loop_task_cancel(&parting->ask);
        policy_question_forget(&parting->question);
        parting_end(parting);
        parting_free(&parting->reap);
    }
}
