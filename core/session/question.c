#include "session/question.h"

void question_ask(struct question *question, struct policy *policy) {
    question->policy = policy;
    if (policy) {
        policy_ask(policy, &question->call);
        return;
    }
    struct policy_answer answer = {.status = POLICY_UNAVAILABLE};
    question->call.done(&question->call, &answer);
}

void question_forget(struct question *question) {
    if (question->policy) policy_forget(question->policy, &question->call);
    question->policy = NULL;
}
