/* SPDX-License-Identifier: Apache-2.0 */
/* resp.h - Redis's protocol (RESP 2): a server's bytes in, whole and bounded redis_values out; a command's bytes. */
#ifndef REDIS_RESP_H
#define REDIS_RESP_H

#include "base/memory.h"
#include "redis/redis.h"

struct arena;
struct buffer;
struct resp_reader;

enum resp_state { RESP_INCOMPLETE, RESP_WHOLE, RESP_BROKEN /* no RESP, or beyond the bound: hang up */ };

enum { RESP_MAX_DEPTH = 8 }; /* of arrays in arrays: a deeper reply is RESP_BROKEN */

/* max_bytes: of one reply, as bytes and as values. */
struct resp_reader *resp_reader_new(size_t max_bytes);
void resp_reader_free(struct resp_reader **reader);
void resp_reader_feed(struct resp_reader *reader, const char *ptr, size_t len);
/* The next reply; it lives until the next call here. */
enum resp_state resp_reader_next(struct resp_reader *reader, const struct redis_value **value_r);

/* False: the arena is too small. */
bool resp_copy(struct arena *arena, const struct redis_value *from, struct redis_value *to) MUST_CHECK;
/* A STRING of exactly this text. */
bool resp_is(const struct redis_value *value, const char *text);
/* An ARRAY's item; one of REDIS_NIL when there is none. */
const struct redis_value *resp_item(const struct redis_value *value, size_t i);

/* Appends a command's bytes. */
void resp_append_command(struct buffer *out, const struct slice *argv, size_t argc);

#endif
