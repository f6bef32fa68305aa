/* SPDX-License-Identifier: Apache-2.0 */
#include "process/master_messages.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

bool master_message_pair(int ends_r[2]) {
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends_r) == 0;
}

bool master_message_send(int end, enum master_message_kind kind, unsigned number, const char *text) {
    struct master_message message = {.kind = kind, .number = number};
    snprintf(message.text, sizeof message.text, "%s", text ? text : "");
    return send(end, &message, sizeof message, MSG_NOSIGNAL) == sizeof message;
}

enum master_message_read master_message_receive(int end, struct master_message *notice_r) {
    ssize_t len = recv(end, notice_r, sizeof *notice_r, 0);
    if (len == sizeof *notice_r) {
        notice_r->text[sizeof notice_r->text - 1] = '\0';
        return MASTER_MESSAGE_READ;
    }
    return len < 0 && (errno == EAGAIN || errno == EINTR) ? MASTER_MESSAGE_NONE : MASTER_MESSAGE_GONE;
}
