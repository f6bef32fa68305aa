/* script.h - Lua that Redis runs: by its SHA-1, and by its text where a server does not know it yet. */
#ifndef REDIS_SCRIPT_H
#define REDIS_SCRIPT_H

#include "base/slice.h"

struct redis;
struct redis_call;

/* Filled once by redis_script_init; outlives the calls. */
struct redis_script {
    struct slice text;
    char sha1[41];
};

/* text is borrowed for ever: a literal. */
void redis_script_init(struct redis_script *script, struct slice text);
/* As redis_command; all keys have one slot, the first one routes. Keys and arguments are copied. */
void redis_eval(struct redis *redis, struct redis_call *call, const struct redis_script *script,
                const struct slice *keys, size_t keys_len, const struct slice *args, size_t args_len);

#endif
