/* SPDX-License-Identifier: Apache-2.0 */
#include "lua/script_policy.h"

#include <lauxlib.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/map.h"
#include "config/config.h"
#include "lua/bind.h"
#include "lua/config_reader.h"
#include "lua/hook_call.h"
#include "policy/policy.h"
#include "policy/shared_values.h"
#include "session/hub.h"
#include "worker/alert.h"
#include "worker/worker.h"

enum { RETRY_MS = 100, RETRY_MAX_MS = 10000 };

struct script_policy {
    struct policy policy;
    struct worker *worker;
    struct config *config;
    struct shared *shared;
    struct script_state *scripts; /* NULL: reloading the scripts failed; it is retried until it succeeds */
    bool live, retired;
    struct script_policy *successor, *predecessor; /* its replacement; the one it replaced, while its tasks end */
    struct loop_task rebuild, reap;
    struct loop_timer deadline, retry;
    unsigned retry_ms; /* until the next try; 0: the last try did not fail */
};

static void policy_free(struct script_policy *policy) {
    if (policy->successor) policy->successor->predecessor = NULL;
    if (policy->predecessor) policy->predecessor->successor = NULL;
    loop_timer_cancel(&policy->deadline);
    loop_timer_cancel(&policy->retry);
    loop_task_cancel(&policy->rebuild);
    loop_task_cancel(&policy->reap);
    script_state_free(&policy->scripts);
    shared_unref(&policy->shared);
    config_unref(&policy->config);
    free(policy);
}

static void reap(struct loop_task *task) {
    policy_free(CONTAINER(task, struct script_policy, reap));
}

static void cut(struct script_policy *policy, const char *reason) {
    LOG(LOG_WARNING, "policy.cut", LOG_TEXT("reason", reason), LOG_NUMBER("generation", policy->policy.generation),
        LOG_NUMBER("tasks", policy->scripts ? tasks_len(policy->scripts->tasks) : 0));
    loop_reap(policy->worker->loop, &policy->reap);
}

static void deadline_passed(struct loop_timer *timer) {
    cut(CONTAINER(timer, struct script_policy, deadline), "deadline");
}

/* At most two generations live: policy's predecessor ends now, even if its tasks still wait. */
static void hand_over(struct script_policy *policy, struct script_policy *successor) {
    if (policy->predecessor) cut(policy->predecessor, "superseded");
    policy->successor = successor;
    successor->predecessor = policy;
}

static void idle(void *owner) {
    struct script_policy *policy = owner;
    if (policy->retired) loop_reap(policy->worker->loop, &policy->reap);
}

static void broken(void *owner) {
    struct script_policy *policy = owner;
    loop_post(policy->worker->loop, &policy->rebuild);
}

static struct script_state *build(struct script_policy *policy, struct error *error_r) {
    struct script_state *scripts =
        script_state_new(policy->worker, policy->config, policy->policy.generation, policy->shared, error_r);
    if (!scripts) return NULL;
    scripts->owner.policy = policy;
    scripts->owner.idle = idle;
    scripts->owner.broken = broken;
    return scripts;
}

static void try_again(struct loop_timer *timer) {
    struct script_policy *policy = CONTAINER(timer, struct script_policy, retry);
    loop_post(policy->worker->loop, &policy->rebuild);
}

/* A file that the scripts read may be missing for a while. */
static void wait_for_retry(struct script_policy *policy, const char *problem) {
    unsigned next_ms = policy->retry_ms ? policy->retry_ms * 2 : RETRY_MS;
    policy->retry_ms = next_ms < RETRY_MAX_MS ? next_ms : RETRY_MAX_MS;
    loop_timer_set(&policy->retry, policy->retry_ms);
    LOG_ALWAYS(LOG_ERROR, "policy.missing", LOG_NUMBER("generation", policy->policy.generation),
               LOG_NUMBER("retry_ms", policy->retry_ms), LOG_TEXT("error", problem));
}

/* Memory ran out: loads the same scripts into a new state. Waiting calls have failed. Without scripts no client is
 * admitted. */
static void rebuild(struct loop_task *task) {
    struct script_policy *policy = CONTAINER(task, struct script_policy, rebuild);
    struct error error;
    script_state_free(&policy->scripts);
    if (policy->retired) {
        loop_reap(policy->worker->loop, &policy->reap);
        return;
    }
    policy->scripts = build(policy, &error);
    if (!policy->scripts) {
        wait_for_retry(policy, error.text);
        return;
    }
    policy->retry_ms = 0;
    LOG_ALWAYS(LOG_ERROR, "policy.rebuilt", LOG_NUMBER("generation", policy->policy.generation),
               LOG_TEXT("reason", "memory"));
    if (!policy->live) return;
    script_state_enact(policy->scripts);
    alert(policy->worker, "policy.rebuilt", SLICE("{\"reason\":\"memory\"}"));
}

static void policy_ask_lua(struct policy *base, struct policy_call *call) {
    struct script_policy *policy = (struct script_policy *)base;
    if (policy->scripts && !policy->retired) {
        hook_call_ask(policy->scripts, call);
        return;
    }
    call->done(call, &(struct policy_answer){.status = POLICY_UNAVAILABLE});
}

static bool policy_handles_lua(struct policy *base, enum policy_point point, struct slice namespace_name,
                               struct slice name) {
    struct script_policy *policy = (struct script_policy *)base;
    return !policy->scripts || hook_call_handled(policy->scripts, point, namespace_name, name);
}

static bool policy_ready_lua(const struct policy *base) {
    return ((const struct script_policy *)base)->scripts;
}

static void policy_retire_lua(struct policy *base, unsigned deadline_ms) {
    struct script_policy *policy = (struct script_policy *)base;
    policy->retired = true;
    loop_timer_cancel(&policy->retry);
    hand_over(policy, (struct script_policy *)policy->worker->scripts.policy);
    if (policy->scripts) script_state_stop(policy->scripts);
    if (!policy->scripts || tasks_len(policy->scripts->tasks) == 0)
        loop_reap(policy->worker->loop, &policy->reap);
    else
        loop_timer_set(&policy->deadline, deadline_ms);
}

static void policy_end_lua(struct policy *base) {
    struct script_policy *policy = (struct script_policy *)base;
    while (policy->predecessor) policy_free(policy->predecessor);
    policy_free(policy);
}

static const struct policy_ops ops = {.ask = policy_ask_lua,
                                      .forget = hook_call_forget,
                                      .handles = policy_handles_lua,
                                      .ready = policy_ready_lua,
                                      .retire = policy_retire_lua,
                                      .end = policy_end_lua};

static struct policy *policy_load(struct worker *worker, const struct config *config, unsigned generation,
                                  struct error *error_r) {
    struct script_policy *policy = NEW(struct script_policy), *before = (struct script_policy *)worker->scripts.policy;
    policy->policy = (struct policy){&ops, generation};
    policy->worker = worker;
    policy->config = config_ref((struct config *)(uintptr_t)config);
    policy->shared = before ? shared_ref(before->shared) : shared_new(worker->loop);
    loop_task_init(&policy->rebuild, rebuild);
    loop_task_init(&policy->reap, reap);
    loop_timer_init(&policy->deadline, worker->loop, deadline_passed);
    loop_timer_init(&policy->retry, worker->loop, try_again);
    policy->scripts = build(policy, error_r);
    if (policy->scripts) return &policy->policy;
    policy_free(policy);
    return NULL;
}

static void policy_enact(struct policy *base) {
    struct script_policy *policy = (struct script_policy *)base;
    policy->live = true;
    script_state_enact(policy->scripts);
}

const struct policy_source script_policy_source = {
    .load = policy_load, .enact = policy_enact, .read_config = config_reader_read};
