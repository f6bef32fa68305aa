/* SPDX-License-Identifier: Apache-2.0 */
/* program.h - a fuzzer's input read as a program: bytes that are asked for one after the other. Behind the end are
 * zeros. */
#ifndef TESTS_FUZZ_PROGRAM_H
#define TESTS_FUZZ_PROGRAM_H

#include "base/slice.h"

struct program {
    struct slice rest;
};

bool program_over(const struct program *program);

unsigned char program_byte(struct program *program);

/* A length, and so many bytes, or what is left. */
struct slice program_bytes(struct program *program);

#endif
