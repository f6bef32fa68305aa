/* SPDX-License-Identifier: Apache-2.0 */
#include "net/long_polling.h"

#include <stdlib.h>

#include "base/buffer.h"
#include "wire/origin.h"

struct long_polling {
    const struct long_polling_events *events;
    void *owner;
    struct http_exchange *get, *post; /* exchanges that wait for an answer */
    struct buffer get_headers, post_headers;
    bool paused, stopped;
};

static const char no_store[] = "cache-control: no-store\r\n";

static void reply(struct http_exchange **exchange, unsigned status, const char *type, struct slice headers,
                  struct slice body) {
    struct http_reply answer = {.status = status, .content_type = type, .extra_headers = headers, .body = body};
    http_reply(exchange, &answer);
}

static void reply_payload(struct long_polling *polling, struct slice payload) {
    reply(&polling->get, 200, "text/plain; charset=UTF-8", buffer_slice(&polling->get_headers), payload);
}

static void reply_ok(struct long_polling *polling) {
    reply(&polling->post, 200, "text/html", buffer_slice(&polling->post_headers), SLICE("ok"));
}

static void keep_headers(struct buffer *kept, struct slice headers) {
    buffer_clear(kept);
    buffer_append_str(kept, no_store);
    buffer_append_slice(kept, headers);
}

struct long_polling *long_polling_new(const struct long_polling_events *events, void *owner) {
    struct long_polling *polling = NEW(struct long_polling);
    polling->events = events;
    polling->owner = owner;
    return polling;
}

/* The same answer as for a GET after the session has ended. */
static void reply_unknown(struct long_polling *polling) {
    struct buffer body = {0};
    engineio_write_error(&body, ENGINEIO_UNKNOWN_SID);
    reply(&polling->get, 400, "application/json", buffer_slice(&polling->get_headers), buffer_slice(&body));
    buffer_done(&body);
}

void long_polling_free(struct long_polling **polling_r) {
    struct long_polling *polling = *polling_r;
    if (!polling) return;
    if (polling->get) reply_unknown(polling);
    if (polling->post) reply_ok(polling);
    buffer_done(&polling->get_headers);
    buffer_done(&polling->post_headers);
    free(polling);
    *polling_r = NULL;
}

static void get_aborted(void *owner) {
    struct long_polling *polling = owner;
    polling->get = NULL;
    if (!polling->stopped) polling->events->broken(polling->owner, LONG_POLLING_ABORTED);
}

static void post_aborted(void *owner) {
    struct long_polling *polling = owner;
    polling->post = NULL;
    if (!polling->stopped) polling->events->broken(polling->owner, LONG_POLLING_ABORTED);
}

static void polling_break(struct long_polling *polling, struct http_request *request, struct slice headers,
                          enum long_polling_fault fault) {
    reply(&request->exchange, 400, NULL, headers, SLICE_NONE);
    if (!polling->stopped) polling->events->broken(polling->owner, fault);
}

static void polling_get(struct long_polling *polling, struct http_request *request, struct slice headers) {
    if (polling->get) {
        polling_break(polling, request, headers, LONG_POLLING_MISUSED);
        return;
    }
    keep_headers(&polling->get_headers, headers);
    polling->get = request->exchange;
    request->exchange = NULL;
    http_wait(polling->get, get_aborted, polling);
    polling->events->waiting(polling->owner);
}

/* False: a bad packet. Packets before it have been delivered. */
static bool polling_decode(struct long_polling *polling, struct slice body) {
    struct engineio_payload payload;
    struct engineio_packet packet;
    struct buffer scratch = {0};
    enum engineio_step step = ENGINEIO_END;
    engineio_payload_init(&payload, body);
    while (!polling->stopped) {
        buffer_clear(&scratch);
        step = engineio_payload_next(&payload, &scratch, &packet);
        if (step != ENGINEIO_PACKET) break;
        polling->events->packet(polling->owner, &packet);
    }
    buffer_done(&scratch);
    return step != ENGINEIO_ERROR;
}

static void polling_post(struct long_polling *polling, struct http_request *request, struct slice headers) {
    bool bytes = slice_is(http_header(request, "content-type"), "application/octet-stream");
    if (polling->post || bytes) {
        polling_break(polling, request, headers, LONG_POLLING_MISUSED);
    } else if (!polling_decode(polling, request->body)) {
        polling_break(polling, request, headers, LONG_POLLING_BAD_BODY);
    } else {
        keep_headers(&polling->post_headers, headers);
        polling->post = request->exchange;
        request->exchange = NULL;
        if (polling->paused && !polling->stopped)
            http_wait(polling->post, post_aborted, polling);
        else
            reply_ok(polling);
    }
}

void long_polling_request(struct long_polling *polling, struct http_request *request, struct slice headers) {
    if (slice_is(request->method, "GET"))
        polling_get(polling, request, headers);
    else if (slice_is(request->method, "POST"))
        polling_post(polling, request, headers);
    else
        reply(&request->exchange, 500, NULL, headers, SLICE_NONE);
}

bool long_polling_waiting(const struct long_polling *polling) {
    return polling->get != NULL;
}

void long_polling_write(struct long_polling *polling, struct slice payload) {
    if (polling->get) reply_payload(polling, payload);
}

void long_polling_pause(struct long_polling *polling, bool paused) {
    polling->paused = paused;
    if (!paused && polling->post) reply_ok(polling);
}

void long_polling_stop(struct long_polling *polling) {
    polling->stopped = true;
}

/* Requests without a session. */

void long_polling_refuse(struct http_request *request, enum engineio_error error, struct slice headers) {
    struct buffer body = {0}, all = {0};
    keep_headers(&all, headers);
    engineio_write_error(&body, error);
    reply(&request->exchange, error == ENGINEIO_FORBIDDEN ? 403 : 400, "application/json", buffer_slice(&all),
          buffer_slice(&body));
    buffer_done(&body);
    buffer_done(&all);
}

void long_polling_refuse_for(struct http_request *request, unsigned retry_after_s, struct slice headers) {
    struct buffer all = {0};
    keep_headers(&all, headers);
    buffer_printf(&all, "retry-after: %u\r\n", retry_after_s);
    reply(&request->exchange, 503, "text/plain", buffer_slice(&all), SLICE("The server is full.\n"));
    buffer_done(&all);
}

void long_polling_refusal(enum engineio_error error, struct http_reply *reply_r) {
    *reply_r = (struct http_reply){
        .status = error == ENGINEIO_FORBIDDEN ? 403 : 400,
        .content_type = "text/html",
        .body = slice_of(engineio_error_message(error)),
        .close = true,
    };
}

static bool allows_all(const char *const *origins, size_t len) {
    for (size_t i = 0; i < len; i++) {
        if (strcmp(origins[i], "*") == 0) return true;
    }
    return false;
}

void long_polling_cors(struct http_request *request, const char *const *origins, size_t origins_len,
                       struct buffer *out) {
    struct slice origin = http_header(request, "origin");
    if (origin.len == 0) return;
    if (allows_all(origins, origins_len)) {
        buffer_append_str(out, "access-control-allow-origin: *\r\n");
        return;
    }
    buffer_append_str(out, "vary: origin\r\n");
    if (!origin_allowed(origin, http_header(request, "host"), origins, origins_len)) return;
    buffer_printf(out, "access-control-allow-origin: %.*s\r\naccess-control-allow-credentials: true\r\n",
                  SLICE_ARG(origin));
}

void long_polling_preflight(struct http_request *request, struct slice headers) {
    struct buffer all = {0};
    buffer_append_slice(&all, headers);
    buffer_append_str(&all,
                      "access-control-allow-methods: GET,POST\r\naccess-control-max-age: 600\r\n"
                      "access-control-allow-headers: content-type,authorization\r\n");
    reply(&request->exchange, 204, NULL, buffer_slice(&all), SLICE_NONE);
    buffer_done(&all);
}
