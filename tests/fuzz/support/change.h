/* SPDX-License-Identifier: Apache-2.0 */
/* change.h - a text of a fuzzer, changed as its program says. */
#ifndef TESTS_FUZZ_CHANGE_H
#define TESTS_FUZZ_CHANGE_H

struct buffer;
struct program;

/* Half of the texts stay unchanged. */
void change(struct buffer *text, struct program *program);

#endif
