#include "server/alert.h"

#include <stdlib.h>

#include "base/memory.h"
#include "policy/policy.h"
#include "server/worker.h"

static void told(struct policy_call *call, const struct policy_answer *answer) {
    free(call);
}

void alert(struct worker *worker, const char *what, struct slice details) {
    struct policy *policy = worker->policy;
    if (!policy || !policy->ops->handles(policy, POLICY_ALERT, SLICE("/"), SLICE_NONE)) return;
    struct policy_call *call = NEW(struct policy_call);
    *call = (struct policy_call){.point = POLICY_ALERT, .name = slice_of(what), .json = details, .done = told};
    policy_ask(policy, call);
}
