/* SPDX-License-Identifier: Apache-2.0 */
/* msgpack.h - MessagePack to and from JSON, as the Redis adapters of Socket.IO use it (notepack.io). Pure.
 *
 * Binary values stand in the JSON as Socket.IO's placeholders, {"_placeholder":true,"num":i}, numbered in the order in
 * which they come. So all other code knows only JSON and attachments.
 */
#ifndef WIRE_MSGPACK_H
#define WIRE_MSGPACK_H

#include "base/buffer.h"

enum { MSGPACK_DEPTH_MAX = 32, MSGPACK_ATTACHMENTS_MAX = 10 };

struct msgpack_binaries {
    struct slice items[MSGPACK_ATTACHMENTS_MAX];
    unsigned len;
};

/* Appends one value, all of bytes, as JSON. Binaries are borrowed from bytes. undefined and what JSON has no number for
 * become null, times (both forms that notepack.io had) ISO 8601 texts. False: not MessagePack, keys that are no text,
 * text that is not UTF-8, too deep, more than MSGPACK_ATTACHMENTS_MAX binaries, or beside binaries a map that looks
 * like a placeholder; json is as it was. */
bool msgpack_read(struct slice bytes, struct buffer *json, struct msgpack_binaries *binaries_r) MUST_CHECK;

/* Appends validated JSON as MessagePack, each number in its shortest form; a placeholder of one of the attachments as
 * that binary. */
void msgpack_write(struct buffer *out, struct slice json, const struct slice *attachments, unsigned attachments_len);

#endif
