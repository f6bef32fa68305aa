/* SPDX-License-Identifier: Apache-2.0 */
/* bus_message.h - a message as bytes: a header of the version, the kind and who published it, then the body; sealed if
 * the fleet has a secret. Strict: whoever can write to Redis can send anything. */
#ifndef BUS_BUS_MESSAGE_H
#define BUS_BUS_MESSAGE_H

#include "bus/bus.h"

struct seal;

/* Appends the message, sealed for its topic (redis/seal.h) unless seal is NULL. Its fields are in their ranges. */
void bus_message_write(struct seal *seal, struct slice topic, const struct bus_message *message, struct buffer *out);
/* The message's slices point into bytes. NULL, or why it is dropped: "too_large", "malformed", "version", "seal",
 * "kind", "seq". */
const char *bus_message_read(struct seal *seal, struct slice topic, struct slice bytes,
                             struct bus_message *message_r) MUST_CHECK;
/* The sealed bytes' publisher, unchecked (own messages need no check); empty when there is none. */
struct slice bus_message_origin(struct slice bytes);
/* "event"; a kind of the table. */
const char *bus_kind_name(enum bus_kind kind);

#endif
