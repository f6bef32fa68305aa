/* SPDX-License-Identifier: Apache-2.0 */
#include "lua/results.h"

#include <stdlib.h>

#include "base/list.h"
#include "loop/loop.h"
#include "lua/task.h"
#include "lua/vm.h"
#include "store/store.h"

enum { LARGE_BYTES = 64 << 10 };

struct results {
    struct vm *vm;
    struct loop *loop;
    struct list large; /* by result.link */
    size_t large_bytes, max_bytes;
    struct loop_task next;
};

struct result {
    struct list link;
    struct results *results;
    struct task_ticket *ticket;
    bind_push *push;
    struct store_request *answer; /* of a large result */
};

static int push_result(lua_State *L, void *owner) {
    struct store_request *request = owner;
    struct result *result = request->owner;
    if (request->status != STORE_OK) return bind_fail(L, bind_store_word((int)request->status));
    return result->push(L, request);
}

static void tell(struct result *result, struct store_request *request) {
    task_answer(&result->ticket, push_result, request);
    free(result);
}

/* Delivers the next large answer after the task of the one before has resumed. */
static void tell_next(struct loop_task *task) {
    struct results *results = CONTAINER(task, struct results, next);
    struct list *link = list_pop(&results->large);
    if (!link) return;
    struct result *result = CONTAINER(link, struct result, link);
    struct store_request *request = result->answer;
    results->large_bytes -= request->json.len;
    vm_tidy(results->vm);
    tell(result, request);
    store_request_free(&request);
    if (!list_empty(&results->large)) loop_post(results->loop, &results->next);
}

/* An append is never large: its task gets a few numbers, and a stored append must not be reported as unavailable. */
static bool is_large(const struct store_request *request) {
    return request->op != STORE_APPEND && request->json.len >= LARGE_BYTES;
}

static void request_done(struct store_request *request) {
    struct result *result = request->owner;
    size_t len = request->json.len;
    if (!is_large(request) || !task_waits(result->ticket)) {
        tell(result, request);
        return;
    }
    struct results *results = result->results;
    if (results->large_bytes + len > results->max_bytes) {
        request->status = STORE_UNAVAILABLE;
        tell(result, request);
        return;
    }
    result->answer = store_request_keep(request);
    list_append(&results->large, &result->link);
    results->large_bytes += len;
    loop_post(results->loop, &results->next);
}

struct results *results_new(struct loop *loop, struct vm *vm, size_t max_bytes) {
    struct results *results = NEW(struct results);
    *results = (struct results){.vm = vm, .loop = loop, .max_bytes = max_bytes};
    list_init(&results->large);
    loop_task_init(&results->next, tell_next);
    return results;
}

void results_free(struct results **owned) {
    struct results *results = *owned;
    struct list *link;
    if (!results) return;
    while ((link = list_pop(&results->large))) {
        struct result *result = CONTAINER(link, struct result, link);
        struct store_request *request = result->answer;
        tell(result, request); /* no task waits for it any more */
        store_request_free(&request);
    }
    loop_task_cancel(&results->next);
    free(results);
    *owned = NULL;
}

struct store_request *results_request(struct results *results, lua_State *L, int op, bind_push *push) {
    struct task_ticket *ticket = task_begin_wait(L);
    struct result *result = NEW(struct result);
    *result = (struct result){.results = results, .ticket = ticket, .push = push};
    return store_request_new((enum store_op)op, request_done, result);
}
