/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/router.h"

#include <stdlib.h>

#include "base/metrics.h"
#include "config/config.h"
#include "limit/admission.h"
#include "net/static_files.h"
#include "policy/policy.h"
#include "process/worker_slots.h"
#include "session/hub.h"
#include "session/hub_http.h"
#include "wire/hosts.h"
#include "worker/health.h"
#include "worker/script_route.h"
#include "worker/worker.h"

struct router {
    struct worker *worker;
    struct health *health;
    struct static_files *pages; /* NULL: no folder is set */
    struct list calls;
};

struct router *router_new(struct worker *worker, struct health *health) {
    struct router *router = NEW(struct router);
    router->worker = worker;
    router->health = health;
    list_init(&router->calls);
    router_reload(router);
    return router;
}

void router_reload(struct router *router) {
    const char *folder = router->worker->config->static_folder;
    static_files_free(&router->pages);
    if (folder && folder[0]) router->pages = static_files_new(folder);
}

void router_free(struct router **router) {
    if (!*router) return;
    script_route_end_all(&(*router)->calls);
    static_files_free(&(*router)->pages);
    free(*router);
    *router = NULL;
}

static enum admission answer(const struct admission_verdict *verdict, unsigned *retry_after_s_r) {
    if (!verdict->refused) return ADMIT;
    metric_add_labelled(METRIC_REJECTED, verdict->refused, 1);
    *retry_after_s_r = verdict->retry_after_s;
    return ADMIT_REFUSE;
}

static enum admission admit(void *owner, const struct address *address, struct seat *seat, unsigned *retry_after_s_r) {
    struct admission_verdict verdict = admission_ask(((struct router *)owner)->worker->limits.admission, address, seat);
    return answer(&verdict, retry_after_s_r);
}

/* The caller counts refusals. */
static enum admission take_seat(void *owner, const struct address *address, struct seat *seat,
                                unsigned *retry_after_s_r) {
    struct admission_verdict verdict =
        admission_seat(((struct router *)owner)->worker->limits.admission, address, seat);
    *retry_after_s_r = verdict.retry_after_s;
    return verdict.refused ? ADMIT_REFUSE : ADMIT;
}

static int elsewhere(void *owner, struct slice path, struct slice query) {
    const struct worker *worker = ((struct router *)owner)->worker;
    struct buffer id = {0};
    int inbox = -1;
    if (worker_slots_len(worker->place.slots) > 1 && hub_names_session(worker->hub, path, query, &id))
        inbox = worker_slots_inbox_of(worker->place.slots, worker->place.slot, buffer_slice(&id));
    buffer_done(&id);
    return inbox;
}

/* In development mode clients are trusted, so pages of other names must not reach the server. */
static bool serves(void *owner, struct slice host) {
    const struct config *config = ((struct router *)owner)->worker->config;
    const struct config_texts *known[] = {&config->hosts, &config->origins, &config->listen};
    bool believes = !config->auth.mode || strcmp(config->auth.mode, "development") == 0;
    bool asks = config->hosts.len > 0 || believes;
    if (!asks || !host_may_be_anyones(host)) return true;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (host_is_one_of(host, known[i]->items, known[i]->len)) return true;
    return false;
}

static bool starts_with(struct slice text, const char *start) {
    size_t len = strlen(start);
    return text.len >= len && memcmp(text.ptr, start, len) == 0;
}

static size_t body_max(void *owner, struct slice method, struct slice path) {
    const struct worker *worker = ((struct router *)owner)->worker;
    bool none = slice_is(method, "GET") || slice_is(method, "HEAD") || starts_with(path, "/health") ||
                slice_is(path, "/metrics");
    return none ? 0 : (size_t)worker->config->max_payload_bytes;
}

static bool head(void *owner, struct http_request *request) {
    struct router *router = owner;
    return script_route_head(router->worker, &router->calls, request);
}

static void refused(void *owner, struct http_request *request, struct buffer *fields) {
    hub_refused(((struct router *)owner)->worker->hub, request, fields);
}

static bool is_page(const struct router *router, const struct http_request *request) {
    return router->pages && !starts_with(request->path, "/api/") &&
           (slice_is(request->method, "GET") || slice_is(request->method, "HEAD"));
}

static void request(void *owner, struct http_request *request) {
    struct router *router = owner;
    struct worker *worker = router->worker;
    if (health_request(router->health, request)) return;
    if (hub_request(worker->hub, request)) return;
    if (script_route_request(worker, &router->calls, request)) return;
    if (is_page(router, request)) {
        static_files_serve(router->pages, request);
    } else {
        http_reject(request->exchange, "path");
        script_route_reply_error(&request->exchange, 404, "not_found", "There is nothing here.");
    }
}

#define DRAIN_REFUSAL                                                                                         \
    ((struct http_reply){.status = 503,                                                                       \
                         .content_type = "application/json",                                                  \
                         .extra_headers = SLICE("retry-after: 1\r\n"),                                        \
                         .body = SLICE("{\"ok\":false,\"error\":{\"code\":\"unavailable\",\"message\":\"The " \
                                       "server is restarting.\"}}"),                                          \
                         .close = true})

static void upgrade(void *owner, struct http_request *request, struct http_upgrade *upgrade_r) {
    struct worker *worker = ((struct router *)owner)->worker;
    if (worker->draining) {
        http_reject(request->exchange, "draining");
        upgrade_r->refusal = DRAIN_REFUSAL;
    } else if (!hub_upgrade(worker->hub, request, upgrade_r)) {
        http_reject(request->exchange, "path");
        upgrade_r->refusal = (struct http_reply){.status = 404, .content_type = "text/plain", .body = SLICE("none\n")};
    }
}

const struct net_events router_events = {
    .http = {.body_max = body_max,
             .elsewhere = elsewhere,
             .serves = serves,
             .head = head,
             .refused = refused,
             .request = request,
             .upgrade = upgrade,
             .opened = hub_opened},
    .admit = admit,
    .seat = take_seat,
};

static size_t no_body(void *owner, struct slice method, struct slice path) {
    (void)owner, (void)method, (void)path;
    return 0;
}

static void answer_metrics(void *owner, struct http_request *request) {
    if (health_request(((struct router *)owner)->health, request)) return;
    http_reject(request->exchange, "path");
    script_route_reply_error(&request->exchange, 404, "not_found", "There is nothing here.");
}

static void refuse_upgrade(void *owner, struct http_request *request, struct http_upgrade *upgrade_r) {
    (void)owner;
    http_reject(request->exchange, "path");
    upgrade_r->refusal = (struct http_reply){.status = 404, .content_type = "text/plain", .body = SLICE("none\n")};
}

static enum admission admit_all(void *owner, const struct address *address, struct seat *seat,
                                unsigned *retry_after_s_r) {
    (void)owner, (void)address, (void)seat, (void)retry_after_s_r;
    return ADMIT;
}

const struct net_events router_metrics_events = {
    .http = {.body_max = no_body, .serves = serves, .request = answer_metrics, .upgrade = refuse_upgrade},
    .admit = admit_all,
};
