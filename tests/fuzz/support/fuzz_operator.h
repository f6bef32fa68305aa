/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_operator.h - the operators of a fuzzer's world: who speaks with the server's control socket, with any bytes. */
#ifndef TESTS_FUZZ_OPERATOR_H
#define TESTS_FUZZ_OPERATOR_H

#include <stdbool.h>

#include "base/buffer.h"

struct control_socket;
struct program;

enum { OPERATORS = 4 };

struct fuzz_operators {
    struct control_socket *control; /* NULL: nobody has come yet */
    int fds[OPERATORS];             /* -1: not there */
    bool reload_wanted;
    struct buffer text;
};

void fuzz_operators_open(struct fuzz_operators *operators);
/* One does something: who and what, says the program. True: a reload is asked for; fuzz_operators_answer is due. */
bool fuzz_operators_step(struct fuzz_operators *operators, struct program *program);
void fuzz_operators_answer(struct fuzz_operators *operators, bool reloaded);
/* All leave. Aborts unless they are forgotten and the next one is heard. */
void fuzz_operators_close(struct fuzz_operators *operators);

#endif
