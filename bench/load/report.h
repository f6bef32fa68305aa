/* SPDX-License-Identifier: Apache-2.0 */
/* report.h - a load's results for people and for programs. */
#ifndef LOAD_REPORT_H
#define LOAD_REPORT_H

#include <stdio.h>

#include "load/lead.h"

void report_text(FILE *out, const struct plan *plan, const struct result *result);
/* One JSON object; times in µs, memory in bytes. */
void report_json(FILE *out, const struct plan *plan, const struct result *result);

#endif
