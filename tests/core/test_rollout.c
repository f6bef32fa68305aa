/* SPDX-License-Identifier: Apache-2.0 */
/* A reload over several workers: all of them, or none. The workers are the other ends of their links. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "master/child.h"
#include "master/rollout.h"
#include "process/master_messages.h"

enum { WORKERS = 3 };

struct stage {
    struct rollout rollout;
    struct child children[WORKERS];
    int workers[WORKERS]; /* the workers' ends of the links */
    unsigned decided, done, failed;
    char reason[64];
};

static void decided(void *owner) {
    ((struct stage *)owner)->decided++;
}

static void done(void *owner) {
    ((struct stage *)owner)->done++;
}

static void failed(void *owner, const char *reason) {
    struct stage *stage = owner;
    stage->failed++;
    strncpy(stage->reason, reason, sizeof stage->reason - 1);
}

static const struct rollout_events events = {decided, done, failed};

/* A process that only waits, so that it can be killed. */
static pid_t wait_for_ever(void) {
    pid_t pid = fork();
    if (pid == 0) {
        alarm(60);
        for (;;) pause();
    }
    return pid;
}

static void begin(struct stage *stage) {
    *stage = (struct stage){0};
    for (unsigned i = 0; i < WORKERS; i++) {
        int ends[2];
        child_init(&stage->children[i], i, 0);
        assert_true(master_message_pair(ends));
        stage->children[i].pid = wait_for_ever();
        stage->children[i].link = ends[0];
        stage->children[i].ready = true;
        stage->workers[i] = ends[1];
    }
    rollout_init(&stage->rollout, stage->children, WORKERS, &events, stage);
    rollout_begin(&stage->rollout, 2, "fingerprint", 1000);
}

static void finish(struct stage *stage) {
    for (unsigned i = 0; i < WORKERS; i++) {
        if (stage->children[i].pid != 0) {
            kill(stage->children[i].pid, SIGKILL);
            waitpid(stage->children[i].pid, NULL, 0);
        }
        if (stage->children[i].link >= 0) close(stage->children[i].link);
        close(stage->workers[i]);
    }
}

/* The next message to the worker; -1: none. */
static int told(struct stage *stage, unsigned worker) {
    struct master_message message;
    if (master_message_receive(stage->workers[worker], &message) != MASTER_MESSAGE_READ) return -1;
    assert_int_equal(message.number, 2);
    if (message.kind == MASTER_MESSAGE_PREPARE) assert_string_equal(message.text, "fingerprint");
    return (int)message.kind;
}

static void says(struct stage *stage, unsigned worker, enum master_message_kind kind, const char *text) {
    struct master_message message = {.kind = kind, .number = 2};
    strncpy(message.text, text, sizeof message.text - 1);
    rollout_heard(&stage->rollout, &stage->children[worker], &message, 2000);
}

static void ends(struct stage *stage, unsigned worker) {
    struct child *child = &stage->children[worker];
    kill(child->pid, SIGKILL);
    waitpid(child->pid, NULL, 0);
    rollout_ended(&stage->rollout, child, 2000);
    child->pid = 0;
}

static void prepare(struct stage *stage, unsigned from, unsigned to) {
    for (unsigned i = from; i < to; i++) {
        assert_int_equal(told(stage, i), MASTER_MESSAGE_PREPARE);
        says(stage, i, MASTER_MESSAGE_PREPARED, "");
    }
}

static void none_swaps_before_all_have_built(void **state) {
    struct stage stage;
    begin(&stage);
    prepare(&stage, 0, 2);
    assert_int_equal(told(&stage, 0), -1);
    assert_int_equal(stage.decided, 0);
    prepare(&stage, 2, 3);
    assert_int_equal(stage.decided, 1);
    for (unsigned i = 0; i < WORKERS; i++) {
        assert_int_equal(told(&stage, i), MASTER_MESSAGE_ENACT);
        assert_int_equal(stage.done, 0);
        says(&stage, i, MASTER_MESSAGE_ENACTED, "");
    }
    assert_int_equal(stage.done, 1);
    assert_int_equal(stage.failed, 0);
    assert_int_equal(rollout_due_ms(&stage.rollout), UINT64_MAX);
    finish(&stage);
}

static void expect_all_abandon(struct stage *stage, unsigned but) {
    assert_int_equal(stage->failed, 1);
    assert_int_equal(stage->decided, 0);
    for (unsigned i = 0; i < WORKERS; i++) {
        if (i == but) continue;
        assert_int_equal(told(stage, i), MASTER_MESSAGE_ABANDON);
        assert_int_equal(told(stage, i), -1);
    }
}

static void one_that_refuses_keeps_all_in_the_old_one(void **state) {
    struct stage stage;
    begin(&stage);
    prepare(&stage, 0, 2);
    says(&stage, 2, MASTER_MESSAGE_REFUSED, "policy.lua:3: no");
    assert_string_equal(stage.reason, "policy.lua:3: no");
    assert_int_equal(told(&stage, 2), MASTER_MESSAGE_PREPARE);
    expect_all_abandon(&stage, 2);
    says(&stage, 1, MASTER_MESSAGE_PREPARED, ""); /* too late */
    assert_int_equal(stage.decided, 0);
    finish(&stage);
}

static void one_that_dies_while_building_keeps_all_in_the_old_one(void **state) {
    struct stage stage;
    begin(&stage);
    prepare(&stage, 0, 2);
    ends(&stage, 2);
    expect_all_abandon(&stage, 2);
    finish(&stage);
}

static void one_that_does_not_answer_keeps_all_in_the_old_one(void **state) {
    struct stage stage;
    begin(&stage);
    prepare(&stage, 0, 2);
    rollout_check(&stage.rollout, 1000 + ROLLOUT_PREPARE_MS - 1);
    assert_int_equal(stage.failed, 0);
    rollout_check(&stage.rollout, 1000 + ROLLOUT_PREPARE_MS);
    assert_int_equal(told(&stage, 2), MASTER_MESSAGE_PREPARE);
    expect_all_abandon(&stage, WORKERS);
    finish(&stage);
}

static void one_that_dies_after_the_decision_changes_nothing(void **state) {
    struct stage stage;
    begin(&stage);
    prepare(&stage, 0, 3);
    says(&stage, 0, MASTER_MESSAGE_ENACTED, "");
    says(&stage, 1, MASTER_MESSAGE_ENACTED, "");
    assert_int_equal(stage.done, 0);
    ends(&stage, 2);
    assert_int_equal(stage.done, 1);
    assert_int_equal(stage.failed, 0);
    finish(&stage);
}

static void one_that_cannot_swap_is_replaced(void **state) {
    struct stage stage;
    int status;
    begin(&stage);
    prepare(&stage, 0, 3);
    says(&stage, 0, MASTER_MESSAGE_ENACTED, "");
    says(&stage, 1, MASTER_MESSAGE_ENACTED, "");
    rollout_check(&stage.rollout, 2000 + ROLLOUT_ENACT_MS);
    assert_int_equal(waitpid(stage.children[2].pid, &status, 0), stage.children[2].pid);
    assert_true(WIFSIGNALED(status));
    rollout_ended(&stage.rollout, &stage.children[2], 2000);
    stage.children[2].pid = 0;
    assert_int_equal(stage.done, 1);
    finish(&stage);
}

static void places_without_a_worker_are_not_asked(void **state) {
    struct stage stage;
    begin(&stage);
    ends(&stage, 1);
    for (unsigned i = 0; i < WORKERS; i++)
        while (told(&stage, i) >= 0) continue;
    rollout_begin(&stage.rollout, 2, "fingerprint", 1000);
    prepare(&stage, 0, 1);
    assert_int_equal(told(&stage, 1), -1);
    prepare(&stage, 2, 3);
    assert_int_equal(stage.decided, 1);
    finish(&stage);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(none_swaps_before_all_have_built),
        cmocka_unit_test(one_that_refuses_keeps_all_in_the_old_one),
        cmocka_unit_test(one_that_dies_while_building_keeps_all_in_the_old_one),
        cmocka_unit_test(one_that_does_not_answer_keeps_all_in_the_old_one),
        cmocka_unit_test(one_that_dies_after_the_decision_changes_nothing),
        cmocka_unit_test(one_that_cannot_swap_is_replaced),
        cmocka_unit_test(places_without_a_worker_are_not_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
