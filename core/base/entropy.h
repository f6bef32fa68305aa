/* SPDX-License-Identifier: Apache-2.0 */
/* entropy.h - unpredictable bytes from the kernel. */
#ifndef BASE_ENTROPY_H
#define BASE_ENTROPY_H

#include <stddef.h>

/* A system without entropy ends the process: nothing here may be guessable. */
void entropy_fill(void *out, size_t len);

#endif
