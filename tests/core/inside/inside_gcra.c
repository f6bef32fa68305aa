/* SPDX-License-Identifier: Apache-2.0 */
#include "limit/gcra.c"

#include "inside/inside.h"

size_t limiter_keys(const struct limiter *limiter) {
    return map_size(limiter->buckets);
}
