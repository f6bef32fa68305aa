/* redis_format.h - a command's bytes. */
#ifndef REDIS_REDIS_FORMAT_H
#define REDIS_REDIS_FORMAT_H

#include "base/buffer.h"

void redis_format(struct buffer *out, const struct slice *argv, size_t argc);

#endif
