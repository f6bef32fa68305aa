/* SPDX-License-Identifier: Apache-2.0 */
/* expulsions.h - which users were expelled from which channels in the last minute.
 *
 * Followers of a channel may send events to it; an expelled user follows it no longer. If a client disconnects while
 * its event waits, no socket is left to check, so this list is asked. It remembers EXPULSIONS_MAX expulsions. While
 * there were more within the minute, it treats every user as expelled.
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
/* number: identifies this expulsion among all. False: it has been noted already. */
bool expulsions_note(struct expulsions *expulsions, struct slice user_id, struct slice channel_id, uint64_t number);
bool expulsions_has(const struct expulsions *expulsions, struct slice user_id, struct slice channel_id);

#endif
