/* SPDX-License-Identifier: Apache-2.0 */
/* policy_question.h - a policy_call with the policy that was asked, which stays in use even when the hub's policy is
 * swapped. */
#ifndef SESSION_POLICY_QUESTION_H
#define SESSION_POLICY_QUESTION_H

#include "policy/policy.h"

struct policy_question {
    struct policy_call call;
    struct policy *policy; /* NULL: not under way */
};

/* Asks the policy; without one the answer is POLICY_UNAVAILABLE at once. */
void policy_question_ask(struct policy_question *question, struct policy *policy);
/* done will not be called. */
void policy_question_forget(struct policy_question *question);

#endif
