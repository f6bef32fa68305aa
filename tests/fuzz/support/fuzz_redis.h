/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_redis.h - the Redis of a fuzzer's world: a scripted server on a port of this machine, on the world's loop. It
 * answers as Redis does, or as the input says: not at all, with what is no answer, or it is not there.
 */
#ifndef TESTS_FUZZ_REDIS_H
#define TESTS_FUZZ_REDIS_H

#include <stdbool.h>

#include "base/slice.h"

struct fuzz_redis;
struct loop;
struct program;

/* "HOST:PORT", the same for all worlds of this process. */
const char *fuzz_redis_address(void);
struct fuzz_redis *fuzz_redis_new(struct loop *loop);
/* After all that speaks with it. */
void fuzz_redis_free(struct fuzz_redis **redis);
/* Something befalls it: what, says the program. */
void fuzz_redis_step(struct fuzz_redis *redis, struct program *program);

#endif
