/* question.h - a policy_call together with the policy that was asked: it stays the same when the hub's is swapped. */
#ifndef SESSION_QUESTION_H
#define SESSION_QUESTION_H

#include "policy/policy.h"

struct question {
    struct policy_call call;
    struct policy *policy; /* NULL: not under way */
};

/* Asks the policy; without one the answer is POLICY_UNAVAILABLE at once. */
void question_ask(struct question *question, struct policy *policy);
/* done will not be called. */
void question_forget(struct question *question);

#endif
