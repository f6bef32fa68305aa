/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/alert.h"

#include <stdlib.h>

#include "loop/loop.h"
#include "policy/policy.h"
#include "worker/worker.h"

struct alert {
    struct policy_call call;
    struct worker *worker;
    struct loop_task tell;
    size_t details_len;
    char text[]; /* details, what */
};

static void told(struct policy_call *call, const struct policy_answer *answer) {
    free(CONTAINER(call, struct alert, call));
}

static void tell(struct loop_task *task) {
    struct alert *alert = CONTAINER(task, struct alert, tell);
    alert->call = (struct policy_call){.point = POLICY_ALERT,
                                       .name = slice_of(alert->text + alert->details_len),
                                       .json = {alert->text, alert->details_len},
                                       .done = told};
    if (alert->worker->scripts.policy)
        policy_ask(alert->worker->scripts.policy, &alert->call);
    else
        free(alert); /* the worker ends */
}

void alert(struct worker *worker, const char *what, struct slice details) {
    struct alert *alert = memory_new(sizeof *alert + details.len + strlen(what) + 1);
    alert->worker = worker;
    alert->details_len = details.len;
    if (details.len > 0) memcpy(alert->text, details.ptr, details.len);
    memcpy(alert->text + details.len, what, strlen(what) + 1);
    loop_task_init(&alert->tell, tell);
    loop_post(worker->loop, &alert->tell);
}
