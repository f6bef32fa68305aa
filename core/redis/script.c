#include "redis/script.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#include "redis/redis_request.h"

void redis_script_init(struct redis_script *script, struct slice text) {
    unsigned char digest[20];
    script->text = text;
    if (!EVP_Digest(text.ptr, text.len, digest, NULL, EVP_sha1(), NULL)) abort();
    for (size_t i = 0; i < sizeof(digest); i++) snprintf(script->sha1 + 2 * i, 3, "%02x", digest[i]);
}

void redis_eval(struct redis *redis, struct redis_call *call, const struct redis_script *script,
                const struct slice *keys, size_t keys_len, const struct slice *args, size_t args_len) {
    char count[24];
    size_t argc = 3 + keys_len + args_len;
    struct slice *argv = NEW_ARRAY(struct slice, argc);
    argv[0] = SLICE("EVALSHA");
    argv[1] = (struct slice){script->sha1, sizeof(script->sha1) - 1};
    argv[2] = (struct slice){count, (size_t)snprintf(count, sizeof(count), "%zu", keys_len)};
    for (size_t i = 0; i < keys_len; i++) argv[3 + i] = keys[i];
    for (size_t i = 0; i < args_len; i++) argv[3 + keys_len + i] = args[i];
    struct redis_request *request =
        redis_request_new(redis, call, keys_len ? redis_slot(keys[0]) : ANY_SLOT, argv, argc);
    request->script = script;
    redis_request_queue(request);
    free(argv);
}
