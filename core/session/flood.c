/* SPDX-License-Identifier: Apache-2.0 */
#include "session/flood.h"

#include "base/metrics.h"
#include "session/session.h"
#include "session/session_internal.h"

enum { NS_PER_MS = 1000000, REST_MS = 100, PAUSE_MS = 1000, VIOLATIONS_PAUSE = 16, VIOLATIONS_CLOSE = 64 };

static uint64_t now_ns(const struct session *session) {
    return loop_now_ms(session->hub->loop) * NS_PER_MS;
}

static uint64_t period_ns(const struct session *session) {
    return session->hub->settings.events_period_ms * NS_PER_MS;
}

static void rest(struct session *session, uint64_t delay_ms) {
    session_pause(session, PAUSED_FLOOD, true);
    session_deadline_set(session, DEADLINE_CALM, delay_ms);
}

/* Time until the session may send again; 0: now. */
static uint64_t rest_ms(const struct session *session) {
    uint64_t may_owe_ns = now_ns(session) + period_ns(session);
    if (session->paid_ns <= may_owe_ns) return 0;
    uint64_t over_ms = (session->paid_ns - may_owe_ns) / NS_PER_MS;
    return over_ms > REST_MS ? over_ms : REST_MS;
}

bool flood_charge(struct session *session, unsigned units) {
    unsigned events = session->hub->settings.events;
    if (events == 0) return false;
    uint64_t now = now_ns(session), most = now + 2 * period_ns(session);
    if (session->paid_ns < now) session->paid_ns = now;
    session->paid_ns += units * period_ns(session) / events;
    if (session->paid_ns > most) session->paid_ns = most; /* bounds the wait for events that had been read already */
    uint64_t delay_ms = rest_ms(session);
    if (delay_ms == 0) return false;
    if (session->paused & PAUSED_FLOOD) return true;
    metric_add_labelled(METRIC_LIMITED, "events", 1);
    rest(session, delay_ms);
    return true;
}

void flood_violation(struct session *session) {
    session->violations++;
    if (session->violations >= VIOLATIONS_CLOSE)
        session_reject(session, CLOSE_FLOOD);
    else if (session->violations >= VIOLATIONS_PAUSE)
        rest(session, PAUSE_MS);
}

void flood_calm(struct session *session) {
    uint64_t delay_ms = session->hub->settings.events > 0 ? rest_ms(session) : 0;
    if (delay_ms > 0)
        rest(session, delay_ms);
    else
        session_pause(session, PAUSED_FLOOD, false);
}
