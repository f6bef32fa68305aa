/* SPDX-License-Identifier: Apache-2.0 */
/* A task and its waits: each answer is taken exactly once, whenever it comes. */
#include "lua/task.h"

#include <lauxlib.h>
#include <lualib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/log.h"
#include "loop/loop.h"
#include "lua/vm.h"

static struct scene {
    struct loop *loop;
    struct vm *vm;
    struct tasks *tasks;
    const char *code;
    struct task_ticket *ticket; /* for later() */
    char heard[128];            /* what the task returned, as one text */
    unsigned ended, broken;
} scene;

static int push_three(lua_State *L, void *owner) {
    lua_pushinteger(L, 1);
    lua_pushstring(L, owner);
    lua_pushnil(L);
    return 3;
}

static int push_error(lua_State *L, void *owner) {
    return luaL_error(L, "%s", (const char *)owner);
}

/* early(): the answer comes before the wait; spoilt(): the same, but the answer cannot be taken. */
static int early(lua_State *L) {
    struct task_ticket *ticket = task_begin_wait(L);
    task_answer(&ticket, push_three, "early");
    return task_wait(L, 0);
}

static int spoilt(lua_State *L) {
    struct task_ticket *ticket = task_begin_wait(L);
    task_answer(&ticket, push_error, "no room for it");
    return task_wait(L, 0);
}

static int later(lua_State *L) {
    scene.ticket = task_begin_wait(L);
    return task_wait(L, 100);
}

static int open_functions(lua_State *L) {
    lua_register(L, "early", early);
    lua_register(L, "spoilt", spoilt);
    lua_register(L, "later", later);
    lua_pushcfunction(L, luaopen_base);
    lua_call(L, 0, 0);
    lua_pushcfunction(L, luaopen_string);
    lua_call(L, 0, 0);
    return 0;
}

static int push_code(lua_State *L, void *owner) {
    if (luaL_loadstring(L, owner) != 0) lua_error(L);
    return 1;
}

static void ended(void *asker, lua_State *L, int first, int len) {
    scene.ended++;
    snprintf(scene.heard, sizeof scene.heard, "%s", len > 0 ? lua_tostring(L, first) : len < 0 ? "failed" : "");
}

static void idle(void *owner) {}

static void broken(void *owner) {
    scene.broken++;
}

static void ignore_line(void *owner, struct slice line) {}

static int begin(void **state) {
    static const struct tasks_events events = {idle, broken};
    struct error error;
    scene = (struct scene){.loop = loop_new_with_fake_clock(), .vm = vm_new(&vm_defaults, NULL)};
    scene.tasks = tasks_new(scene.vm, scene.loop, 10, &events, NULL);
    log_set_sink(ignore_line, NULL);
    assert_true(vm_protect(scene.vm, open_functions, NULL, &error));
    return 0;
}

static int end(void **state) {
    tasks_close(&scene.tasks);
    vm_free(&scene.vm);
    loop_free(&scene.loop);
    return 0;
}

static void run(const char *code) {
    struct task_start start = {.what = "test", .push = push_code, .owner = (void *)(uintptr_t)code, .ended = ended};
    assert_true(task_start(scene.tasks, &start));
}

static void an_answer_within_the_call_is_its_result(void **state) {
    run("local a, b, c = early() local n = select('#', early()) return a .. b .. tostring(c) .. n");
    assert_string_equal(scene.heard, "1earlynil3");
    assert_int_equal(scene.ended, 1);
}

static void an_early_answer_leaves_the_next_wait_as_it_is(void **state) {
    run("early() local n, text = later() return n .. text .. select(2, early())");
    assert_int_equal(scene.ended, 0);
    task_answer(&scene.ticket, push_three, "late");
    assert_int_equal(scene.ended, 0);
    loop_turn(scene.loop);
    assert_string_equal(scene.heard, "1lateearly");
}

static void an_early_answer_has_no_deadline(void **state) {
    run("early() return select(2, later())");
    loop_advance(scene.loop, 101);
    assert_string_equal(scene.heard, "timeout");
    task_answer(&scene.ticket, push_three, "too late");
    loop_turn(scene.loop);
    assert_int_equal(scene.ended, 1);
}

static void an_early_answer_that_cannot_be_taken_raises_in_the_call(void **state) {
    run("local done, problem = pcall(spoilt) return tostring(done) .. problem:match('no room for it') .. early()");
    assert_string_equal(scene.heard, "falseno room for it1");
    run("spoilt()");
    assert_string_equal(scene.heard, "failed");
    assert_int_equal(tasks_len(scene.tasks), 0);
}

static void a_yield_that_waits_for_nothing_fails(void **state) {
    run("early() coroutine.yield() return 'never'");
    assert_string_equal(scene.heard, "failed");
    assert_int_equal(tasks_len(scene.tasks), 0);
}

static void a_wait_below_c_raises_and_begins_nothing(void **state) {
    run("local done, problem = pcall(string.gsub, 'x', 'x', later) return tostring(done) .. problem:match('nothing can "
        "wait')");
    assert_string_equal(scene.heard, "falsenothing can wait");
    assert_null(scene.ticket);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(an_answer_within_the_call_is_its_result), TEST(an_early_answer_leaves_the_next_wait_as_it_is),
        TEST(an_early_answer_has_no_deadline),         TEST(an_early_answer_that_cannot_be_taken_raises_in_the_call),
        TEST(a_yield_that_waits_for_nothing_fails),    TEST(a_wait_below_c_raises_and_begins_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
