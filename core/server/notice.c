#include "server/notice.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

bool notice_pair(int ends_r[2]) {
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends_r) == 0;
}

bool notice_send(int end, enum notice_kind kind, unsigned number, const char *text) {
    struct notice notice = {.kind = kind, .number = number};
    snprintf(notice.text, sizeof notice.text, "%s", text ? text : "");
    return send(end, &notice, sizeof notice, MSG_NOSIGNAL) == sizeof notice;
}

enum notice_read notice_receive(int end, struct notice *notice_r) {
    ssize_t len = recv(end, notice_r, sizeof *notice_r, 0);
    if (len == sizeof *notice_r) {
        notice_r->text[sizeof notice_r->text - 1] = '\0';
        return NOTICE_READ;
    }
    return len < 0 && (errno == EAGAIN || errno == EINTR) ? NOTICE_NONE : NOTICE_GONE;
}
