/* SPDX-License-Identifier: Apache-2.0 */
/* rehearsal.h - rehearses a start without side effects, for `stoa check`.
 *
 * It takes the steps of a start in the same order, and reports what a start would report. It binds no port for longer
 * than a moment, creates no file, and connects to neither PostgreSQL nor Redis: whether they answer does not depend on
 * the configuration.
 */
#ifndef COMMAND_REHEARSAL_H
#define COMMAND_REHEARSAL_H

#include <stdbool.h>

#include "base/error.h"

struct config;
struct policy_source;

/* For people: "; Redis was not asked". Call before rehearse. */
const char *rehearsal_leaves_out(const struct config *config);
/* Do not use the process for anything else afterwards: it switches to the configured user. The caller must be the only
 * user of config. False: error_r is "FILE:LINE: KEY: …". */
bool rehearse(struct config *config, const struct policy_source *source, struct error *error_r) MUST_CHECK;

#endif
