/* SPDX-License-Identifier: Apache-2.0 */
/* newest_page.h - builds the newest messages of a channel, in their current state, from its last events.
 * store_cached.c only.
 *
 * A message has the content of its latest edit and the reactions left by the events read. Every event about a deleted
 * message has blank content. So the log up to the head is enough: no message row is read.
 */
#ifndef STORE_NEWEST_PAGE_H
#define STORE_NEWEST_PAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"

/* events: a JSON array, [[name, payload], …], of all events from after + 1 to the channel's head, from one read of the
 * log; about STORE_ANSWER_BYTES at most. limit: at least 1. json_r: the page is appended, byte for byte what the store
 * answers to MESSAGES without a cursor. more_r: older messages exist. False: the events do not reach back far
 * enough. */
bool newest_page_write(struct slice events, int64_t after, unsigned limit, struct buffer *json_r, bool *more_r);

#endif
