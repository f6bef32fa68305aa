/* SPDX-License-Identifier: Apache-2.0 */
#include "session/backlog.h"

#include <stdlib.h>

#include "base/metrics.h"
#include "limit/memory_budget.h"
#include "session/session.h"
#include "session/session_internal.h"

/* Only slow sessions have one; looked up by the session's id. */
struct backlog {
    struct holder holder;
    struct session *session;
};

static void cut(struct holder *holder) {
    metric_add_labelled(METRIC_REJECTED, "outbound_budget", 1);
    session_doom(CONTAINER(holder, struct backlog, holder)->session, CLOSE_SLOW);
}

static struct backlog *backlog_new(struct session *session) {
    struct backlog *backlog = NEW(struct backlog);
    backlog->session = session;
    holder_init(&backlog->holder, cut);
    map_put(session->hub->backlogs, slice_of(session->id), backlog);
    return backlog;
}

void backlog_charge(struct session *session) {
    struct backlog *backlog = map_find(session->hub->backlogs, slice_of(session->id));
    if (!backlog) backlog = backlog_new(session);
    memory_budget_hold(session->hub->settings.outbound, &backlog->holder, session->outbox.queue.bytes);
}

void backlog_release(struct session *session) {
    struct backlog *backlog = map_remove(session->hub->backlogs, slice_of(session->id));
    if (!backlog) return;
    memory_budget_hold(session->hub->settings.outbound, &backlog->holder, 0);
    free(backlog);
}
