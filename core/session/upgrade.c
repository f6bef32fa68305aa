/* SPDX-License-Identifier: Apache-2.0 */
#include "session/upgrade.h"

#include "base/metrics.h"
#include "session/session_internal.h"
#include "wire/engineio.h"

static void leave_probe(struct session *session, enum upgrade upgrade) {
    session->probe = NULL;
    session->upgrade = upgrade;
    session_deadline_clear(session, DEADLINE_UPGRADE);
    session_deadline_clear(session, DEADLINE_NOOP);
}

bool upgrade_begin(struct session *session, struct transport *probe) {
    bool polling = session->transport && session->transport->ops->polling;
    if (session->state != SESSION_OPEN || session->upgrade != UPGRADE_NONE || !polling) {
        metric_add_labelled(METRIC_REJECTED, "probe", 1);
        return false;
    }
    session->probe = probe;
    probe->session = session;
    session->upgrade = UPGRADE_OPENED;
    session_deadline_set(session, DEADLINE_UPGRADE, session->hub->settings.upgrade_timeout_ms);
    return true;
}

void upgrade_release_poll(struct session *session) {
    struct transport *polling = session->transport;
    if (polling->ops->blocked(polling)) return;
    if (session->outbox.queue.len == 0) session_push(session, session->hub->shared.noop);
    session_flush(session);
}

void upgrade_gone(struct session *session) {
    leave_probe(session, UPGRADE_NONE);
}

void upgrade_end(struct session *session) {
    struct transport *probe = session->probe;
    if (!probe) return;
    leave_probe(session, UPGRADE_NONE);
    probe->session = NULL;
    probe->ops->close(probe, 1000, SLICE_NONE);
}

static void upgrade_finish(struct session *session) {
    struct transport *websocket = session->probe;
    leave_probe(session, UPGRADE_DONE);
    session_move(session, websocket);
}

/* The client may send a probe once, several times or never: only UPGRADE makes the WebSocket the transport. */
void upgrade_heard(struct session *session, struct slice message, bool binary) {
    struct transport *probe = session->probe;
    struct engineio_packet packet = {.type = ENGINEIO_NOOP};
    struct buffer bytes = {0};
    if (!engineio_decode(message, binary, &bytes, &packet)) packet.type = ENGINEIO_NOOP;
    bool probes = packet.type == ENGINEIO_PING && slice_is(packet.body, "probe");
    if (probes && !probe->ops->blocked(probe)) {
        session->upgrade = UPGRADE_PROBED;
        probe->ops->write(probe, packet_bytes(session->hub->shared.probe_pong, PACKET_FRAME));
        upgrade_release_poll(session);
    } else if (packet.type == ENGINEIO_UPGRADE) {
        upgrade_finish(session);
    } else {
        metric_add_labelled(METRIC_REJECTED, "probe", 1);
        upgrade_end(session);
    }
    buffer_done(&bytes);
}
