/* control.h - the Unix socket where `stoa reload` and `stoa status` speak with the master: one line in, one line out.
 *
 * Only the server's own user and root are heard (mode 0600, and SO_PEERCRED for kernels that ignore the mode).
 */
#ifndef SERVER_CONTROL_H
#define SERVER_CONTROL_H

#include <poll.h>
#include <stdbool.h>

#include "base/buffer.h"
#include "base/error.h"

struct control;

enum { CONTROL_CLIENTS_MAX = 15, CONTROL_POLLS_MAX = CONTROL_CLIENTS_MAX + 1, CONTROL_ASK_S = 120 };

/* Answers the command by appending to answer; or appends nothing: control_answer follows. */
typedef void control_command(void *owner, struct slice command, struct buffer *answer);

struct control *control_new(const char *path, control_command *command, void *owner, struct error *error_r) MUST_CHECK;
/* Removes the name, too. */
void control_free(struct control **control);
/* In a new process: forgets the sockets, leaves the name. */
void control_abandon(struct control **control);
/* What to poll for; CONTROL_POLLS_MAX at most. */
size_t control_poll(const struct control *control, struct pollfd *polls);
/* The same array after poll(2). */
void control_step(struct control *control, const struct pollfd *polls, size_t len);
/* To all whose command has no answer yet. */
void control_answer(struct control *control, struct slice answer);

/* The other side. -1: no server is there. */
int control_connect(const char *path, struct error *error_r);
/* Blocks, at most CONTROL_ASK_S; closes fd. */
bool control_ask(int fd, const char *command, struct buffer *answer, struct error *error_r) MUST_CHECK;

#endif
