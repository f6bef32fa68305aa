#include "session/parting.h"

#include <stdlib.h>

#include "session/hub_state.h"
#include "session/question.h"

struct parting {
    struct question question;
    struct list link; /* of the hub's */
    struct socket *socket;
    const char *reason;
    struct loop_task ask, reap;
};

static void parting_free(struct loop_task *task) {
    free(CONTAINER(task, struct parting, reap));
}

/* The last one of a socket that has ended lets it go. */
static void parting_end(struct parting *parting) {
    struct socket *socket = parting->socket;
    list_remove(&parting->link);
    if (--socket->partings == 0 && socket->has_ended) hub_bury_socket(socket);
}

static void parting_done(struct policy_call *call, const struct policy_answer *answer) {
    struct parting *parting = CONTAINER(call, struct parting, question.call);
    parting_end(parting);
    loop_reap(parting->socket->hub->loop, &parting->reap);
}

static void parting_ask(struct loop_task *task) {
    struct parting *parting = CONTAINER(task, struct parting, ask);
    struct policy_call *call = &parting->question.call;
    call->point = POLICY_DISCONNECT;
    call->namespace_name = slice_of(parting->socket->namespace_name);
    call->socket_id = slice_of(parting->socket->id);
    call->name = slice_of(parting->reason);
    call->done = parting_done;
    question_ask(&parting->question, parting->socket->hub->policy);
}

void parting_begin(struct socket *socket, const char *reason) {
    struct parting *parting = NEW(struct parting);
    parting->socket = socket;
    parting->reason = reason;
    socket->partings++;
    loop_task_init(&parting->ask, parting_ask);
    loop_task_init(&parting->reap, parting_free);
    list_append(&socket->hub->partings, &parting->link);
    loop_post(socket->hub->loop, &parting->ask);
}

void partings_forget(struct hub *hub) {
    while (!list_empty(&hub->partings)) {
        struct parting *parting = CONTAINER(hub->partings.next, struct parting, link);
        loop_task_cancel(&parting->ask);
        question_forget(&parting->question);
        parting_end(parting);
        free(parting);
    }
}
