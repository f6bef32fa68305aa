/* SPDX-License-Identifier: Apache-2.0 */
/* error.h - what an operator reads when his configuration or script is wrong. One line. */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include "base/memory.h"

struct error {
    char text[512];
};

/* Cuts what does not fit. error_r may be NULL. */
void error_set(struct error *error_r, const char *format, ...) PRINTF_LIKE(2, 3);

#endif
