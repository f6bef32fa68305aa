/* SPDX-License-Identifier: Apache-2.0 */
/* bus_message.h - encodes a message: a header of the version, the kind and the publisher, then the body; sealed if the
 * fleet has a secret. Parsing is strict: anyone who can write to Redis can send anything. */
#ifndef BUS_BUS_MESSAGE_H
#define BUS_BUS_MESSAGE_H

#include "bus/bus.h"

struct seal;

/* Appends the message, sealed for its topic (redis/seal.h) unless seal is NULL. All fields must be in range. */
void bus_message_write(struct seal *seal, struct slice topic, const struct bus_message *message, struct buffer *out);
/* The message's slices point into bytes. Returns NULL, or why the message is dropped: "too_large", "malformed",
 * "version", "seal", "kind", "seq". */
const char *bus_message_read(struct seal *seal, struct slice topic, struct slice bytes,
                             struct bus_message *message_r) MUST_CHECK;
/* The publisher of a sealed message, not verified (a worker's own messages need no check); empty: none. */
struct slice bus_message_origin(struct slice bytes);
/* The kind's name in the table, such as "event". */
const char *bus_kind_name(enum bus_kind kind);

#endif
