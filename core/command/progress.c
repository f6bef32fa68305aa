/* SPDX-License-Identifier: Apache-2.0 */
#include "command/progress.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "base/monotonic.h"

enum { TERMINAL_MS = 200, LINE_MS = 5000 };

/* Short work prints nothing. */
void progress_init(struct progress *progress) {
    *progress = (struct progress){.shown_ms = (int64_t)monotonic_ms(), .is_terminal = isatty(STDERR_FILENO)};
}

void progress_show(struct progress *progress, const char *format, ...) {
    va_list arguments;
    int64_t now = (int64_t)monotonic_ms();
    if (now - progress->shown_ms < (progress->is_terminal ? TERMINAL_MS : LINE_MS)) return;
    progress->shown_ms = now;
    if (progress->is_terminal) fputs("\r\033[K", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    if (!progress->is_terminal) fputc('\n', stderr);
    progress->is_open = progress->is_terminal;
    fflush(stderr);
}

void progress_done(struct progress *progress) {
    if (progress->is_open) fputs("\r\033[K", stderr);
    progress->is_open = false;
}
