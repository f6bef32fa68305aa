/* SPDX-License-Identifier: Apache-2.0 */
/* redis_request.h - one command, through redirects and retries, until its answer or its deadline. */
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
    struct redis_call *call; /* NULL: no answer is wanted */
    enum lane_kind lane;
    unsigned slot;                     /* or ANY_SLOT */
    struct redis_node *node;           /* bound to this node; NULL: for the owner of the slot */
    struct buffer bytes;               /* the command */
    const struct redis_script *script; /* sent by its SHA-1 */
    const char *refused;               /* set: do not send; answer with this reason */
    uint64_t end;                      /* the link's queued_bytes after this command */
    unsigned attempts;
    bool repeatable, asking, unsure;
    bool is_role;                      /* the answer shows whether the server is still a primary */
    bool abandoned;                    /* ignore the answer: deadline passed, call forgotten, or internal to a lane */
    struct redis_gathering *gathering; /* set: not sent itself; others are sent in its place */
    struct loop_timer deadline, pause;
};

/* Gets the call's deadline; call may be NULL. Refused as "full" beyond the bound. */
struct redis_request *redis_request_new(struct redis *redis, struct redis_call *call, unsigned slot,
                                        const struct slice *argv, size_t argc);
/* For a lane's own commands: no deadline, no call, no bound. */
struct redis_request *redis_request_new_internal(struct redis *redis, const struct slice *argv, size_t argc);
void redis_request_pin(struct redis_request *request, struct redis_node *node);
void redis_request_queue(struct redis_request *request);
/* QUEUED: sends it, refuses it, or leaves it in the queue. */
void redis_request_route(struct redis_request *request);
/* SENT, and removed from the lane's list: handles the server's reply. */
void redis_request_reply(struct redis_request *request, struct redis_node *from, const struct redis_value *value);
/* SENT, and removed from the lane's list: the connection has ended. */
void redis_request_lost(struct redis_request *request, bool was_written);
/* Ends the request with that answer. */
void redis_request_finish(struct redis_request *request, const struct redis_answer *answer);
void redis_request_free(struct redis_request *request);

#endif
