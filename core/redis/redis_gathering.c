/* SPDX-License-Identifier: Apache-2.0 */
#include "redis/redis_gathering.h"

#include <stdlib.h>

#include "base/arena.h"
#include "redis/redis_request.h"
#include "redis/resp.h"

struct gathering_part {
    struct redis_call call;
    struct redis_gathering *gathering;
};

struct redis_gathering {
    struct redis_request *whole;
    struct arena arena; /* memory of the replies */
    struct redis_value *replies;
    size_t len, due;
    struct gathering_part parts[];
};

void redis_gathering_free(struct redis_gathering **owner) {
    struct redis_gathering *gathering = *owner;
    if (!gathering) return;
    for (size_t i = 0; i < gathering->len; i++) redis_forget(&gathering->parts[i].call);
    arena_done(&gathering->arena);
    free(gathering->replies);
    free(gathering);
    *owner = NULL;
}

static void part_done(struct redis_call *call, const struct redis_answer *answer) {
    struct gathering_part *part = CONTAINER(call, struct gathering_part, call);
    struct redis_gathering *gathering = part->gathering;
    struct redis_value *reply = &gathering->replies[part - gathering->parts];
    if (!answer->value || !resp_copy(&gathering->arena, answer->value, reply))
        *reply = (struct redis_value){.type = REDIS_NIL};
    if (--gathering->due > 0) return;
    struct redis_value all = {.type = REDIS_ARRAY, .items = gathering->replies, .items_len = gathering->len};
    redis_request_finish(gathering->whole, &(struct redis_answer){.status = REDIS_DONE, .value = &all});
}

static size_t count_primaries(const struct redis *redis) {
    size_t count = 0;
    LIST_EACH(&redis->nodes, link) count += CONTAINER(link, struct redis_node, link)->primary;
    return count;
}

static void ask_each(struct redis_gathering *gathering, const struct slice *argv, size_t argc) {
    struct redis *redis = gathering->whole->redis;
    struct gathering_part *part = gathering->parts;
    LIST_EACH(&redis->nodes, link) {
        struct redis_node *node = CONTAINER(link, struct redis_node, link);
        if (!node->primary) continue;
        const struct redis_call *asked = gathering->whole->call;
        part->gathering = gathering;
        part->call = (struct redis_call){.done = part_done, .deadline_ms = asked ? asked->deadline_ms : 0};
        struct redis_request *request = redis_request_new(redis, &part->call, ANY_SLOT, argv, argc);
        redis_request_pin(request, node);
        redis_request_queue(request);
        part++;
    }
}

void redis_gathering_command(struct redis *redis, struct redis_call *call, const struct slice *argv, size_t argc) {
    struct redis_request *whole = redis_request_new(redis, call, ANY_SLOT, NULL, 0);
    size_t len = count_primaries(redis);
    if (len == 0) {
        whole->refused = "away";
        redis_request_queue(whole);
        return;
    }
    struct redis_gathering *gathering = memory_new(sizeof(*gathering) + len * sizeof(struct gathering_part));
    gathering->whole = whole;
    gathering->arena.max_bytes = redis->settings.reply_bytes;
    gathering->replies = NEW_ARRAY(struct redis_value, len);
    gathering->len = gathering->due = len;
    whole->gathering = gathering;
    loop_timer_cancel(&whole->deadline); /* each part has its own deadline */
    list_append(&redis->gatherings, &whole->link);
    ask_each(gathering, argv, argc);
}
