/* SPDX-License-Identifier: Apache-2.0 */
/* control_socket.h - the Unix socket where `stoa reload` and `stoa status` speak with the master: one line in, one line
 * out.
 *
 * Accepts only the server's own user and root (mode 0600, and SO_PEERCRED for kernels that ignore the mode).
 */
#ifndef MASTER_CONTROL_SOCKET_H
#define MASTER_CONTROL_SOCKET_H

#include <poll.h>
#include <stdbool.h>

#include "base/buffer.h"
#include "base/error.h"

struct control_socket;

enum {
    CONTROL_SOCKET_CLIENTS_MAX = 15,
    CONTROL_SOCKET_POLLS_MAX = CONTROL_SOCKET_CLIENTS_MAX + 1,
    CONTROL_SOCKET_ASK_S = 120
};

/* Appends the answer; appending nothing means that control_socket_answer follows later. */
typedef void control_socket_command(void *owner, struct slice command, struct buffer *answer);

struct control_socket *control_socket_new(const char *path, control_socket_command *command, void *owner,
                                          struct error *error_r) MUST_CHECK;
/* Also removes the socket's file. */
void control_socket_free(struct control_socket **control);
/* Call in a new process: closes its copies, keeps the socket's file. */
void control_socket_abandon(struct control_socket **control);
/* What to poll for; CONTROL_SOCKET_POLLS_MAX at most. */
size_t control_socket_poll(const struct control_socket *control, struct pollfd *polls);
/* Pass the same array after poll(2). */
void control_socket_step(struct control_socket *control, const struct pollfd *polls, size_t len);
/* Answers all commands that have no answer yet. */
void control_socket_answer(struct control_socket *control, struct slice answer);

/* The other side. -1: no server is there. */
int control_socket_connect(const char *path, struct error *error_r);
/* Blocks, at most CONTROL_SOCKET_ASK_S; closes fd. */
bool control_socket_ask(int fd, const char *command, struct buffer *answer, struct error *error_r) MUST_CHECK;

#endif
