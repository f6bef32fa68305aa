/* SPDX-License-Identifier: Apache-2.0 */
#include "session/seating.h"

#include "limit/admission.h"
#include "session/packet_assembly.h"
#include "session/session.h"

static struct seat *seat_of(const struct session *session) {
    struct transport *transport = session->transport;
    return transport && transport->ops->seat ? transport->ops->seat(transport) : NULL;
}

void seating_let_in(struct session *session, bool let_in) {
    struct seat *seat = seat_of(session);
    session->let_in = let_in;
    if (seat && let_in)
        admission_use(seat);
    else if (seat)
        session->transport->ops->rest(session->transport);
}

void seating_moved(struct session *session) {
    seating_let_in(session, session->let_in);
    if (session->kind == SESSION_SOCKETIO) packet_assembly_move(session);
}

struct share *seating_share(const struct session *session) {
    const struct seat *seat = seat_of(session);
    return seat ? admission_share(seat) : NULL;
}
