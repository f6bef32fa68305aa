/* SPDX-License-Identifier: Apache-2.0 */
#include "support/fuzz_operator.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "master/control_socket.h"
#include "support/change.h"
#include "support/program.h"

/* STEPS: of the socket, until all that was said is heard. */
enum { STEPS = 3, CROWD = CONTROL_SOCKET_CLIENTS_MAX + 2 };

static const char *const commands[] = {
    "status\n", "reload\n", "status", "\n", "rel", "oad\n", "stop\n", "reload\nstatus\n", "status\r\n",
};
#define LEN(table) (sizeof(table) / sizeof *(table))

static void fail(const char *what) {
    fprintf(stderr, "%s\n", what);
    abort();
}

/* As the master's. */
static void command(void *owner, struct slice text, struct buffer *answer) {
    struct fuzz_operators *operators = owner;
    if (slice_is(text, "reload"))
        operators->reload_wanted = true;
    else
        buffer_append_str(answer, slice_is(text, "status") ? "{\"pid\":1}\n" : "error no such command\n");
}

static const char *path_of(void) {
    static char path[64];
    snprintf(path, sizeof path, "/tmp/stoa-fuzz-%d.sock", (int)getpid());
    return path;
}

static void turn(struct fuzz_operators *operators) {
    struct pollfd polls[CONTROL_SOCKET_POLLS_MAX];
    for (int i = 0; i < STEPS; i++) {
        size_t len = control_socket_poll(operators->control, polls);
        if (poll(polls, len, 0) > 0) control_socket_step(operators->control, polls, len);
    }
}

static int come(struct fuzz_operators *operators) {
    struct error error;
    if (!operators->control) operators->control = control_socket_new(path_of(), command, operators, &error);
    int fd = operators->control ? control_socket_connect(path_of(), &error) : -1;
    if (fd < 0) fail(error.text);
    return fd;
}

static void leave(struct fuzz_operators *operators, unsigned who) {
    if (operators->fds[who] >= 0) close(operators->fds[who]);
    operators->fds[who] = -1;
}

/* More than are heard at a time. */
static void crowd(struct fuzz_operators *operators) {
    int fds[CROWD];
    for (size_t i = 0; i < CROWD; i++) {
        fds[i] = come(operators);
        turn(operators);
    }
    for (size_t i = 0; i < CROWD; i++) close(fds[i]);
}

static void say(struct fuzz_operators *operators, int fd, struct program *program) {
    unsigned which = program_byte(program);
    buffer_clear(&operators->text);
    if (which & 128)
        buffer_append_slice(&operators->text, program_bytes(program));
    else
        buffer_append_str(&operators->text, commands[which % LEN(commands)]);
    change(&operators->text, program);
    if (operators->text.len > 0) (void)!send(fd, operators->text.ptr, operators->text.len, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* False: the server has closed it. */
static bool hear(int fd) {
    char bytes[512];
    ssize_t len;
    while ((len = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT)) > 0) continue;
    return len < 0;
}

bool fuzz_operators_step(struct fuzz_operators *operators, struct program *program) {
    unsigned what = program_byte(program), who = what % OPERATORS;
    int *fd = &operators->fds[who];
    if (*fd < 0) *fd = come(operators);
    switch (what / OPERATORS % 8) {
        case 0:
            leave(operators, who);
            break;
        case 1:
            shutdown(*fd, SHUT_WR);
            break;
        case 2:
            if (!hear(*fd)) leave(operators, who);
            break;
        case 3:
            crowd(operators);
            break;
        default:
            say(operators, *fd, program);
    }
    turn(operators);
    return operators->reload_wanted;
}

void fuzz_operators_answer(struct fuzz_operators *operators, bool reloaded) {
    operators->reload_wanted = false;
    control_socket_answer(operators->control, reloaded ? SLICE("ok generation=2\n") : SLICE("error scripts\n"));
}

void fuzz_operators_open(struct fuzz_operators *operators) {
    *operators = (struct fuzz_operators){0};
    for (unsigned i = 0; i < OPERATORS; i++) operators->fds[i] = -1;
}

void fuzz_operators_close(struct fuzz_operators *operators) {
    struct pollfd polls[CONTROL_SOCKET_POLLS_MAX];
    for (unsigned i = 0; i < OPERATORS; i++) leave(operators, i);
    if (operators->control) {
        turn(operators);
        if (control_socket_poll(operators->control, polls) != 1)
            fail("all operators have left, but there are connections");
        int fd = come(operators);
        if (send(fd, "status\n", 7, MSG_NOSIGNAL) != 7) fail("an operator cannot speak");
        turn(operators);
        char answer[16];
        if (recv(fd, answer, sizeof answer, MSG_DONTWAIT) <= 0) fail("an operator is not heard");
        close(fd);
        control_socket_free(&operators->control);
    }
    buffer_done(&operators->text);
}
