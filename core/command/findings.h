/* SPDX-License-Identifier: Apache-2.0 */
/* findings.h - prints the findings of `stoa verify`, as text or JSON: one line each, the first hundred. */
#ifndef COMMAND_FINDINGS_H
#define COMMAND_FINDINGS_H

#include <stdio.h>

#include "command/progress.h"
#include "store/verify.h"

enum { FINDINGS_SHOWN = 100 };

struct findings {
    struct verify verify;
    struct progress progress;
    FILE *out;
    bool json;
    bool (*is_wanted)(void *owner); /* false stops; NULL: run to the end */
    void *owner;
};

/* Makes findings->verify ready for use. */
void findings_init(struct findings *findings, FILE *out, bool json);
/* Prints how many were not shown, if any. */
void findings_done(struct findings *findings);

#endif
