/* SPDX-License-Identifier: Apache-2.0 */
/* repeated_messages.h - messages that must arrive although the bus may lose some: repeats them every
 * REPEATED_MESSAGES_EVERY_MS until the bus has worked for REPEATED_MESSAGES_FOR_MS. Receivers must tolerate duplicates.
 */
#ifndef WORKER_REPEATED_MESSAGES_H
#define WORKER_REPEATED_MESSAGES_H

#include "base/slice.h"

struct bus;
struct bus_message;
struct repeated_messages;
struct loop;

/* MAX: beyond, the oldest message is dropped. */
enum { REPEATED_MESSAGES_EVERY_MS = 1500, REPEATED_MESSAGES_FOR_MS = 4500, REPEATED_MESSAGES_MAX = 10000 };

/* bus outlives it. */
struct repeated_messages *repeated_messages_new(struct loop *loop, struct bus *bus);
void repeated_messages_free(struct repeated_messages **repeated);
/* Publishes now and repeatedly; uses only the message's kind and body. */
void repeated_messages_publish(struct repeated_messages *repeated, struct slice topic,
                               const struct bus_message *message);

#endif
