/* SPDX-License-Identifier: Apache-2.0 */
#include "base/map.h"
#include "redis/redis_internal.h"

#include "inside/inside.h"

size_t subscriber_wanted(const struct subscriber *subscriber, size_t *missing_r) {
    const struct topic *topic;
    size_t cursor = 0, wanted = 0;
    *missing_r = 0;
    while ((topic = map_next(subscriber->topics, &cursor))) {
        wanted += topic->wanted;
        *missing_r += topic->wanted && topic->state != TOPIC_SUBSCRIBED;
    }
    return wanted;
}
