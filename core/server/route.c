#include "server/route.h"

#include <ctype.h>
#include <stdlib.h>

#include "loop/loop.h"
#include "policy/policy.h"
#include "server/worker.h"
#include "wire/json.h"
#include "wire/query.h"
#include "wire/utf8.h"

struct route_call {
    struct list link;
    struct worker *worker;
    struct http_exchange *exchange; /* NULL: answered */
    struct policy_call call;
    struct loop_timer deadline;
    struct loop_task reap;
};

void route_reply_error(struct http_exchange **exchange, unsigned status, const char *code, const char *message) {
    struct buffer body = {0};
    buffer_printf(&body, "{\"ok\":false,\"error\":{\"code\":\"%s\",\"message\":\"%s\"}}", code, message);
    http_reply(exchange, &(struct http_reply){.status = status,
                                              .content_type = "application/json",
                                              .extra_headers = SLICE("cache-control: no-store\r\n"
                                                                     "x-content-type-options: nosniff\r\n"),
                                              .body = buffer_slice(&body)});
    buffer_done(&body);
}

static void free_call(struct loop_task *task) {
    free(CONTAINER(task, struct route_call, reap));
}

static void end(struct route_call *route) {
    list_remove(&route->link);
    loop_timer_cancel(&route->deadline);
    policy_forget(route->worker->policy, &route->call);
    loop_reap(route->worker->loop, &route->reap);
}

static void end_with_error(struct route_call *route, unsigned status, const char *code, const char *message) {
    if (route->exchange) route_reply_error(&route->exchange, status, code, message);
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

/* RFC 9110: a token, and a value without control characters. What is not so is left out. */
static bool is_header(struct slice name, struct slice value) {
    for (size_t i = 0; i < name.len; i++)
        if (!isalnum((unsigned char)name.ptr[i]) && !strchr("!#$%&'*+-.^_`|~", name.ptr[i])) return false;
    for (size_t i = 0; i < value.len; i++)
        if ((unsigned char)value.ptr[i] < 0x20 || value.ptr[i] == 0x7f) return false;
    return name.len > 0;
}

/* Headers are our own to make where they frame the message. */
static bool is_reserved(const char *name) {
    static const char *const reserved[] = {"content-length", "transfer-encoding", "connection", "date", "upgrade"};
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
        if (strcasecmp(name, reserved[i]) == 0) return true;
    return false;
}

static void write_headers(struct slice headers, struct buffer *type, struct buffer *out) {
    struct json_walk walk;
    struct slice key, value;
    buffer_append_str(out, "x-content-type-options: nosniff\r\n");
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

static void answered(struct policy_call *call, const struct policy_answer *answer) {
    struct route_call *route = CONTAINER(call, struct route_call, call);
    switch (answer->status) {
        case POLICY_OK:
            reply(route, answer->json);
            end(route);
            break;
        case POLICY_REFUSED:
            end_with_error(route, 403, "forbidden", "Not allowed.");
            break;
        case POLICY_NO_HANDLER:
            end_with_error(route, 404, "not_found", "There is nothing here.");
            break;
        case POLICY_UNAVAILABLE:
            end_with_error(route, 503, "unavailable", "Too much is going on.");
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
    query_write_json(request->query, out);
    buffer_append_str(out, ",\"headers\":");
    http_write_headers_json(request, out);
    buffer_append_str(out, ",\"body\":");
    json_write_string(out, request->body);
    buffer_append_str(out, ",\"address\":");
    json_write_string(out, slice_of(request->address));
    buffer_append_char(out, '}');
}

static void ask(struct worker *worker, struct list *calls, struct http_request *request, struct slice name) {
    struct route_call *route = NEW(struct route_call);
    struct buffer json = {0};
    route->worker = worker;
    route->exchange = request->exchange;
    route->call = (struct policy_call){.point = POLICY_ROUTE, .name = name, .done = answered, .wants_answer = true};
    loop_timer_init(&route->deadline, worker->loop, too_late);
    loop_task_init(&route->reap, free_call);
    list_append(calls, &route->link);
    write_request(request, &json);
    route->call.json = buffer_slice(&json);
    http_wait(route->exchange, aborted, route);
    loop_timer_set(&route->deadline, ROUTE_MS);
    policy_ask(worker->policy, &route->call);
    buffer_done(&json);
}

bool route_request(struct worker *worker, struct list *calls, struct http_request *request) {
    struct buffer name = {0};
    buffer_append_slice(&name, request->method);
    buffer_append_char(&name, ' ');
    buffer_append_slice(&name, request->path);
    struct slice asked = buffer_slice(&name);
    bool ours = worker->policy->ops->handles(worker->policy, POLICY_ROUTE, SLICE_NONE, asked);
    if (ours && utf8_valid(request->path) && utf8_valid(request->body)) {
        ask(worker, calls, request, asked);
    } else if (ours) {
        http_reject(request->exchange, "route");
        route_reply_error(&request->exchange, 400, "bad_request", "Not UTF-8.");
    }
    buffer_done(&name);
    return ours;
}

void route_end_all(struct list *calls) {
    LIST_EACH(calls, link)
    end_with_error(CONTAINER(link, struct route_call, link), 503, "unavailable", "The server is stopping.");
}
