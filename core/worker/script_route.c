/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/script_route.h"

#include <ctype.h>
#include <stdlib.h>

#include "loop/loop.h"
#include "policy/policy.h"
#include "wire/json.h"
#include "wire/url_query.h"
#include "wire/utf8.h"
#include "worker/worker.h"

struct route_call {
    struct list link;
    struct worker *worker;
    struct http_exchange *exchange; /* NULL: answered */
    struct policy_call call;
    struct buffer name, json; /* what is asked; json: without its end */
    bool body_waits;          /* to be read once the head has passed */
    struct loop_timer deadline;
    struct loop_task reap;
};

void script_route_reply_error(struct http_exchange **exchange, unsigned status, const char *code, const char *message) {
    struct buffer body = {0};
    buffer_printf(&body, "{\"ok\":false,\"error\":{\"code\":\"%s\",\"message\":\"%s\"}}", code, message);
    http_reply(exchange, &(struct http_reply){.status = status,
                                              .content_type = "application/json",
                                              .extra_headers = SLICE("cache-control: no-store\r\n"),
                                              .body = buffer_slice(&body)});
    buffer_done(&body);
}

static void free_call(struct loop_task *task) {
    struct route_call *route = CONTAINER(task, struct route_call, reap);
    buffer_done(&route->name);
    buffer_done(&route->json);
    free(route);
}

static void end(struct route_call *route) {
    list_remove(&route->link);
    loop_timer_cancel(&route->deadline);
    policy_forget(route->worker->scripts.policy, &route->call);
    loop_reap(route->worker->loop, &route->reap);
}

static void end_with_error(struct route_call *route, unsigned status, const char *code, const char *message) {
    if (route->exchange) script_route_reply_error(&route->exchange, status, code, message);
    end(route);
}

static void aborted(void *owner) {
    struct route_call *route = owner;
    route->exchange = NULL;
    end(route);
}

static void too_late(struct loop_timer *timer) {
    end_with_error(CONTAINER(timer, struct route_call, deadline), 503, "unavailable", "The answer took too long.");
}

/* RFC 9110: a token, and a value without control characters. Others are left out. */
static bool is_header(struct slice name, struct slice value) {
    for (size_t i = 0; i < name.len; i++)
        if (!isalnum((unsigned char)name.ptr[i]) && !strchr("!#$%&'*+-.^_`|~", name.ptr[i])) return false;
    for (size_t i = 0; i < value.len; i++)
        if ((unsigned char)value.ptr[i] < 0x20 || value.ptr[i] == 0x7f) return false;
    return name.len > 0;
}

/* Scripts cannot set headers that frame the message. */
static bool is_reserved(const char *name) {
    static const char *const reserved[] = {"content-length", "transfer-encoding", "connection", "date", "upgrade"};
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
        if (strcasecmp(name, reserved[i]) == 0) return true;
    return false;
}

static void write_headers(struct slice headers, struct buffer *type, struct buffer *out) {
    struct json_walk walk;
    struct slice key, value;
    if (headers.len == 0 || json_type_of(headers) != JSON_OBJECT) return;
    json_walk_init(&walk, headers);
    while (json_walk_member(&walk, &key, &value)) {
        struct buffer name = {0}, text = {0};
        json_string(key, &name);
        if (json_type_of(value) == JSON_STRING)
            json_string(value, &text);
        else
            buffer_append_slice(&text, value);
        bool good = is_header(buffer_slice(&name), buffer_slice(&text));
        buffer_append_char(&name, '\0');
        if (good && strcasecmp(name.ptr, "content-type") == 0) {
            buffer_clear(type);
            buffer_append_slice(type, buffer_slice(&text));
        } else if (good && !is_reserved(name.ptr)) {
            buffer_printf(out, "%s: %.*s\r\n", name.ptr, SLICE_ARG(buffer_slice(&text)));
        }
        buffer_done(&name);
        buffer_done(&text);
    }
}

static void reply(struct route_call *route, struct slice json) {
    struct buffer type = {0}, headers = {0}, body = {0};
    int64_t status = 0;
    struct slice given = json_member(json, "status"), content = json_member(json, "body");
    if (given.len == 0 || json_type_of(given) != JSON_NUMBER || !json_integer(given, &status) || status < 200 ||
        status > 599)
        status = 500;
    if (status >= 400 && status < 500) http_reject(route->exchange, "route");
    bool is_text = content.len > 0 && json_type_of(content) == JSON_STRING;
    buffer_append_str(&type, is_text || content.len == 0 ? "text/plain; charset=utf-8" : "application/json");
    write_headers(json_member(json, "headers"), &type, &headers);
    buffer_append_char(&type, '\0');
    if (is_text)
        json_string(content, &body);
    else
        buffer_append_slice(&body, content);
    http_reply(&route->exchange, &(struct http_reply){.status = (unsigned)status,
                                                      .content_type = body.len > 0 ? type.ptr : NULL,
                                                      .extra_headers = buffer_slice(&headers),
                                                      .body = buffer_slice(&body)});
    buffer_done(&type);
    buffer_done(&headers);
    buffer_done(&body);
}

static void answered(struct policy_call *call, const struct policy_answer *answer);

static void ask(struct route_call *route, enum policy_point point, struct slice body) {
    struct buffer json = {0};
    buffer_append_slice(&json, buffer_slice(&route->json));
    buffer_append_char(&json, '}');
    route->call = (struct policy_call){.point = point,
                                       .name = buffer_slice(&route->name),
                                       .json = buffer_slice(&json),
                                       .data = body,
                                       .done = answered,
                                       .wants_answer = true};
    loop_timer_set(&route->deadline, ROUTE_MS);
    policy_ask(route->worker->scripts.policy, &route->call);
    buffer_done(&json);
}

static void whole(void *owner, struct slice body) {
    ask(owner, POLICY_ROUTE, body);
}

static void head_passed(struct route_call *route, struct slice passed) {
    buffer_append_str(&route->json, ",\"passed\":");
    buffer_append_slice(&route->json, passed);
    loop_timer_cancel(&route->deadline);
    if (route->body_waits)
        http_read_body(route->exchange, whole);
    else
        ask(route, POLICY_ROUTE, SLICE_NONE);
}

static void answered(struct policy_call *call, const struct policy_answer *answer) {
    struct route_call *route = CONTAINER(call, struct route_call, call);
    switch (answer->status) {
        case POLICY_OK:
            if (call->point == POLICY_ROUTE_HEAD) {
                head_passed(route, answer->json);
                break;
            }
            reply(route, answer->json);
            end(route);
            break;
        case POLICY_REFUSED:
            if (answer->json.len > 0) {
                reply(route, answer->json);
                end(route);
                break;
            }
            http_reject(route->exchange, "route");
            end_with_error(route, 403, "forbidden", "Not allowed.");
            break;
        case POLICY_NO_HANDLER:
            end_with_error(route, 404, "not_found", "There is nothing here.");
            break;
        case POLICY_TOO_LARGE:
            end_with_error(route, 413, "too_large", "The request has too many values.");
            break;
        case POLICY_UNAVAILABLE:
            end_with_error(route, 503, "unavailable", "Too much is going on.");
            break;
        case POLICY_UNKNOWN:
            end_with_error(route, 504, "unavailable", "Whether this was done is not known.");
            break;
        case POLICY_SCRIPT_ERROR:
            end_with_error(route, 500, "script_error", "The server made a mistake.");
            break;
    }
}

static void write_request(const struct http_request *request, struct buffer *out) {
    buffer_append_str(out, "{\"method\":");
    json_write_string(out, request->method);
    buffer_append_str(out, ",\"path\":");
    json_write_string(out, request->path);
    buffer_append_str(out, ",\"query\":");
    url_query_write_json(request->query, out);
    buffer_append_str(out, ",\"headers\":");
    http_write_headers_json(request, out);
    buffer_append_str(out, ",\"address\":");
    json_write_string(out, slice_of(request->address));
}

/* "METHOD path" */
static void write_name(const struct http_request *request, struct buffer *out) {
    buffer_append_slice(out, request->method);
    buffer_append_char(out, ' ');
    buffer_append_slice(out, request->path);
}

static struct route_call *call_new(struct worker *worker, struct list *calls, struct http_request *request) {
    struct route_call *route = NEW(struct route_call);
    route->worker = worker;
    route->exchange = request->exchange;
    loop_timer_init(&route->deadline, worker->loop, too_late);
    loop_task_init(&route->reap, free_call);
    list_append(calls, &route->link);
    write_name(request, &route->name);
    write_request(request, &route->json);
    http_wait(route->exchange, aborted, route);
    return route;
}

/* True: a script has such a route. */
static bool handles(const struct worker *worker, enum policy_point point, const struct http_request *request) {
    struct buffer name = {0};
    write_name(request, &name);
    bool handled = worker->scripts.policy->ops->handles(worker->scripts.policy, point, SLICE_NONE, buffer_slice(&name));
    buffer_done(&name);
    return handled;
}

static void begin(struct worker *worker, struct list *calls, struct http_request *request, enum policy_point point,
                  bool body_waits) {
    if (!utf8_valid(request->path)) {
        http_reject(request->exchange, "route");
        script_route_reply_error(&request->exchange, 400, "bad_request", "Not UTF-8.");
        return;
    }
    struct route_call *route = call_new(worker, calls, request);
    route->body_waits = body_waits;
    ask(route, point, request->body);
}

bool script_route_head(struct worker *worker, struct list *calls, struct http_request *request) {
    if (!handles(worker, POLICY_ROUTE_HEAD, request)) return false;
    begin(worker, calls, request, POLICY_ROUTE_HEAD, true);
    return true;
}

bool script_route_request(struct worker *worker, struct list *calls, struct http_request *request) {
    if (!handles(worker, POLICY_ROUTE, request)) return false;
    bool by_head = handles(worker, POLICY_ROUTE_HEAD, request); /* without a body: else it has been asked */
    begin(worker, calls, request, by_head ? POLICY_ROUTE_HEAD : POLICY_ROUTE, false);
    return true;
}

void script_route_end_all(struct list *calls) {
    LIST_EACH(calls, link)
    end_with_error(CONTAINER(link, struct route_call, link), 503, "unavailable", "The server is stopping.");
}
