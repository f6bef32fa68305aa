/* SPDX-License-Identifier: Apache-2.0 */
/* Alerts: scripts hear of trouble when whoever reports it is done. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "loop/loop.h"
#include "policy/policy.h"
#include "worker/alert.h"
#include "worker/worker.h"

static struct worker worker;
static unsigned asked;
static char heard[128];

static void ask(struct policy *policy, struct policy_call *call) {
    asked++;
    assert_int_equal(call->point, POLICY_ALERT);
    size_t len = strlen(heard);
    snprintf(heard + len, sizeof heard - len, "%.*s%.*s;", SLICE_ARG(call->name), SLICE_ARG(call->json));
    call->done(call, &(struct policy_answer){.status = POLICY_OK});
}

static const struct policy_ops ops = {.ask = ask};
static struct policy policy = {.ops = &ops};

static int begin(void **state) {
    worker = (struct worker){.loop = loop_new_with_fake_clock(), .scripts.policy = &policy};
    asked = 0;
    heard[0] = 0;
    return 0;
}

static int end(void **state) {
    loop_free(&worker.loop);
    return 0;
}

static void scripts_are_told_in_order_from_the_loop_not_within_the_call(void **state) {
    char what[] = "store.fails", details[] = "{\"code\":1}";
    alert(&worker, what, slice_of(details));
    memset(what, 'x', sizeof what - 1);
    memset(details, 'x', sizeof details - 1);
    alert(&worker, "store.works", SLICE_NONE);
    assert_int_equal(asked, 0);
    loop_turn(worker.loop);
    assert_int_equal(asked, 2);
    assert_string_equal(heard, "store.fails{\"code\":1};store.works;");
}

static void scripts_that_have_gone_meanwhile_are_told_nothing(void **state) {
    alert(&worker, "store.fails", SLICE("{}"));
    worker.scripts.policy = NULL;
    loop_turn(worker.loop);
    assert_int_equal(asked, 0);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(scripts_are_told_in_order_from_the_loop_not_within_the_call),
        TEST(scripts_that_have_gone_meanwhile_are_told_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
