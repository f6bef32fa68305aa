/* SPDX-License-Identifier: Apache-2.0 */
/* resp.h - Redis's protocol (RESP 2): parses a server's bytes into complete, bounded redis_values; encodes commands. */
#ifndef REDIS_RESP_H
#define REDIS_RESP_H

#include "base/memory.h"
#include "redis/redis.h"

struct arena;
struct buffer;
struct resp_reader;

enum resp_state { RESP_INCOMPLETE, RESP_WHOLE, RESP_BROKEN /* not RESP, or too large: hang up */ };

enum { RESP_MAX_DEPTH = 8 }; /* of nested arrays; a deeper reply is RESP_BROKEN */

/* max_bytes: bound of one reply, both encoded and as values. */
struct resp_reader *resp_reader_new(size_t max_bytes);
void resp_reader_free(struct resp_reader **reader);
void resp_reader_feed(struct resp_reader *reader, const char *ptr, size_t len);
/* The next reply; valid until the next call. */
enum resp_state resp_reader_next(struct resp_reader *reader, const struct redis_value **value_r);

/* A deep copy. False: the arena is too small. */
bool resp_copy(struct arena *arena, const struct redis_value *from, struct redis_value *to) MUST_CHECK;
/* Is it a STRING with exactly this text? */
bool resp_is(const struct redis_value *value, const char *text);
/* An item of an ARRAY; a REDIS_NIL value if it does not exist. */
const struct redis_value *resp_item(const struct redis_value *value, size_t i);

/* Appends a command's bytes. */
void resp_append_command(struct buffer *out, const struct slice *argv, size_t argc);

#endif
