/* SPDX-License-Identifier: Apache-2.0 */
/* progress.h - how far a long command of the shell is: one line that changes on a terminal, else a line every few
 * seconds, on stderr.
 */
#ifndef COMMAND_PROGRESS_H
#define COMMAND_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
    int64_t shown_ms;
    bool is_terminal, is_open; /* is_open: a line on the terminal has no end yet */
};

void progress_init(struct progress *progress);
/* Shown, if it is time. */
void progress_show(struct progress *progress, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Before anything else is printed. */
void progress_done(struct progress *progress);

#endif
