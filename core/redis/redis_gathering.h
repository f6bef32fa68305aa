/* SPDX-License-Identifier: Apache-2.0 */
/* redis_gathering.h - a command on each primary: as many requests, whose replies are put together. */
#ifndef REDIS_REDIS_GATHERING_H
#define REDIS_REDIS_GATHERING_H

#include "base/slice.h"

struct redis;
struct redis_call;
struct redis_gathering;

/* As redis_command. The reply: an array with the reply of each, REDIS_NIL for one that gave none in time. */
void redis_gathering_command(struct redis *redis, struct redis_call *call, const struct slice *argv, size_t argc);
void redis_gathering_free(struct redis_gathering **gathering);

#endif
