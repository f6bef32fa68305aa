/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/health.h"

#include <stdlib.h>

#include "base/address.h"
#include "base/log.h"
#include "base/metrics.h"
#include "bus/bus.h"
#include "config/config.h"
#include "net/server.h"
#include "policy/policy.h"
#include "process/worker_slots.h"
#include "redis/redis_room.h"
#include "session/hub.h"
#include "store/store.h"
#include "wire/json.h"
#include "worker/alert.h"
#include "worker/server_state.h"
#include "worker/worker.h"

enum { PROBE_EVERY_MS = 1000, PROBE_LATE_MS = 3000 };

#define PAGE_HEADERS SLICE("cache-control: no-store\r\n")

static void probe(struct loop_timer *timer);

static void tell_of_store(struct worker *worker, bool works, const char *code) {
    struct buffer details = {0};
    LOG_ALWAYS(works ? LOG_INFO : LOG_ERROR, works ? "store.works" : "store.fails", LOG_TEXT("code", code));
    buffer_printf(&details, "{\"code\":\"%s\"}", code);
    alert(worker, works ? "store.works" : "store.fails", buffer_slice(&details));
    buffer_done(&details);
}

static void answered(struct store_request *request) {
    struct health *health = request->owner;
    bool works = request->status == STORE_OK, changes = works != health->store_works && health->probed;
    health->probing = false;
    health->store_works = works;
    if (!health->settled) return; /* done */
    bool first = !health->probed;
    if (changes) tell_of_store(health->worker, works, store_status_code(request->status));
    health->probed = true;
    health_show(health);
    if (first) health->settled(health->owner);
}

static void tell_of_part(struct health *health, unsigned part, bool works) {
    char name[16];
    struct buffer details = {0};
    health->parts_away[part] = !works;
    server_state_name_part(part, health->parts, name);
    LOG_ALWAYS(works ? LOG_INFO : LOG_ERROR, works ? "store.shard_works" : "store.shard_away", LOG_TEXT("shard", name));
    buffer_printf(&details, "{\"shard\":\"%s\"}", name);
    alert(health->worker, works ? "shard.works" : "shard.away", buffer_slice(&details));
    buffer_done(&details);
    metric_set_labelled(METRIC_SHARD_AWAY, name, !works);
    worker_slots_show_part(health->worker->place.slots, health->worker->place.slot, part, works);
}

/* The state from earlier probes. */
static void look_at_parts(struct health *health) {
    for (unsigned part = 0; part < health->parts; part++) {
        bool works = store_part_works(health->worker->store, part);
        if (works == health->parts_away[part]) tell_of_part(health, part, works);
    }
}

/* Publishes state that other workers render and cannot observe. */
static void measure(const struct worker *worker) {
    metric_set(METRIC_SESSIONS, (int64_t)hub_sessions(worker->hub));
    metric_set(METRIC_LOG_DROPPED, (int64_t)log_dropped());
}

/* Reported once: damage does not repair itself. */
static void look_for_damage(struct health *health) {
    if (health->store_is_damaged || !store_is_damaged(health->worker->store)) return;
    health->store_is_damaged = true;
    alert(health->worker, "store.damaged", SLICE("{}"));
}

static void probe(struct loop_timer *timer) {
    struct health *health = CONTAINER(timer, struct health, timer);
    loop_timer_set(timer, PROBE_EVERY_MS);
    look_for_damage(health);
    if (health->probed) look_at_parts(health);
    measure(health->worker);
    health_show(health);
    if (health->probing) return;
    struct store_request *request = store_request_new(STORE_PROBE, answered, health);
    health->probing = true;
    health->asked_ms = loop_now_ms(health->worker->loop);
    store_submit(health->worker->store, &request);
}

void health_init(struct health *health, struct worker *worker, void (*settled)(void *owner), void *owner) {
    *health = (struct health){.worker = worker, .settled = settled, .owner = owner};
    health->parts = server_state_parts(worker->config);
    health->parts_away = NEW_ARRAY(bool, health->parts + 1);
    for (unsigned part = 0; part < health->parts; part++)
        worker_slots_show_part(worker->place.slots, worker->place.slot, part, true);
    loop_timer_init(&health->timer, worker->loop, probe);
    loop_timer_set(&health->timer, 1);
}

void health_done(struct health *health) {
    if (health->worker) loop_timer_cancel(&health->timer);
    health->settled = NULL;
    health->parts = 0;
    free(health->parts_away);
    health->parts_away = NULL;
    health->probed = true; /* ignores a probe that is still pending */
}

static bool store_is_late(const struct health *health) {
    return health->probing && loop_now_ms(health->worker->loop) - health->asked_ms > PROBE_LATE_MS;
}

static bool has_scripts(const struct worker *worker) {
    return worker->scripts.policy && worker->scripts.policy->ops->ready(worker->scripts.policy);
}

static bool is_degraded(const struct health *health) {
    const struct worker *worker = health->worker;
    for (unsigned part = 0; part < health->parts; part++)
        if (health->parts_away[part]) return true;
    return bus_is_degraded(worker->fleet.bus) || redis_room_is_full(worker->fleet.room) || health->store_is_damaged ||
           script_health_any(&worker->scripts.health);
}

static enum worker_slot_state state_of(const struct health *health) {
    if (health->worker->draining) return WORKER_SLOT_DRAINING;
    if (!health->probed) return WORKER_SLOT_STARTING;
    if (!health->store_works || store_is_late(health) || !has_scripts(health->worker)) return WORKER_SLOT_FAILING;
    return is_degraded(health) ? WORKER_SLOT_DEGRADED : WORKER_SLOT_READY;
}

void health_show(struct health *health) {
    worker_slots_show(health->worker->place.slots, health->worker->place.slot, state_of(health));
}

/* A degraded server still counts as ready: messages come from the store meanwhile. */
static void write_bus(const struct bus *bus, struct buffer *out) {
    buffer_printf(out, ",\"bus\":\"%s\"", bus_is_degraded(bus) ? "degraded" : "ok");
    if (!bus_is_degraded(bus)) return;
    struct buffer detail = {0};
    bus_write_detail(bus, &detail);
    buffer_append_str(out, ",\"busDetail\":");
    json_write_string(out, buffer_slice(&detail));
    buffer_done(&detail);
}

static void write_health(const struct health *health, struct buffer *out) {
    const struct worker *worker = health->worker;
    buffer_printf(out, "{\"status\":\"%s\",\"generation\":%u,\"connections\":%lld,\"version\":\"%s\",",
                  server_state_word(worker->place.slots), worker->scripts.generation,
                  (long long)metric_total(METRIC_CONNECTIONS), STOA_VERSION);
    buffer_printf(out, "\"workers\":{\"ready\":%u,\"of\":%u},",
                  worker_slots_count(worker->place.slots, WORKER_SLOT_READY) +
                      worker_slots_count(worker->place.slots, WORKER_SLOT_DEGRADED),
                  worker_slots_len(worker->place.slots));
    buffer_printf(out, "\"checks\":{\"store\":\"%s\"",
                  !health->store_works       ? "failing"
                  : store_is_late(health)    ? "late"
                  : health->store_is_damaged ? "damaged"
                                             : "ok");
    server_state_write_shards(worker->place.slots, health->parts, ",\"shards\":", out);
    buffer_printf(out, ",\"scripts\":\"%s\"", has_scripts(worker) ? "ok" : "missing");
    if (!bus_is_alone(worker->fleet.bus)) write_bus(worker->fleet.bus, out);
    if (worker->fleet.room)
        buffer_printf(out, ",\"redis\":\"%s\"", redis_room_is_full(worker->fleet.room) ? "full" : "ok");
    script_health_write(&worker->scripts.health, out);
    buffer_append_str(out, "}}");
}

static void reply_json(struct http_request *request, unsigned status, struct slice body) {
    http_reply(&request->exchange,
               &(struct http_reply){
                   .status = status, .content_type = "application/json", .extra_headers = PAGE_HEADERS, .body = body});
}

/* Compares in constant time. */
static bool equal_secretly(struct slice a, struct slice b) {
    unsigned char differs = a.len != b.len;
    for (size_t i = 0; i < a.len && b.len > 0; i++) differs |= (unsigned char)(a.ptr[i] ^ b.ptr[i % b.len]);
    return !differs;
}

/* A request through a local proxy does not count as loopback. */
static bool is_from_here(const struct http_request *request) {
    struct address address;
    return address_parse(slice_of(request->address), &address) && address_is_loopback(&address) &&
           http_header(request, "x-forwarded-for").len == 0;
}

static bool has_token(const struct health *health, const struct http_request *request) {
    const char *token = health->worker->config->metrics.token;
    struct slice given = http_header(request, "authorization");
    if (!token || given.len < 7 || strncasecmp(given.ptr, "bearer ", 7) != 0) return false;
    return equal_secretly(slice_from(given, 7), slice_of(token));
}

static bool may_see_metrics(const struct health *health, const struct http_request *request) {
    return health->worker->config->metrics.token ? has_token(health, request) : is_from_here(request);
}

static bool may_see_details(const struct health *health, const struct http_request *request) {
    return is_from_here(request) || has_token(health, request);
}

static void reply_metrics(struct health *health, struct http_request *request) {
    struct buffer body = {0};
    if (!may_see_metrics(health, request)) {
        http_reject(request->exchange, "metrics");
        http_reply(
            &request->exchange,
            &(struct http_reply){.status = 401,
                                 .content_type = "text/plain",
                                 .extra_headers = SLICE("www-authenticate: Bearer\r\ncache-control: no-store\r\n"),
                                 .body = SLICE("unauthorized\n")});
        return;
    }
    measure(health->worker);
    metrics_render(&body);
    http_reply(&request->exchange, &(struct http_reply){.status = 200,
                                                        .content_type = "text/plain; version=0.0.4; charset=utf-8",
                                                        .extra_headers = PAGE_HEADERS,
                                                        .body = buffer_slice(&body)});
    buffer_done(&body);
}

bool health_request(struct health *health, struct http_request *request) {
    struct buffer body = {0};
    bool ready = slice_is(request->path, "/health") || slice_is(request->path, "/health/ready");
    bool live = slice_is(request->path, "/health/live"), metrics = slice_is(request->path, "/metrics");
    if (!ready && !live && !metrics) return false;
    if (!slice_is(request->method, "GET") && !slice_is(request->method, "HEAD"))
        reply_json(request, 405, SLICE("{\"ok\":false,\"error\":{\"code\":\"bad_request\",\"message\":\"GET only\"}}"));
    else if (metrics)
        reply_metrics(health, request);
    else if (live)
        reply_json(request, 200, SLICE("{\"status\":\"ok\"}"));
    else {
        health_show(health);
        if (may_see_details(health, request))
            write_health(health, &body);
        else
            buffer_printf(&body, "{\"status\":\"%s\"}", server_state_word(health->worker->place.slots));
        reply_json(request, server_state_is_ready(health->worker->place.slots) ? 200 : 503, buffer_slice(&body));
    }
    buffer_done(&body);
    return true;
}
