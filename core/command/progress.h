/* SPDX-License-Identifier: Apache-2.0 */
/* progress.h - shows the progress of a long shell command on stderr: one line that is updated on a terminal, else a
 * line every few seconds.
 */
#ifndef COMMAND_PROGRESS_H
#define COMMAND_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
    int64_t shown_ms;
    bool is_terminal, is_open; /* is_open: a line on the terminal has no newline yet */
};

void progress_init(struct progress *progress);
/* Shows the line if it is due. */
void progress_show(struct progress *progress, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Call before anything else is printed. */
void progress_done(struct progress *progress);

#endif
