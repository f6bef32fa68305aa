/* SPDX-License-Identifier: Apache-2.0 */
#include "redis/redis_request.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/metrics.h"
#include "redis/redis.h"
#include "redis/redis_gathering.h"
#include "redis/redis_owners.h"
#include "redis/redis_verdict.h"
#include "redis/resp.h"

enum {
    PAUSE_FIRST_MS = 10,
    PAUSE_MOST_MS = 200,
    REDIRECTS = 4 /* number followed without delay; with more of them the servers seem to disagree, so pauses follow */
};

static void pass_deadline(struct loop_timer *timer);
static void end_pause(struct loop_timer *timer);

static struct redis_request *new_request(struct redis *redis, unsigned slot) {
    struct redis_request *request = NEW(struct redis_request);
    request->redis = redis;
    request->slot = slot;
    list_init(&request->link);
    loop_timer_init(&request->deadline, redis->loop, pass_deadline);
    loop_timer_init(&request->pause, redis->loop, end_pause);
    return request;
}

struct redis_request *redis_request_new_internal(struct redis *redis, const struct slice *argv, size_t argc) {
    struct redis_request *request = new_request(redis, ANY_SLOT);
    resp_append_command(&request->bytes, argv, argc);
    redis->pending_bytes += request->bytes.len;
    request->abandoned = true;
    return request;
}

struct redis_request *redis_request_new(struct redis *redis, struct redis_call *call, unsigned slot,
                                        const struct slice *argv, size_t argc) {
    const struct redis_settings *settings = &redis->settings;
    struct redis_request *request = new_request(redis, slot);
    size_t len = 0;
    for (size_t i = 0; i < argc; i++) len += argv[i].len;
    if (len < settings->pending_bytes && redis->pending_bytes < settings->pending_bytes - len)
        resp_append_command(&request->bytes, argv, argc);
    else
        request->refused = "full";
    redis->pending_bytes += request->bytes.len;
    request->call = call;
    request->repeatable = call && call->repeatable;
    if (call) call->request = request;
    loop_timer_set(&request->deadline, call && call->deadline_ms ? call->deadline_ms : settings->deadline_ms);
    return request;
}

static void unpin(struct redis_request *request) {
    if (request->node) request->node->pins--;
    request->node = NULL;
}

void redis_request_pin(struct redis_request *request, struct redis_node *node) {
    unpin(request);
    node->pins++;
    request->node = node;
}

void redis_request_free(struct redis_request *request) {
    if (request->call) request->call->request = NULL;
    unpin(request);
    redis_gathering_free(&request->gathering);
    list_remove(&request->link);
    loop_timer_cancel(&request->deadline);
    loop_timer_cancel(&request->pause);
    request->redis->pending_bytes -= request->bytes.len;
    buffer_done(&request->bytes);
    free(request);
}

static void tell(struct redis_request *request, const struct redis_answer *answer) {
    struct redis_call *call = request->call;
    request->call = NULL;
    if (!call) return;
    call->request = NULL;
    call->done(call, answer);
}

void redis_request_finish(struct redis_request *request, const struct redis_answer *answer) {
    list_remove(&request->link);
    tell(request, answer);
    redis_request_free(request);
}

static struct redis_answer refusal(const struct redis_request *request, const char *reason) {
    metric_add_labelled(METRIC_REDIS_ERRORS, reason, 1);
    return (struct redis_answer){.status = REDIS_UNAVAILABLE, .reason = reason, .unsure = request->unsure};
}

static void refuse(struct redis_request *request, const char *reason) {
    struct redis_answer answer = refusal(request, reason);
    redis_request_finish(request, &answer);
}

/* A sent request stays in its lane: its reply will still come. */
static void pass_deadline(struct loop_timer *timer) {
    struct redis_request *request = CONTAINER(timer, struct redis_request, deadline);
    if (request->state != REQUEST_SENT) {
        refuse(request, "deadline");
        return;
    }
    request->abandoned = request->unsure = true;
    struct redis_answer answer = refusal(request, "deadline");
    tell(request, &answer);
}

void redis_request_queue(struct redis_request *request) {
    request->state = REQUEST_QUEUED;
    list_append(&request->redis->queue, &request->link);
    loop_flush(request->redis->loop, &request->redis->route);
}

static void end_pause(struct loop_timer *timer) {
    struct redis_request *request = CONTAINER(timer, struct redis_request, pause);
    list_remove(&request->link);
    redis_request_queue(request);
}

static void pause(struct redis_request *request) {
    request->state = REQUEST_PAUSED;
    list_append(&request->redis->paused, &request->link);
    loop_timer_set(&request->pause, redis_link_backoff_ms(request->attempts++, PAUSE_FIRST_MS, PAUSE_MOST_MS));
}

static void stay(struct redis_request *request) {
    list_append(&request->redis->queue, &request->link);
}

/* The node named by ASK cannot be reached: starts again after a delay. */
static void start_over(struct redis_request *request) {
    unpin(request);
    request->asking = false;
    pause(request);
}

/* After a failed attempt, a request waits for a server until its deadline; a new request is refused at once. */
void redis_request_route(struct redis_request *request) {
    struct redis *redis = request->redis;
    struct redis_node *node = request->node ? request->node : redis_owners_find(redis, request->slot);
    if (request->refused) {
        refuse(request, request->refused);
        return;
    }
    struct redis_lane *lane = node ? redis_node_lane(node, request->lane) : NULL;
    if (lane && redis_lane_ready(lane)) {
        if (request->asking) redis_lane_send(lane, redis_request_new_internal(redis, REDIS_ARGS(SLICE("ASKING"))));
        redis_lane_send(lane, request);
        return;
    }
    bool away = lane ? redis_lane_away(lane) : redis->topology->hopeless;
    if (away && request->asking)
        start_over(request);
    else if (away && (request->attempts == 0 || request->node))
        refuse(request, "away");
    else
        stay(request);
}

void redis_request_lost(struct redis_request *request, bool was_written) {
    if (request->abandoned || (!request->call && was_written)) {
        redis_request_free(request);
        return;
    }
    request->unsure |= was_written;
    if (was_written && !request->repeatable) {
        refuse(request, "lost");
        return;
    }
    if (request->asking) unpin(request);
    request->asking = false;
    request->attempts++;
    redis_request_queue(request);
}

/* Sends the script as text from now on; the rest of the command stays. */
static void send_text(struct redis_request *request) {
    static const char by_sha1[] = "$7\r\nEVALSHA\r\n$40\r\n";
    struct slice text = request->script->text, old = buffer_slice(&request->bytes);
    size_t head = (size_t)((char *)memchr(old.ptr, '\n', old.len) + 1 - old.ptr);
    struct slice rest = slice_from(old, head + sizeof(by_sha1) - 1 + sizeof(request->script->sha1) - 1 + 2);
    struct buffer bytes = {0};
    buffer_append(&bytes, old.ptr, head);
    buffer_printf(&bytes, "$4\r\nEVAL\r\n$%zu\r\n", text.len);
    buffer_append_slice(&bytes, text);
    buffer_append_str(&bytes, "\r\n");
    buffer_append_slice(&bytes, rest);
    request->redis->pending_bytes += bytes.len - old.len;
    buffer_done(&request->bytes);
    request->bytes = bytes;
    request->script = NULL;
}

static void redirect(struct redis_request *request, struct redis_node *from, struct slice error, bool once) {
    unsigned slot;
    struct redis_node *to = redis_owners_redirected(request->redis, from->address, error, &slot);
    if (request->asking) unpin(request);
    request->asking = false;
    if (to && once) {
        redis_request_pin(request, to);
        request->asking = true;
    } else if (to) {
        request->slot = slot;
        redis_owners_move(request->redis, slot, to);
        redis_look(request->redis);
    }
    if (to && request->attempts++ < REDIRECTS)
        redis_request_queue(request);
    else
        pause(request);
}

/* True: there will be another attempt. */
static bool try_again(struct redis_request *request, struct redis_node *from, struct slice error,
                      enum verdict verdict) {
    switch (verdict) {
        case VERDICT_FAIL:
        case VERDICT_SHED:
            return false;
        case VERDICT_TEXT:
            if (!request->script) return false;
            send_text(request);
            redis_request_queue(request);
            return true;
        case VERDICT_MOVED:
        case VERDICT_ASK:
            if (request->node && !request->asking) return false;
            redirect(request, from, error, verdict == VERDICT_ASK);
            return true;
        case VERDICT_DEMOTE:
        case VERDICT_HANG_UP:
            pause(request);
            redis_node_leave(from);
            redis_look(request->redis);
            return true;
        case VERDICT_LOOK:
            redis_look(request->redis);
            pause(request);
            return true;
        case VERDICT_RETRY:
            pause(request);
            return true;
    }
    return false;
}

void redis_request_reply(struct redis_request *request, struct redis_node *from, const struct redis_value *value) {
    struct redis_answer answer = {.status = REDIS_DONE, .value = value};
    if (value->type == REDIS_ERROR) {
        const struct verdict_row *row = verdict_of(value->text);
        metric_add_labelled(METRIC_REDIS_ERRORS, row->code, 1);
        if (!request->abandoned && try_again(request, from, value->text, row->verdict)) return;
        answer.status = REDIS_FAILED;
        if (row->verdict == VERDICT_SHED)
            answer = (struct redis_answer){.status = REDIS_UNAVAILABLE, .reason = "memory"};
    }
    redis_request_finish(request, &answer);
}
