/* SPDX-License-Identifier: Apache-2.0 */
/* alert.h - tells the scripts that something is wrong, or right again: the hook "alert". */
#ifndef WORKER_ALERT_H
#define WORKER_ALERT_H

#include "base/slice.h"

struct worker;

/* what: a word. details: JSON. The hook runs from the loop, not within the call. */
void alert(struct worker *worker, const char *what, struct slice details);

#endif
