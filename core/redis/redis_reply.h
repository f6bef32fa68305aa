/* redis_reply.h - bytes of a server in, redis_values out: whole ones, bounded. */
#ifndef REDIS_REDIS_REPLY_H
#define REDIS_REDIS_REPLY_H

#include "base/memory.h"
#include "redis/redis.h"

struct arena;
struct reply_reader;

enum reply_state { REPLY_INCOMPLETE, REPLY_WHOLE, REPLY_BROKEN /* no RESP, or beyond the bound: hang up */ };

enum { REPLY_MAX_DEPTH = 8 }; /* of arrays in arrays: a deeper reply is REPLY_BROKEN */

/* max_bytes: of one reply, as bytes and as values. */
struct reply_reader *reply_reader_new(size_t max_bytes);
void reply_reader_free(struct reply_reader **reader);
void reply_reader_feed(struct reply_reader *reader, const char *ptr, size_t len);
/* The next reply; it lives until the next call here. */
enum reply_state reply_reader_next(struct reply_reader *reader, const struct redis_value **value_r);

/* False: the arena is too small. */
bool reply_copy(struct arena *arena, const struct redis_value *from, struct redis_value *to) MUST_CHECK;
/* A STRING of exactly this text. */
bool reply_is(const struct redis_value *value, const char *text);
/* An ARRAY's item; one of REDIS_NIL when there is none. */
const struct redis_value *reply_item(const struct redis_value *value, size_t i);

#endif
