/* SPDX-License-Identifier: Apache-2.0 */
/* program.h - a fuzzer's input read as a program: bytes that are asked for one after the other. Behind the end are
 * zeros. */
#ifndef TESTS_FUZZ_PROGRAM_H
#define TESTS_FUZZ_PROGRAM_H

#include "base/slice.h"

struct program {
    struct slice rest;
};

static inline bool program_over(const struct program *program) {
    return program->rest.len == 0;
}

static inline unsigned char program_byte(struct program *program) {
    if (program_over(program)) return 0;
    unsigned char byte = (unsigned char)program->rest.ptr[0];
    program->rest = slice_from(program->rest, 1);
    return byte;
}

/* A length, and so many bytes, or what is left. */
static inline struct slice program_bytes(struct program *program) {
    size_t len = program_byte(program);
    struct slice bytes = {program->rest.ptr, len < program->rest.len ? len : program->rest.len};
    program->rest = slice_from(program->rest, bytes.len);
    return bytes;
}

#endif
