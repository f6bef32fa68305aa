/* SPDX-License-Identifier: Apache-2.0 */
#include "lua/testing/odd_store.h"

#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "loop/loop.h"
#include "loop/loop_fd.h"
#include "store/store_driver.h"

struct odd_store {
    struct store_ops ops; /* replaces real */
    const struct store_ops *real;
    enum odd_store_mode mode;
    struct list held;
    unsigned under_way;
    int fd; /* readable once the world ends */
    struct loop_fd *ready;
};

static void refuse(struct store_request *request) {
    request->status = STORE_UNAVAILABLE;
    request->done(request);
    store_request_free(&request);
}

static bool refuse_first(struct odd_store *odd) {
    struct list *link = list_pop(&odd->held);
    if (link) refuse(CONTAINER(link, struct store_request, link));
    return link;
}

static void end_ready(void *owner, int fd, int ready) {
    struct odd_store *odd = owner;
    eventfd_t count;
    (void)ready;
    if (eventfd_read(fd, &count) == 0) (void)refuse_first(odd);
}

/* The owner of a request under way. */
struct asker {
    struct odd_store *odd;
    void (*done)(struct store_request *request);
    void *owner;
};

static void tell_all(struct odd_store *odd) {
    struct list *link;
    while ((link = list_pop(&odd->held))) {
        struct store_request *request = CONTAINER(link, struct store_request, link);
        request->done(request);
        store_request_free(&request);
    }
}

static void answered(struct store_request *request) {
    struct asker *asker = request->owner;
    struct odd_store *odd = asker->odd;
    request->done = asker->done;
    request->owner = asker->owner;
    free(asker);
    odd->under_way--;
    if (odd->mode != ODD_STORE_TOGETHER) {
        request->done(request);
        return;
    }
    list_append(&odd->held, &store_request_keep(request)->link);
    if (odd->under_way == 0) tell_all(odd);
}

static void submit_counted(struct odd_store *odd, struct store *store, struct store_request *request) {
    struct asker *asker = NEW(struct asker);
    *asker = (struct asker){odd, request->done, request->owner};
    request->done = answered;
    request->owner = asker;
    odd->under_way++;
    odd->real->submit(store, request);
}

static void submit(struct store *store, struct store_request *request) {
    struct odd_store *odd = CONTAINER(store->ops, struct odd_store, ops);
    if (odd->mode == ODD_STORE_AT_ONCE)
        refuse(request);
    else if (odd->mode == ODD_STORE_LATE)
        list_append(&odd->held, &request->link);
    else
        submit_counted(odd, store, request);
}

static void close_store(struct store *store, unsigned deadline_ms) {
    struct odd_store *odd = CONTAINER(store->ops, struct odd_store, ops);
    store->ops = odd->real;
    while (refuse_first(odd)) continue;
    store->ops->close(store, deadline_ms);
    loop_fd_free(&odd->ready);
    close(odd->fd);
    free(odd);
}

struct odd_store *odd_store_new(struct loop *loop, struct store *store) {
    struct odd_store *odd = NEW(struct odd_store);
    odd->real = store->ops;
    odd->ops = *store->ops;
    odd->ops.submit = submit;
    odd->ops.close = close_store;
    list_init(&odd->held);
    odd->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    odd->ready = loop_fd_new(loop, odd->fd, LOOP_READ, end_ready, odd);
    store->ops = &odd->ops;
    return odd;
}

void odd_store_set(struct odd_store *odd, enum odd_store_mode mode) {
    odd->mode = mode;
}

unsigned odd_store_under_way(const struct odd_store *odd) {
    return odd->under_way;
}

void odd_store_end(struct odd_store *odd) {
    if (odd->mode == ODD_STORE_LATE) (void)!eventfd_write(odd->fd, 1);
}
