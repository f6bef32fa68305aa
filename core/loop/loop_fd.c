/* SPDX-License-Identifier: Apache-2.0 */
#include "loop/loop_fd.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <poll.h>
#include <stdlib.h>

#include "loop/loop_internal.h"

struct loop_fd {
    struct event event; /* embedded: saves one allocation per connection */
    int interest;
    void (*ready)(void *owner, int fd, int ready);
    void *owner;
};

/* libevent reports a broken connection as readable, not as closed. */
static bool has_hung_up(int fd) {
    struct pollfd poller = {.fd = fd, .events = POLLRDHUP};
    return poll(&poller, 1, 0) > 0;
}

/* libevent knows the loop; a pointer here would cost memory for each idle client. */
static void fd_ready(evutil_socket_t number, short what, void *loop_arg) {
    struct loop *loop = loop_arg;
    struct loop_fd *fd = CONTAINER(event_base_get_running_event(loop->base), struct loop_fd, event);
    int ready = (what & EV_READ ? LOOP_READ : 0) | (what & EV_WRITE ? LOOP_WRITE : 0);
    if (fd->interest & LOOP_HANGUP && (what & EV_CLOSED || has_hung_up(number))) ready |= LOOP_HANGUP;
    ready &= fd->interest;
    if (!ready) return;
    pace_wake(loop);
    fd->ready(fd->owner, number, ready);
    if (pace_count(loop)) event_base_loopbreak(loop->base); /* the others wait in libevent's queue */
}

/* Translates our interest for libevent. Hang-up alone is edge-triggered, so that waiting bytes do not wake the loop. */
static short events_of(int interest) {
    short what = EV_PERSIST;
    if (interest & LOOP_READ) what |= EV_READ;
    if (interest & LOOP_WRITE) what |= EV_WRITE;
    if (interest & LOOP_HANGUP) what |= EV_CLOSED;
    return interest == LOOP_HANGUP ? what | EV_READ | EV_ET : what;
}

struct loop_fd *loop_fd_new(struct loop *loop, int fd, int interest, void (*ready)(void *owner, int fd, int ready),
                            void *owner) {
    struct loop_fd *new = NEW(struct loop_fd);
    new->ready = ready;
    new->owner = owner;
    if (event_assign(&new->event, loop->base, fd, EV_PERSIST, fd_ready, loop) != 0) abort();
    loop_fd_set(new, interest);
    return new;
}

void loop_fd_set(struct loop_fd *fd, int interest) {
    if (fd->interest == interest) return;
    if (fd->interest) event_del(&fd->event);
    fd->interest = interest;
    if (!interest) return;
    event_assign(&fd->event, event_get_base(&fd->event), event_get_fd(&fd->event), events_of(interest), fd_ready,
                 event_get_callback_arg(&fd->event));
    if (event_add(&fd->event, NULL) != 0) abort();
}

void loop_fd_free(struct loop_fd **fd) {
    if (!*fd) return;
    event_del(&(*fd)->event);
    free(*fd);
    *fd = NULL;
}
