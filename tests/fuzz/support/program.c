/* SPDX-License-Identifier: Apache-2.0 */
#include "support/program.h"

bool program_over(const struct program *program) {
    return program->rest.len == 0;
}

unsigned char program_byte(struct program *program) {
    if (program_over(program)) return 0;
    unsigned char byte = (unsigned char)program->rest.ptr[0];
    program->rest = slice_from(program->rest, 1);
    return byte;
}

struct slice program_bytes(struct program *program) {
    size_t len = program_byte(program);
    struct slice bytes = {program->rest.ptr, len < program->rest.len ? len : program->rest.len};
    program->rest = slice_from(program->rest, bytes.len);
    return bytes;
}
