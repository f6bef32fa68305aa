/* SPDX-License-Identifier: Apache-2.0 */
/* entropy.h - unpredictable bytes from the kernel. */
#ifndef BASE_ENTROPY_H
#define BASE_ENTROPY_H

#include <stddef.h>

/* Aborts the process if the system has no entropy: the bytes must not be guessable. */
void entropy_fill(void *out, size_t len);

#endif
