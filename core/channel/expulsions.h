/* SPDX-License-Identifier: Apache-2.0 */
/* expulsions.h - who was shown out of which channel in the last minute.
 *
 * Whoever follows a channel may say something in it, and who has been shown out follows it no more. But a client that
 * goes while what it said waits leaves no socket behind to look at: then this is asked. It remembers EXPULSIONS_MAX of
 * them; while there were more within the minute, it takes everybody for one of them.
 */
#ifndef CHANNEL_EXPULSIONS_H
#define CHANNEL_EXPULSIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

enum { EXPULSIONS_MAX = 512, EXPULSIONS_KEPT_MS = 60000 };

struct expulsions;
struct loop;

struct expulsions *expulsions_new(struct loop *loop);
void expulsions_free(struct expulsions **expulsions);
/* number: of this expulsion, of all that ever were. False: it has been noted already. */
bool expulsions_note(struct expulsions *expulsions, struct slice user_id, struct slice channel_id, uint64_t number);
bool expulsions_has(const struct expulsions *expulsions, struct slice user_id, struct slice channel_id);

#endif
