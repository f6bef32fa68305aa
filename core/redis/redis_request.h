/* SPDX-License-Identifier: Apache-2.0 */
/* redis_request.h - one command on its way, through redirects and retries, until its answer or its deadline. */
#ifndef REDIS_REDIS_REQUEST_H
#define REDIS_REDIS_REQUEST_H

#include "base/buffer.h"
#include "redis/redis_internal.h"

struct redis_gathering;
struct redis_script;

enum { ANY_SLOT = REDIS_SLOTS };

enum request_state { REQUEST_NEW, REQUEST_QUEUED, REQUEST_PAUSED, REQUEST_SENT };

struct redis_request {
    struct list link; /* redis->queue, redis->paused or lane->sent */
    enum request_state state;
    struct redis *redis;
    struct redis_call *call; /* NULL: nobody waits for the answer */
    enum lane_kind lane;
    unsigned slot;                     /* or ANY_SLOT */
    struct redis_node *node;           /* it is for this one; NULL: for the owner of the slot */
    struct buffer bytes;               /* the command */
    const struct redis_script *script; /* sent by its SHA-1 */
    const char *refused;               /* the reason to tell, instead of sending it */
    uint64_t end;                      /* the link's queued_bytes after it */
    unsigned attempts;
    bool repeatable, asking, unsure;
    bool is_role;                      /* the answer tells whether the server is a primary still */
    bool abandoned;                    /* its answer is of no use: past its deadline, forgotten, or a lane's own */
    struct redis_gathering *gathering; /* it is not sent: others are in its place */
    struct loop_timer deadline, pause;
};

/* With the call's deadline; call may be NULL. Refused as "full" beyond the bound. */
struct redis_request *redis_request_new(struct redis *redis, struct redis_call *call, unsigned slot,
                                        const struct slice *argv, size_t argc);
/* Without a deadline, a call and a bound: what a lane says for itself. */
struct redis_request *redis_request_new_internal(struct redis *redis, const struct slice *argv, size_t argc);
void redis_request_pin(struct redis_request *request, struct redis_node *node);
void redis_request_queue(struct redis_request *request);
/* QUEUED: sends it, refuses it, or leaves it in the queue. */
void redis_request_route(struct redis_request *request);
/* SENT, and out of the lane's list: what the server said. */
void redis_request_reply(struct redis_request *request, struct redis_node *from, const struct redis_value *value);
/* SENT, and out of the lane's list: the connection ended. */
void redis_request_lost(struct redis_request *request, bool was_written);
/* Ends it with that answer. */
void redis_request_finish(struct redis_request *request, const struct redis_answer *answer);
void redis_request_free(struct redis_request *request);

#endif
