/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_operator.h - the operators of a fuzzer's world, who send any bytes to the server's control socket. */
#ifndef TESTS_FUZZ_OPERATOR_H
#define TESTS_FUZZ_OPERATOR_H

#include <stdbool.h>

#include "base/buffer.h"

struct control_socket;
struct program;

enum { OPERATORS = 4 };

struct fuzz_operators {
    struct control_socket *control; /* NULL: nobody has connected yet */
    int fds[OPERATORS];             /* -1: not connected */
    bool reload_wanted;
    struct buffer text;
};

void fuzz_operators_open(struct fuzz_operators *operators);
/* One operator acts; the program decides who and how. True: a reload was requested, fuzz_operators_answer is due. */
bool fuzz_operators_step(struct fuzz_operators *operators, struct program *program);
void fuzz_operators_answer(struct fuzz_operators *operators, bool reloaded);
/* All leave. Aborts unless nothing of them remains and a new one is served. */
void fuzz_operators_close(struct fuzz_operators *operators);

#endif
