#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdlib.h>

#include "loop/loop_state.h"

struct loop_fd {
    struct event event; /* within: one allocation a connection less */
    int interest;
    void (*ready)(void *owner, int fd, int ready);
    void *owner;
};

struct loop_signal {
    struct event *event;
    void (*caught)(void *owner, int signal_number);
    void *owner;
};

static void fd_ready(evutil_socket_t number, short what, void *owner) {
    struct loop_fd *fd = owner;
    fd->ready(
        fd->owner, number,
        (what & EV_READ ? LOOP_READ : 0) | (what & EV_WRITE ? LOOP_WRITE : 0) | (what & EV_CLOSED ? LOOP_HANGUP : 0));
}

struct loop_fd *loop_fd_new(struct loop *loop, int fd, int interest, void (*ready)(void *owner, int fd, int ready),
                            void *owner) {
    struct loop_fd *new = NEW(struct loop_fd);
    new->ready = ready;
    new->owner = owner;
    if (event_assign(&new->event, loop->base, fd, EV_PERSIST, fd_ready, new) != 0) abort();
    loop_fd_set(new, interest);
    return new;
}

void loop_fd_set(struct loop_fd *fd, int interest) {
    if (fd->interest == interest) return;
    short what = (short)((interest & LOOP_READ ? EV_READ : 0) | (interest & LOOP_WRITE ? EV_WRITE : 0) |
                         (interest & LOOP_HANGUP ? EV_CLOSED : 0) | EV_PERSIST);
    if (fd->interest) event_del(&fd->event);
    fd->interest = interest;
    if (!interest) return;
    event_assign(&fd->event, event_get_base(&fd->event), event_get_fd(&fd->event), what, fd_ready, fd);
    if (event_add(&fd->event, NULL) != 0) abort();
}

void loop_fd_free(struct loop_fd **fd) {
    if (!*fd) return;
    event_del(&(*fd)->event);
    free(*fd);
    *fd = NULL;
}

static void signal_caught(evutil_socket_t number, short what, void *owner) {
    struct loop_signal *signal = owner;
    signal->caught(signal->owner, number);
}

struct loop_signal *loop_signal_new(struct loop *loop, int signal_number,
                                    void (*caught)(void *owner, int signal_number), void *owner) {
    struct loop_signal *signal = NEW(struct loop_signal);
    signal->caught = caught;
    signal->owner = owner;
    signal->event = evsignal_new(loop->base, signal_number, signal_caught, signal);
    if (!signal->event || event_add(signal->event, NULL) != 0) abort();
    return signal;
}

void loop_signal_free(struct loop_signal **signal) {
    if (!*signal) return;
    event_free((*signal)->event);
    free(*signal);
    *signal = NULL;
}
