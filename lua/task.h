/* SPDX-License-Identifier: Apache-2.0 */
/* task.h - one coroutine per policy call: runs, waits, resumes from the loop, ends.
 *
 * A binding that waits takes a ticket (task_begin_wait), hands it to the core as the completion's owner, and returns
 * task_wait. The completion calls task_answer, which resumes the task from the loop, or nothing if the task has
 * gone on without it (its deadline passed, its state was thrown away): that is counted. A completion that comes before
 * task_wait, within the core's call, is task_wait's result: the task goes on without a pause.
 */
#ifndef LUA_TASK_H
#define LUA_TASK_H

#include <lua.h>

#include "base/memory.h"
#include "base/slice.h"

struct loop;
struct task_ticket;
struct tasks;
struct vm;

enum { TASK_FAILED = -1, TASK_CUT = -2, TASK_UNKNOWN = -3 };
enum { TASK_RESULTS_MAX = 16, TASK_WAIT_MS = 10000 };

struct tasks_events {
    void (*idle)(void *owner);   /* the last task has ended */
    void (*broken)(void *owner); /* memory ran out: the state must be thrown away, later, from the loop */
};

struct tasks *tasks_new(struct vm *vm, struct loop *loop, unsigned max, const struct tasks_events *events, void *owner);
/* Ends all tasks with TASK_CUT. The vm may be freed afterwards. */
void tasks_close(struct tasks **tasks);
unsigned tasks_len(const struct tasks *tasks);

struct task_start {
    const char *what;    /* in error lines: "event", "route", … */
    struct slice detail; /* which one */
    /* Runs in the new coroutine: pushes the function and its arguments; returns how many. May raise. */
    int (*push)(lua_State *L, void *owner);
    void *owner; /* for push; push runs within task_start */
    /* Exactly once: results are at first…first + len - 1 of L; TASK_FAILED: it failed (and was logged), TASK_CUT: it
     * was ended from outside, whatever it waited for goes on; TASK_UNKNOWN: the same, while it stored something; L is
     * NULL then. May
     * raise before it has answered anyone, then it is called again as failed. NULL: nobody asks. */
    void (*ended)(void *asker, lua_State *L, int first, int len);
    void *asker;
};
/* False: too many tasks, or tasks nested too deeply; nothing was started and ended is not called. */
bool task_start(struct tasks *tasks, const struct task_start *start) MUST_CHECK;

/* Raises where waiting is impossible (outside tasks, in a script's own coroutine, in a function that C calls).
 * Nothing may raise or push results between this and task_wait. */
struct task_ticket *task_begin_wait(lua_State *L);
/* The task waits for a write to the store: if the task ends meanwhile, the outcome is unknown, not refused. */
void task_stores(lua_State *L);
/* Cancels the wait: there is nothing to wait for. */
void task_abandon_wait(lua_State *L, struct task_ticket **ticket);
/* A binding's last line. After deadline_ms (0: TASK_WAIT_MS) the call returns nil, "timeout". */
int task_wait(lua_State *L, unsigned deadline_ms);
/* Waits ms milliseconds; returns true. */
int task_sleep(lua_State *L, unsigned ms);
/* push leaves at most TASK_RESULTS_MAX results on L; it runs at once, the task from the loop (or, when it has not yet
 * come to task_wait, from there). It is not called if the task does not wait for this any more. */
void task_answer(struct task_ticket **ticket, int (*push)(lua_State *L, void *owner), void *owner);
/* Scripts' coroutine.running. A coroutine that a script knows is not reused for another task. */
int task_running(lua_State *L);
bool task_waits(const struct task_ticket *ticket);

#endif
