/* SPDX-License-Identifier: Apache-2.0 */
#include "session/hub_http.h"

#include <stdlib.h>

#include "base/log.h"
#include "net/long_polling.h"
#include "session/session_internal.h"
#include "session/transport_polling.h"
#include "session/transport_websocket.h"
#include "wire/origin.h"
#include "wire/url_query.h"

enum { ADMITTED = -1 };

struct endpoint {
    enum { ENDPOINT_NONE, ENDPOINT_PACKETS, ENDPOINT_WEBSOCKET } form;
    enum session_kind kind;
    const struct hub_endpoint *of; /* the endpoint of scripts; NULL: none */
};

static struct endpoint endpoint_of(const struct hub *hub, struct slice path) {
    if (path_below(path, hub->http.path)) return (struct endpoint){ENDPOINT_PACKETS, SESSION_SOCKETIO, NULL};
    if (slice_is(path, hub->http.plain_path)) return (struct endpoint){ENDPOINT_WEBSOCKET, SESSION_PLAIN, NULL};
    const struct hub_endpoint *of = script_endpoints_at(&hub->http.endpoints, path);
    if (!of) return (struct endpoint){ENDPOINT_NONE, SESSION_SOCKETIO, NULL};
    if (of->raw) return (struct endpoint){ENDPOINT_WEBSOCKET, SESSION_RAW, of};
    return (struct endpoint){ENDPOINT_PACKETS, SESSION_ENGINE, of};
}

static bool origin_ok(const struct hub *hub, struct http_request *request) {
    struct slice origin = http_header(request, "origin");
    if (origin.len == 0) return !hub->settings.origin_required;
    return origin_allowed(origin, http_header(request, "host"), (const char *const *)hub->http.origins.names,
                          hub->http.origins.len);
}

static bool origin_legal(struct http_request *request) {
    struct slice origin = http_header(request, "origin");
    for (size_t i = 0; i < origin.len; i++) {
        unsigned char c = (unsigned char)origin.ptr[i];
        if (c < 0x20 || c == 0x7f) return false;
    }
    return true;
}

/* The fields of the query. */
struct upgrade_asked {
    bool polling, websocket, has_sid, version_4, base64;
    struct session *session; /* the session of sid; NULL: unknown */
};

static bool query_is(struct slice query, const char *name, const char *value) {
    struct buffer text = {0};
    bool is = url_query_find(query, name, &text) && slice_is(buffer_slice(&text), value);
    buffer_done(&text);
    return is;
}

static bool query_says(struct slice query, const char *name, struct buffer *value) {
    return url_query_find(query, name, value) && value->len > 0;
}

static bool session_known(const struct session *session, const struct endpoint *endpoint) {
    if (session->kind != endpoint->kind) return false;
    if (endpoint->of && strcmp(session->handshake->endpoint_path, endpoint->of->path) != 0) return false;
    return session->state == SESSION_OPEN || session->timing.due_ms[DEADLINE_LINGER] > 0;
}

static struct upgrade_asked read_query(const struct hub *hub, const struct endpoint *endpoint, struct slice query) {
    struct upgrade_asked asked = {
        .polling = hub->settings.polling && query_is(query, "transport", "polling"),
        .websocket = hub->settings.websocket && query_is(query, "transport", "websocket"),
        .version_4 = query_is(query, "EIO", "4"),
    };
    struct buffer value = {0};
    asked.has_sid = query_says(query, "sid", &value);
    if (asked.has_sid) asked.session = map_find(hub->sessions, buffer_slice(&value));
    if (asked.session && !session_known(asked.session, endpoint)) asked.session = NULL;
    buffer_clear(&value);
    asked.base64 = query_says(query, "b64", &value);
    buffer_done(&value);
    return asked;
}

/* In the reference server's order of checks. */
static int check(const struct hub *hub, struct http_request *request, const struct upgrade_asked *asked) {
    if (!asked->polling && !asked->websocket) return ENGINEIO_UNKNOWN_TRANSPORT;
    if (!origin_legal(request)) return ENGINEIO_BAD_REQUEST;
    if (asked->has_sid) {
        const struct session *session = asked->session;
        if (!session) return ENGINEIO_UNKNOWN_SID;
        bool on_polling = session->transport && session->transport->ops->polling;
        bool was_polling = on_polling || session->upgrade == UPGRADE_DONE;
        if (request->upgrade ? !asked->websocket || !was_polling : !asked->polling || !on_polling) {
            return ENGINEIO_BAD_REQUEST;
        }
        return origin_ok(hub, request) ? ADMITTED : ENGINEIO_FORBIDDEN;
    }
    if (!slice_is(request->method, "GET")) return ENGINEIO_BAD_METHOD;
    if (asked->websocket != request->upgrade) return ENGINEIO_BAD_REQUEST;
    if (!origin_ok(hub, request)) return ENGINEIO_FORBIDDEN;
    return asked->version_4 ? ADMITTED : ENGINEIO_UNSUPPORTED_VERSION;
}

static void reject(const struct http_request *request, int error) {
    static const char *const names[] = {"transport", "sid", "method", "request", "origin", "version"};
    http_reject(request->exchange, names[error]);
    if (error == ENGINEIO_FORBIDDEN)
        LOG(LOG_WARNING, "origin.refused", LOG_SLICE("origin", http_header(request, "origin")),
            LOG_SLICE("host", http_header(request, "host")), LOG_TEXT("address", request->address),
            LOG_TEXT("advice", "origins"));
}

static void request_packets(struct hub *hub, const struct endpoint *endpoint, struct http_request *request,
                            struct slice headers) {
    struct upgrade_asked asked = read_query(hub, endpoint, request->query);
    int error = check(hub, request, &asked);
    if (error != ADMITTED) {
        reject(request, error);
        long_polling_refuse(request, (enum engineio_error)error, headers);
    } else if (asked.session) {
        transport_polling_continue(asked.session, request, headers);
    } else {
        struct handshake *handshake = handshake_new(request, endpoint->of, SLICE_NONE, loop_wall_ms(hub->loop));
        transport_polling_accept(hub, endpoint->kind, handshake, request, headers);
    }
}

bool hub_names_session(const struct hub *hub, struct slice path, struct slice query, struct buffer *id_r) {
    return endpoint_of(hub, path).form == ENDPOINT_PACKETS && url_query_find(query, "sid", id_r) &&
           id_r->len == ID_SESSION_LEN;
}

void hub_refused(const struct hub *hub, struct http_request *request, struct buffer *fields) {
    if (endpoint_of(hub, request->path).form == ENDPOINT_PACKETS)
        long_polling_cors(request, (const char *const *)hub->http.origins.names, hub->http.origins.len, fields);
}

bool hub_request(struct hub *hub, struct http_request *request) {
    struct endpoint endpoint = endpoint_of(hub, request->path);
    if (endpoint.form == ENDPOINT_NONE) return false;
    if (endpoint.form == ENDPOINT_WEBSOCKET) {
        http_reject(request->exchange, "not_an_upgrade");
        struct http_reply reply = {.status = 426, .extra_headers = SLICE("upgrade: websocket\r\n")};
        http_reply(&request->exchange, &reply);
        return true;
    }
    struct buffer headers = {0};
    long_polling_cors(request, (const char *const *)hub->http.origins.names, hub->http.origins.len, &headers);
    if (slice_is(request->method, "OPTIONS"))
        long_polling_preflight(request, buffer_slice(&headers));
    else
        request_packets(hub, &endpoint, request, buffer_slice(&headers));
    buffer_done(&headers);
    return true;
}

static void set_raw(const struct hub_endpoint *endpoint, struct http_request *request, struct http_upgrade *upgrade_r) {
    upgrade_r->protocol = http_choose_protocol(request, endpoint->protocols, endpoint->protocols_len);
    if (endpoint->deflate >= 0) upgrade_r->deflate = endpoint->deflate;
}

bool hub_upgrade(struct hub *hub, struct http_request *request, struct http_upgrade *upgrade_r) {
    struct endpoint endpoint = endpoint_of(hub, request->path);
    if (endpoint.form == ENDPOINT_NONE) return false;
    struct upgrade_asked asked = {0};
    int error = ADMITTED;
    if (endpoint.form == ENDPOINT_PACKETS) {
        asked = read_query(hub, &endpoint, request->query);
        error = check(hub, request, &asked);
    } else if (!origin_ok(hub, request)) {
        error = ENGINEIO_FORBIDDEN;
    }
    if (error != ADMITTED) {
        reject(request, error);
        long_polling_refusal((enum engineio_error)error, &upgrade_r->refusal);
    } else if (asked.session) {
        transport_websocket_probe(hub, slice_of(asked.session->id), asked.base64, upgrade_r);
    } else {
        if (endpoint.kind == SESSION_RAW) set_raw(endpoint.of, request, upgrade_r);
        struct handshake *handshake = handshake_new(request, endpoint.of, upgrade_r->protocol, loop_wall_ms(hub->loop));
        transport_websocket_accept(hub, endpoint.kind, handshake, asked.base64, upgrade_r);
    }
    return true;
}

void hub_opened(void *upgrade_owner, struct conn *conn) {
    transport_websocket_opened(upgrade_owner, conn);
}
