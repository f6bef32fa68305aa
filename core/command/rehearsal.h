/* SPDX-License-Identifier: Apache-2.0 */
/* rehearsal.h - a start that nobody notices: what `stoa check` does.
 *
 * It takes a start's steps in a start's order, and says what a start would say. It binds no port for longer than a
 * moment, makes no file, and asks neither PostgreSQL nor Redis: whether these answer is nothing that a configuration
 * can be wrong about.
 */
#ifndef COMMAND_REHEARSAL_H
#define COMMAND_REHEARSAL_H

#include <stdbool.h>

#include "base/error.h"

struct config;
struct policy_source;

/* For people: "; Redis was not asked". Before rehearse. */
const char *rehearsal_leaves_out(const struct config *config);
/* The process is of no other use afterwards: it becomes the configuration's user. config must be the caller's alone.
 * False: error_r is "FILE:LINE: KEY: …". */
bool rehearse(struct config *config, const struct policy_source *source, struct error *error_r) MUST_CHECK;

#endif
