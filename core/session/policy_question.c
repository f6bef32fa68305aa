/* SPDX-License-Identifier: Apache-2.0 */
#include "session/policy_question.h"

void policy_question_ask(struct policy_question *question, struct policy *policy) {
    question->policy = policy;
    if (policy) {
        policy_ask(policy, &question->call);
        return;
    }
    struct policy_answer answer = {.status = POLICY_UNAVAILABLE};
    question->call.done(&question->call, &answer);
}

void policy_question_forget(struct policy_question *question) {
    if (question->policy) policy_forget(question->policy, &question->call);
    question->policy = NULL;
}
