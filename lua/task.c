/* SPDX-License-Identifier: Apache-2.0 */
#include "lua/task.h"

#include <lauxlib.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/list.h"
#include "base/log.h"
#include "base/map.h"
#include "base/metrics.h"
#include "loop/loop.h"
#include "lua/vm.h"

static const char tasks_key, enter_key; /* registry keys */
enum { FAILURES_LOGGED = 20 /* a second */, DETAIL_MAX = 64, IDLE_MAX = 64 };

struct thread {
    lua_State *co;
    int reference; /* keeps co alive */
};

struct tasks {
    unsigned references; /* the owner's, and each ticket's */
    struct vm *vm;       /* NULL: closed */
    struct loop *loop;
    const struct tasks_events *events;
    void *owner;
    struct map *by_id;
    struct list all;
    struct task *running;
    uint64_t next_id, failures_second;
    unsigned len, max, failures;
    struct thread idle[IDLE_MAX]; /* reusable: each has finished a task and is empty */
    unsigned idle_len;
    struct error untaken; /* why the results for a task in TASK_TOLD could not be pushed */
};

/* A task between start and end. An answer may come within the core's call, before the task yields: TASK_TOLD. */
enum task_state {
    TASK_RUNS,  /* its code is running */
    TASK_ASKS,  /* it has a ticket; the binding has not called task_wait yet */
    TASK_TOLD,  /* the same, and the answer is on its stack */
    TASK_WAITS, /* it has yielded */
    TASK_DUE    /* it has its answer and will be resumed */
};

struct task {
    struct list link;
    struct tasks *tasks;
    uint64_t id;
    struct thread thread;
    unsigned wait; /* number of the wait; tickets of earlier waits are stale */
    enum task_state state;
    bool sleeps;
    bool known; /* a script asked for its coroutine */
    bool returned;
    bool stores; /* it waits for something to be stored */
    int results; /* number on the thread: DUE, for the resume; TOLD, for task_wait (-1: they could not be pushed) */
    void (*ended)(void *asker, lua_State *L, int first, int len);
    void *asker;
    const char *what;
    char detail[DETAIL_MAX];
    struct loop_timer deadline;
    struct loop_task resume;
};

struct task_ticket {
    struct tasks *tasks;
    uint64_t id;
    unsigned wait;
};

static void tasks_unref(struct tasks *tasks) {
    if (--tasks->references > 0) return;
    map_free(&tasks->by_id);
    free(tasks);
}

struct tasks *tasks_new(struct vm *vm, struct loop *loop, unsigned max, const struct tasks_events *events,
                        void *owner) {
    struct tasks *tasks = NEW(struct tasks);
    tasks->references = 1;
    tasks->vm = vm;
    tasks->loop = loop;
    tasks->max = max;
    tasks->events = events;
    tasks->owner = owner;
    tasks->by_id = map_new();
    list_init(&tasks->all);
    return tasks;
}

unsigned tasks_len(const struct tasks *tasks) {
    return tasks->len;
}

/* kind: "raised", "budget", "memory", "result". */
static void task_log_failure(struct tasks *tasks, const char *kind, const char *what, struct slice detail,
                             const char *message) {
    uint64_t second = loop_now_ms(tasks->loop) / 1000;
    metric_add_labelled(METRIC_SCRIPT_ERRORS, kind, 1);
    if (second != tasks->failures_second) tasks->failures = 0;
    tasks->failures_second = second;
    if (tasks->failures++ >= FAILURES_LOGGED) return;
    LOG_ALWAYS(LOG_ERROR, "script.error", LOG_TEXT("kind", kind), LOG_TEXT("in", what), LOG_SLICE("which", detail),
               LOG_TEXT("error", message));
}

/* ---- the end of a task ---- */

static void task_free(struct task *task) {
    struct tasks *tasks = task->tasks;
    loop_timer_cancel(&task->deadline);
    loop_task_cancel(&task->resume);
    map_remove(tasks->by_id, (struct slice){(char *)&task->id, sizeof task->id});
    list_remove(&task->link);
    tasks->len--;
    if (tasks->vm && !tasks->vm->broken) {
        if (task->returned && !task->known && tasks->idle_len < IDLE_MAX) {
            lua_settop(task->thread.co, 0);
            tasks->idle[tasks->idle_len++] = task->thread;
        } else {
            luaL_unref(tasks->vm->L, LUA_REGISTRYINDEX, task->thread.reference);
        }
    }
    free(task);
    if (tasks->len == 0 && tasks->vm) tasks->events->idle(tasks->owner);
}

struct traceback {
    struct task *task;
    char text[2048];
};

static int write_traceback(lua_State *L) {
    struct traceback *traceback = lua_touserdata(L, 1);
    lua_State *co = traceback->task->thread.co;
    const char *message = lua_type(co, -1) == LUA_TSTRING ? lua_tostring(co, -1) : "(error object is not a string)";
    luaL_traceback(L, co, message, 0);
    snprintf(traceback->text, sizeof traceback->text, "%s", lua_tostring(L, -1));
    return 0;
}

static void log_failure(struct task *task, int status) {
    struct vm *vm = task->tasks->vm;
    struct traceback traceback = {.task = task, .text = "not enough memory"};
    vm_note(vm, status);
    if (status == LUA_YIELD) {
        snprintf(traceback.text, sizeof traceback.text, "coroutine.yield outside of a coroutine");
    } else if (!vm->broken) {
        struct error error;
        if (!vm_protect(vm, write_traceback, &traceback, &error))
            snprintf(traceback.text, sizeof traceback.text, "%s", error.text);
    }
    task_log_failure(task->tasks,
                     vm->broken        ? "memory"
                     : vm->over_budget ? "budget"
                                       : "raised",
                     task->what, slice_of(task->detail), traceback.text);
}

/* how: TASK_FAILED, TASK_CUT */
static void end_without(struct task *task, int how) {
    if (task->stores) how = TASK_UNKNOWN;
    if (task->ended) task->ended(task->asker, NULL, 0, how);
    task->ended = NULL;
}

static void fail(struct task *task) {
    end_without(task, TASK_FAILED);
}

static int hand_results_over(lua_State *L) {
    struct task *task = lua_touserdata(L, 1);
    int len = lua_gettop(task->thread.co);
    luaL_checkstack(L, len + 8, "too many results");
    lua_xmove(task->thread.co, L, len);
    task->ended(task->asker, L, 2, len);
    return 0;
}

static void finish(struct task *task) {
    struct error error;
    if (!task->ended) return;
    if (vm_protect(task->tasks->vm, hand_results_over, task, &error)) {
        task->ended = NULL;
    } else {
        task_log_failure(task->tasks, task->tasks->vm->broken ? "memory" : "result", task->what, slice_of(task->detail),
                         error.text);
        fail(task);
    }
}

/* Runs the task until its next wait or end. Runs nest (a binding may start another task): each has its own budget. */
static void run(struct task *task, int args) {
    struct tasks *tasks = task->tasks;
    struct vm *vm = tasks->vm;
    struct task *outer = tasks->running;
    struct vm_rest rest = vm->rest;
    tasks->running = task;
    task->state = TASK_RUNS;
    task->stores = false;
    vm_begin(vm, &vm->settings.run);
    loop_part(tasks->loop, "script");
    int status = lua_resume(task->thread.co, args);
    task->returned = status == 0;
    bool waits = status == LUA_YIELD && task->state == TASK_WAITS;
    tasks->running = outer;
    if (status == 0)
        finish(task);
    else if (!waits)
        log_failure(task, status);
    bool broken = vm->broken;
    vm->rest = rest;
    if (outer) vm->over_budget = false;
    if (!waits || broken) {
        fail(task);
        task_free(task);
    }
    if (broken)
        tasks->events->broken(tasks->owner);
    else if (!outer)
        vm_tidy(vm);
}

/* ---- the answer to a wait ---- */

struct task_reply {
    struct task *task;
    int (*push)(lua_State *L, void *owner);
    void *owner;
};

/* The coroutine has stack space (begin): nothing here may raise on it. */
static int push_answer(lua_State *L) {
    struct task_reply *answer = lua_touserdata(L, 1);
    int len = answer->push(L, answer->owner);
    if (len > TASK_RESULTS_MAX) {
        lua_pop(L, len - TASK_RESULTS_MAX);
        len = TASK_RESULTS_MAX;
    }
    lua_xmove(L, answer->task->thread.co, len);
    answer->task->results = len;
    return 0;
}

static void answer(struct task *task, int (*push)(lua_State *L, void *owner), void *owner) {
    struct tasks *tasks = task->tasks;
    struct task_reply answer = {task, push, owner};
    struct error error;
    bool early = task->state == TASK_ASKS;
    task->state = early ? TASK_TOLD : TASK_DUE;
    loop_timer_cancel(&task->deadline);
    bool taken = vm_protect_apart(tasks->vm, push_answer, &answer, &error);
    if (early) {
        if (taken) return;
        task->results = -1;
        tasks->untaken = error;
        return;
    }
    if (taken) {
        loop_post(tasks->loop, &task->resume);
        return;
    }
    bool broken = tasks->vm->broken;
    task_log_failure(tasks, broken ? "memory" : "raised", task->what, slice_of(task->detail), error.text);
    fail(task);
    task_free(task);
    if (broken) tasks->events->broken(tasks->owner);
}

/* ---- the start ---- */

struct task_entry {
    struct tasks *tasks;
    struct task *task;
    const struct task_start *start;
};

static int push_arguments(lua_State *L) {
    const struct task_start *start = lua_touserdata(L, 1);
    lua_settop(L, 0);
    return start->push(L, start->owner);
}

static int prepare(lua_State *L) {
    struct task_entry *entry = lua_touserdata(L, 1);
    lua_pushlightuserdata(L, entry->tasks);
    vm_keep(L, &tasks_key);
    struct tasks *tasks = entry->tasks;
    bool is_new = tasks->idle_len == 0;
    struct thread thread = is_new ? (struct thread){lua_newthread(L), 0} : tasks->idle[tasks->idle_len - 1];
    if (is_new) thread.reference = luaL_ref(L, LUA_REGISTRYINDEX);
    vm_push_kept(L, &enter_key);
    if (lua_isnil(L, -1)) {
        lua_pop(L, 1);
        static const char text[] =
            "local function call(fn, ...) return fn(...) end return function(push, owner) return call(push(owner)) end";
        if (luaL_loadbuffer(L, text, sizeof text - 1, "=stoa") != 0) lua_error(L);
        lua_call(L, 0, 1);
        lua_pushvalue(L, -1);
        vm_keep(L, &enter_key);
    }
    lua_pushcfunction(L, push_arguments);
    lua_pushlightuserdata(L, (void *)(uintptr_t)entry->start);
    lua_xmove(L, thread.co, 3);
    entry->task->thread = thread;
    if (!is_new) tasks->idle_len--;
    return 0;
}

static void resume_task(struct loop_task *resume) {
    struct task *task = CONTAINER(resume, struct task, resume);
    int results = task->results;
    task->results = 0;
    run(task, results);
}

static int push_timeout(lua_State *L, void *owner) {
    const struct task *task = owner;
    if (task->sleeps) {
        lua_pushboolean(L, true);
        return 1;
    }
    lua_pushnil(L);
    lua_pushliteral(L, "timeout");
    return 2;
}

static void deadline_passed(struct loop_timer *timer) {
    struct task *task = CONTAINER(timer, struct task, deadline);
    if (task->state == TASK_WAITS && !task->tasks->vm->broken) answer(task, push_timeout, task);
}

bool task_start(struct tasks *tasks, const struct task_start *start) {
    if (!tasks->vm || tasks->vm->broken || tasks->len >= tasks->max || vm_is_deep(tasks->vm)) {
        metric_add_labelled(METRIC_SCRIPT_ERRORS, "refused", 1); /* otherwise nobody sees that a notice was lost */
        return false;
    }
    struct task *task = NEW(struct task);
    struct task_entry entry = {tasks, task, start};
    struct error error;
    task->tasks = tasks;
    if (!vm_protect(tasks->vm, prepare, &entry, &error)) {
        task_log_failure(tasks, "memory", start->what, start->detail, error.text);
        free(task);
        tasks->events->broken(tasks->owner);
        return false;
    }
    task->id = ++tasks->next_id;
    task->ended = start->ended;
    task->asker = start->asker;
    task->what = start->what;
    size_t detail_len = start->detail.len < sizeof task->detail ? start->detail.len : sizeof task->detail - 1;
    if (detail_len) memcpy(task->detail, start->detail.ptr, detail_len);
    loop_timer_init(&task->deadline, tasks->loop, deadline_passed);
    loop_task_init(&task->resume, resume_task);
    list_append(&tasks->all, &task->link);
    map_put(tasks->by_id, (struct slice){(char *)&task->id, sizeof task->id}, task);
    tasks->len++;
    run(task, 2);
    return true;
}

void tasks_close(struct tasks **tasks_ref) {
    struct tasks *tasks = *tasks_ref;
    if (!tasks) return;
    *tasks_ref = NULL;
    tasks->vm = NULL;
    LIST_EACH(&tasks->all, link) {
        struct task *task = CONTAINER(link, struct task, link);
        end_without(task, TASK_CUT);
        task_free(task);
    }
    tasks_unref(tasks);
}

/* ---- waiting ---- */

static struct tasks *tasks_of(lua_State *L) {
    vm_push_kept(L, &tasks_key);
    struct tasks *tasks = lua_touserdata(L, -1);
    lua_pop(L, 1);
    return tasks;
}

int task_running(lua_State *L) {
    struct tasks *tasks = tasks_of(L);
    if (lua_pushthread(L)) lua_pushnil(L); /* not a coroutine */
    if (tasks && tasks->running && tasks->running->thread.co == L) tasks->running->known = true;
    return 1;
}

static struct task *begin(lua_State *L) {
    struct tasks *tasks = tasks_of(L);
    struct task *task = tasks ? tasks->running : NULL;
    if (!task) luaL_error(L, "nothing can wait here (a script is being loaded or tested)");
    if (task->thread.co != L) luaL_error(L, "nothing can wait in a coroutine of your own: use stoa.spawn");
    if (!lua_isyieldable(L))
        luaL_error(L, "nothing can wait in a function that table.sort, string.gsub or a limit calls");
    luaL_checkstack(L, TASK_RESULTS_MAX, "too many values to wait");
    task->wait++;
    task->state = TASK_ASKS;
    task->sleeps = false;
    return task;
}

struct task_ticket *task_begin_wait(lua_State *L) {
    struct task *task = begin(L);
    struct task_ticket *ticket = NEW(struct task_ticket);
    *ticket = (struct task_ticket){task->tasks, task->id, task->wait};
    task->tasks->references++;
    return ticket;
}

void task_stores(lua_State *L) {
    tasks_of(L)->running->stores = true;
}

void task_abandon_wait(lua_State *L, struct task_ticket **ticket) {
    struct tasks *tasks = tasks_of(L);
    tasks->running->state = TASK_RUNS;
    free(*ticket);
    *ticket = NULL;
    tasks_unref(tasks);
}

static int take_told(lua_State *L, struct task *task) {
    int results = task->results;
    task->results = 0;
    task->state = TASK_RUNS;
    task->stores = false;
    return results >= 0 ? results : luaL_error(L, "%s", task->tasks->untaken.text);
}

int task_wait(lua_State *L, unsigned deadline_ms) {
    struct task *task = tasks_of(L)->running;
    if (task->state == TASK_TOLD) return take_told(L, task);
    task->state = TASK_WAITS;
    loop_timer_set(&task->deadline, deadline_ms ? deadline_ms : TASK_WAIT_MS);
    return lua_yield(L, 0);
}

int task_sleep(lua_State *L, unsigned ms) {
    begin(L)->sleeps = true;
    return task_wait(L, ms);
}

static struct task *find_waiting(const struct task_ticket *ticket) {
    if (!ticket->tasks->vm || ticket->tasks->vm->broken) return NULL;
    struct task *task = map_find(ticket->tasks->by_id, (struct slice){(const char *)&ticket->id, sizeof ticket->id});
    bool waits = task && (task->state == TASK_ASKS || task->state == TASK_WAITS);
    return waits && task->wait == ticket->wait ? task : NULL;
}

bool task_waits(const struct task_ticket *ticket) {
    return find_waiting(ticket);
}

void task_answer(struct task_ticket **ticket_ref, int (*push)(lua_State *L, void *owner), void *owner) {
    struct task_ticket *ticket = *ticket_ref;
    struct tasks *tasks = ticket->tasks;
    struct task *task = find_waiting(ticket);
    *ticket_ref = NULL;
    free(ticket);
    if (task)
        answer(task, push, owner);
    else
        metric_add(METRIC_STALE, 1);
    tasks_unref(tasks);
}
