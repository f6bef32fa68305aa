/* SPDX-License-Identifier: Apache-2.0 */
/* error.h - one line for the operator when the configuration or a script is wrong. */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include "base/memory.h"

struct error {
    char text[512];
};

/* Truncates what does not fit. error_r may be NULL. */
void error_set(struct error *error_r, const char *format, ...) PRINTF_LIKE(2, 3);

#endif
