/* SPDX-License-Identifier: Apache-2.0 */
#include "session/transport_polling.h"

#include <stdlib.h>

#include "base/fault.h"
#include "limit/admission.h"
#include "net/long_polling.h"
#include "session/session_internal.h"

struct polling_driver {
    struct transport transport;
    struct loop *loop;
    struct long_polling *polling;
    struct loop_task gone;
    struct seat seat; /* the session's own seat while it has no connection */
};

static struct polling_driver *driver_of(const struct transport *transport) {
    return CONTAINER(transport, struct polling_driver, transport);
}

static bool driver_write(struct transport *transport, struct slice bytes) {
    long_polling_write(driver_of(transport)->polling, bytes);
    return false; /* until the next GET */
}

static bool driver_blocked(const struct transport *transport) {
    return !long_polling_waiting(driver_of(transport)->polling);
}

static bool driver_deflates(const struct transport *transport) {
    return false;
}

static void driver_pause(struct transport *transport, bool paused) {
    long_polling_pause(driver_of(transport)->polling, paused);
}

static void driver_gone(struct loop_task *task) {
    struct polling_driver *driver = CONTAINER(task, struct polling_driver, gone);
    if (driver->transport.session) session_gone(driver->transport.session, &driver->transport, 1000, SLICE_NONE);
    long_polling_free(&driver->polling);
    admission_leave(&driver->seat);
    free(driver);
}

static void driver_close(struct transport *transport, uint16_t code, struct slice reason) {
    struct polling_driver *driver = driver_of(transport);
    long_polling_stop(driver->polling);
    if (!code) long_polling_write(driver->polling, SLICE("6"));
    long_polling_pause(driver->polling, false);
    loop_post(driver->loop, &driver->gone);
}

static struct seat *driver_seat(struct transport *transport) {
    return &driver_of(transport)->seat;
}

static void give_way(struct seat *seat) {
    struct polling_driver *driver = CONTAINER(seat, struct polling_driver, seat);
    if (driver->transport.session) session_close(driver->transport.session, CLOSE_OVERLOAD);
    driver_close(&driver->transport, close_reason_code(CLOSE_OVERLOAD), SLICE_NONE);
    admission_leave(seat);
}

static void driver_rest(struct transport *transport) {
    admission_rest(driver_seat(transport), give_way);
}

static const struct transport_ops driver_ops = {
    .polling = true,
    .write = driver_write,
    .blocked = driver_blocked,
    .deflates = driver_deflates,
    .pause = driver_pause,
    .seat = driver_seat,
    .rest = driver_rest,
    .close = driver_close,
};

static void on_packet(void *owner, const struct engineio_packet *packet) {
    struct transport *transport = owner;
    if (transport->session) session_packet(transport->session, packet);
}

static void on_waiting(void *owner) {
    struct transport *transport = owner;
    if (transport->session) session_drained(transport->session, transport);
}

static void on_broken(void *owner, enum long_polling_fault fault) {
    struct session *session = ((struct transport *)owner)->session;
    if (!session) return;
    if (fault == LONG_POLLING_ABORTED)
        session_broken(session);
    else
        session_reject(session, fault == LONG_POLLING_BAD_BODY ? CLOSE_PARSE_ERROR : CLOSE_TRANSPORT_ERROR);
}

static const struct long_polling_events driver_events = {on_packet, on_waiting, on_broken};

/* False: the request has been answered with a refusal. */
static bool take_seat(const struct hub *hub, struct http_request *request, struct slice headers, struct seat *seat) {
    struct address address;
    bool named = address_parse(slice_of(request->address), &address);
    struct admission_verdict verdict = {0};
    bool takes = hub->settings.admission && !fault_planted("uncharged_sessions");
    if (takes) verdict = admission_seat(hub->settings.admission, named ? &address : NULL, seat);
    if (!verdict.refused) return true;
    http_reject(request->exchange, verdict.refused);
    long_polling_refuse_for(request, verdict.retry_after_s, headers);
    return false;
}

void transport_polling_accept(struct hub *hub, enum session_kind kind, struct handshake *handshake,
                              struct http_request *request, struct slice headers) {
    struct seat seat = {0};
    if (!take_seat(hub, request, headers, &seat)) {
        handshake_unref(&handshake);
        return;
    }
    struct polling_driver *driver = NEW(struct polling_driver);
    driver->seat = seat;
    driver->transport.ops = &driver_ops;
    driver->loop = hub->loop;
    driver->polling = long_polling_new(&driver_events, &driver->transport);
    loop_task_init(&driver->gone, driver_gone);
    struct session *session = session_open(hub, kind, &driver->transport, handshake);
    long_polling_request(driver->polling, request, headers);
    session_begin(session);
}

void transport_polling_continue(struct session *session, struct http_request *request, struct slice headers) {
    long_polling_request(driver_of(session->transport)->polling, request, headers);
}
