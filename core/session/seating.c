#include "session/seating.h"

#include "limit/admission.h"
#include "session/session.h"

static struct seat *seat_of(const struct session *session) {
    struct transport *transport = session->transport;
    return transport && transport->ops->seat ? transport->ops->seat(transport) : NULL;
}

void seating_set_stranger(struct session *session, bool stranger) {
    struct seat *seat = seat_of(session);
    session->stranger = stranger;
    if (seat) admission_rest(seat, stranger);
}

struct share *seating_share(const struct session *session) {
    const struct seat *seat = seat_of(session);
    return seat ? admission_share(seat) : NULL;
}
