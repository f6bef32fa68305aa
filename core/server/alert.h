/* alert.h - tells the scripts that something is wrong, or right again: the hook "alert". */
#ifndef SERVER_ALERT_H
#define SERVER_ALERT_H

#include "base/slice.h"

struct worker;

/* what: a constant word. details: JSON. Nobody's answer is waited for. */
void alert(struct worker *worker, const char *what, struct slice details);

#endif
