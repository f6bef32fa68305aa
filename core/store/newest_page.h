/* SPDX-License-Identifier: Apache-2.0 */
/* newest_page.h - the newest messages of a channel, as they stand, out of its last events. store_cached.c only.
 *
 * A message stands as its latest edit says, with the reactions that the events between have left. One that was deleted
 * is blank in each event that tells it. So the log up to the head is enough; no row of a message is read.
 */
#ifndef STORE_NEWEST_PAGE_H
#define STORE_NEWEST_PAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"

/* events: a JSON array, [[name, payload], …], of all events from after + 1 to the channel's head, as one reading of the
 * log tells them; of at most some STORE_ANSWER_BYTES. limit: from 1. json_r: appended, byte for byte what the store
 * answers to MESSAGES without a cursor; more_r: there are older ones. False: they do not reach back so far. */
bool newest_page_write(struct slice events, int64_t after, unsigned limit, struct buffer *json_r, bool *more_r);

#endif
