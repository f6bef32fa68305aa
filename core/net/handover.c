/* SPDX-License-Identifier: Apache-2.0 */
#include "net/handover.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/metrics.h"
#include "loop/loop_fd.h"
#include "net/listener.h"
#include "net/net_internal.h"

enum { HANDOVERS_A_TURN = 64 };

struct handover_inbox {
    struct net_server *server;
    struct loop_fd *ready;
};

/* Room for one descriptor beside the message. */
union ancillary {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(int))];
};

bool handover_send(int inbox, int fd, const struct handover *handover, struct slice unread) {
    union ancillary ancillary = {0};
    struct iovec bytes[] = {{(void *)handover, sizeof *handover}, {(void *)unread.ptr, unread.len}};
    struct msghdr message = {
        .msg_iov = bytes, .msg_iovlen = 2, .msg_control = ancillary.bytes, .msg_controllen = sizeof ancillary.bytes};
    if (unread.len > HANDOVER_BYTES) return false;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(header), &fd, sizeof fd);
    return sendmsg(inbox, &message, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)(sizeof *handover + unread.len);
}

/* -1: the inbox is empty. *fd_r is -1 when this process had no free descriptor. */
static int receive(int inbox, struct handover *handover, struct buffer *unread, int *fd_r) {
    union ancillary ancillary = {0};
    struct iovec bytes[] = {{handover, sizeof *handover}, {buffer_reserve(unread, HANDOVER_BYTES), HANDOVER_BYTES}};
    struct msghdr message = {
        .msg_iov = bytes, .msg_iovlen = 2, .msg_control = ancillary.bytes, .msg_controllen = sizeof ancillary.bytes};
    *fd_r = -1;
    ssize_t n = recvmsg(inbox, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (n < (ssize_t)sizeof *handover) return -1;
    unread->len = (size_t)n - sizeof *handover;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (header && header->cmsg_type == SCM_RIGHTS && header->cmsg_len == CMSG_LEN(sizeof *fd_r))
        memcpy(fd_r, CMSG_DATA(header), sizeof *fd_r);
    return 0;
}

static void take(struct net_server *server, int fd, const struct handover *handover, struct slice unread) {
    const struct net_events *events = &server->events;
    struct seat seat = {0};
    unsigned retry_after_s;
    if (fd < 0) {
        conn_refuse(fd, &handover->peer, "descriptors");
    } else if (events->seat &&
               events->seat(server->owner, net_named(server, &handover->peer), &seat, &retry_after_s) != ADMIT) {
        conn_refuse(fd, &handover->peer, "full");
    } else {
        metric_add(METRIC_HANDED, 1);
        conn_take(server, fd, handover, &seat, unread);
    }
}

static void inbox_ready(void *owner, int inbox_fd, int ready) {
    struct net_server *server = ((struct handover_inbox *)owner)->server;
    struct buffer unread = {0};
    struct handover handover;
    int fd;
    for (int i = 0; i < HANDOVERS_A_TURN && receive(inbox_fd, &handover, &unread, &fd) == 0; i++) {
        take(server, fd, &handover, buffer_slice(&unread));
        buffer_clear(&unread);
    }
    buffer_done(&unread);
}

struct handover_inbox *handover_inbox_new(struct net_server *server, int fd) {
    struct handover_inbox *inbox = NEW(struct handover_inbox);
    inbox->server = server;
    inbox->ready = loop_fd_new(server->loop, fd, LOOP_READ, inbox_ready, inbox);
    return inbox;
}

void handover_inbox_free(struct handover_inbox **inbox) {
    if (!*inbox) return;
    loop_fd_free(&(*inbox)->ready);
    free(*inbox);
    *inbox = NULL;
}

void handover_discard(int inbox_fd) {
    struct buffer unread = {0};
    struct handover handover;
    int fd;
    for (; receive(inbox_fd, &handover, &unread, &fd) == 0; buffer_clear(&unread))
        if (fd >= 0) close(fd);
    buffer_done(&unread);
}
