/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/drain.h"

#include "base/log.h"
#include "channel/log.h"
#include "config/config.h"
#include "net/server.h"
#include "presence/presence_sync.h"
#include "session/hub.h"
#include "wire/json.h"
#include "worker/worker.h"

enum {
    STEP_MS = 10,
    FLUSH_MS = 2000 /* clients that neither read nor send */,
    RESERVE_MS = 300 /* kept from the deadline, so that the worker ends before its master kills it */
};

static void step(struct loop_timer *timer);

void drain_init(struct drain *drain, struct worker *worker, const struct drain_events *events, void *owner) {
    *drain = (struct drain){.worker = worker, .events = events, .owner = owner};
    loop_timer_init(&drain->timer, worker->loop, step);
}

void drain_done(struct drain *drain) {
    if (drain->worker) loop_timer_cancel(&drain->timer);
}

static void tell(struct worker *worker) {
    struct buffer args = {0};
    buffer_append_str(&args, "[\"server:shutdown\",{\"message\":");
    json_write_string(&args, slice_of(worker->config->drain.message));
    buffer_printf(&args, ",\"reconnectIn\":%lld}]", (long long)worker->config->drain.reconnect_in_ms);
    hub_broadcast(worker->hub, buffer_slice(&args));
    buffer_done(&args);
}

static void set_state(struct drain *drain, int state, const char *name) {
    struct worker *worker = drain->worker;
    drain->state = state;
    LOG(LOG_INFO, "drain", LOG_TEXT("state", name), LOG_NUMBER("connections", net_server_connections(worker->net)),
        LOG_NUMBER("events", hub_events_waiting(worker->hub)),
        LOG_NUMBER("appends", channel_log_pending(worker->channels.log)));
}

/* One state's work; true: go on with the next one. */
static bool advance(struct drain *drain, uint64_t now_ms) {
    struct worker *worker = drain->worker;
    bool late = now_ms + RESERVE_MS >= drain->deadline_ms;
    switch (drain->state) {
        case DRAIN_NOTICE: /* load balancers see 503 and send no more */
            if (now_ms < drain->accept_until_ms && !late) return false;
            drain->events->accept_no_more(drain->owner);
            tell(worker);
            set_state(drain, DRAIN_FINISH, "finish");
            return false;  /* stock clients drop an event that comes in one payload with the close */
        case DRAIN_FINISH: /* events under way are answered, commits acknowledged */
            if (!late && (hub_events_waiting(worker->hub) || channel_log_pending(worker->channels.log))) return false;
            hub_close_all(worker->hub, CLOSE_SHUTTING_DOWN);
            drain->flush_until_ms = now_ms + FLUSH_MS;
            set_state(drain, DRAIN_FLUSH, "flush");
            return false; /* at least one turn for the writes */
        case DRAIN_FLUSH: /* Close frames and queued output */
            late = late || now_ms >= drain->flush_until_ms || !net_server_connections(worker->net);
            if (!late && (hub_sessions(worker->hub) || hub_queued_bytes(worker->hub))) return false;
            set_state(drain, DRAIN_OVER, "over");
            drain->events->over(drain->owner);
            return false;
        default:
            return false;
    }
}

static void step(struct loop_timer *timer) {
    struct drain *drain = CONTAINER(timer, struct drain, timer);
    uint64_t now_ms = loop_now_ms(drain->worker->loop);
    while (advance(drain, now_ms)) continue;
    if (drain->state != DRAIN_OVER) loop_timer_set(timer, STEP_MS);
}

void drain_begin(struct drain *drain, uint64_t timeout_ms, uint64_t notice_ms) {
    uint64_t now_ms = loop_now_ms(drain->worker->loop);
    if (drain->state == DRAIN_NO) {
        drain->worker->draining = true;
        presence_sync_farewell(drain->worker->presence.sync);
        drain->deadline_ms = now_ms + notice_ms + timeout_ms;
        drain->accept_until_ms = now_ms + notice_ms;
        set_state(drain, DRAIN_NOTICE, "notice");
        loop_timer_set(&drain->timer, 1);
    } else if (now_ms + timeout_ms < drain->deadline_ms) {
        drain->deadline_ms = now_ms + timeout_ms;
        drain->accept_until_ms = now_ms;
    }
}

unsigned drain_left_ms(const struct drain *drain) {
    uint64_t now_ms = loop_now_ms(drain->worker->loop);
    return now_ms + RESERVE_MS < drain->deadline_ms ? (unsigned)(drain->deadline_ms - now_ms - RESERVE_MS) : 0;
}
