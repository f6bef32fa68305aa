/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void error_set(struct error *error_r, const char *format, ...) {
    if (!error_r) return;
    /* Formats into a copy first: the arguments may contain the old text. */
    struct error text;
    va_list args;
    va_start(args, format);
    vsnprintf(text.text, sizeof(text.text), format, args);
    va_end(args);
    for (char *c = text.text; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f) *c = ' ';
    *error_r = text;
}
