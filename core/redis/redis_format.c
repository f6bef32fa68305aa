#include "redis/redis_format.h"

#include <hiredis/hiredis.h>
#include <stdlib.h>

enum { FEW = 64 };

void redis_format(struct buffer *out, const struct slice *argv, size_t argc) {
    const char *few_ptrs[FEW], **ptrs = argc <= FEW ? few_ptrs : NEW_ARRAY(const char *, argc);
    size_t few_lens[FEW], *lens = argc <= FEW ? few_lens : NEW_ARRAY(size_t, argc);
    for (size_t i = 0; i < argc; i++) {
        ptrs[i] = argv[i].ptr ? argv[i].ptr : "";
        lens[i] = argv[i].len;
    }
    char *command = NULL;
    long long len = redisFormatCommandArgv(&command, (int)argc, ptrs, lens);
    if (len < 0) abort(); /* out of memory */
    buffer_append(out, command, (size_t)len);
    redisFreeCommand(command);
    if (ptrs != few_ptrs) free(ptrs);
    if (lens != few_lens) free(lens);
}
