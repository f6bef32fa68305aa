/* SPDX-License-Identifier: Apache-2.0 */
/* hub.h - all sessions of a worker, and what they share: settings, rooms, the policy in force.
 *
 * A session is one client's Engine.IO (or plain) connection over any transport; a socket is its place in one namespace
 * (socket.h). The hub answers HTTP exchanges and upgrades below its paths.
 */
#ifndef SESSION_HUB_H
#define SESSION_HUB_H

#include <stdint.h>

#include "base/coalesce.h"
#include "base/ids.h"
#include "net/http.h"
#include "session/close_reason.h"

struct admission_control;
struct memory_budget;
struct hub;
struct loop;
struct policy;
struct presence;
struct room_emit;
struct rooms;
struct socket;

/* Which clients get what they need for a recovery. ASKED: those that ask, with the query recovery=1 or auth.recovery.
 */
enum recovery_offer { RECOVERY_ASKED, RECOVERY_ALL, RECOVERY_NONE };

struct recovery_settings {
    uint64_t window_ms; /* 0: off */
    enum recovery_offer offer;
    unsigned events;
    size_t bytes;
};

struct hub_settings {
    const char *path;           /* "/socket.io/" */
    const char *plain_path;     /* "/ws" */
    bool websocket, polling;    /* transports */
    const char *const *origins; /* wire/origin.h; also CORS */
    size_t origins_len;
    bool origin_required; /* a request without an Origin is refused too */
    unsigned ping_interval_ms, ping_timeout_ms, connect_timeout_ms, upgrade_timeout_ms;
    size_t max_payload_bytes;
    struct recovery_settings recovery;
    size_t outbox_bytes;    /* a session; beyond: volatile packets are dropped, then the session lags */
    unsigned slow_close_ms; /* closed after this long without progress */
    size_t inbox_bytes;     /* unanswered events of a session; beyond: reading pauses */
    unsigned events;        /* allowance of a session in events_period_ms (flood.h); 0: unlimited */
    uint64_t events_period_ms;
    unsigned namespaces_max, rooms_max;  /* namespaces a session, rooms a socket */
    struct memory_budget *inbound;       /* for unfinished binary packets; NULL: unlimited */
    struct memory_budget *outbound;      /* for bytes queued for slow clients; NULL: unlimited */
    struct admission_control *admission; /* whose seats polling sessions take; NULL: none */
    struct coalesce_settings window;     /* takes effect at once, for all sessions */
};

/* rooms, policy and the objects in settings must outlive the hub; strings of settings are copied. */
struct hub *hub_new(struct loop *loop, struct rooms *rooms, const struct hub_settings *settings);
/* Presence in which connections that scripts count (online_begin) are online. It must outlive the hub. */
void hub_set_presence(struct hub *hub, struct presence *presence);
void hub_free(struct hub **hub);
/* Settings apply to new sessions; open sessions keep the timings of their handshake. */
void hub_set(struct hub *hub, const struct hub_settings *settings);
/* Replaces the policy; sessions use the new one from their next question. */
void hub_set_policy(struct hub *hub, struct policy *policy);
/* A path that scripts answer: POLICY_OPEN, POLICY_MESSAGE, POLICY_CLOSED (script_connection.h). */
struct hub_endpoint {
    const char *path;
    bool raw;                     /* true: plain WebSocket messages at this path; false: Engine.IO below it */
    const char *const *protocols; /* this and the next two fields only if raw: subprotocols */
    size_t protocols_len;
    size_t max_message_bytes;                   /* 0: as for other paths */
    signed char deflate;                        /* may messages be compressed? -1: as for other paths */
    unsigned ping_interval_ms, ping_timeout_ms; /* 0: as for other paths */
};
/* Replaces the list. Connections to paths that are no longer in it are closed. */
void hub_set_endpoints(struct hub *hub, const struct hub_endpoint *endpoints, size_t len);
/* Namespaces that exist beside "/". Replaces the list. */
void hub_set_namespaces(struct hub *hub, const char *const *names, size_t len);

/* came: the user's first socket exists. went: the last one is gone for good. left: a connection ended that socket_claim
 * gave to the user. */
struct hub_user_events {
    void (*came)(void *owner, struct slice user_id);
    void (*went)(void *owner, struct slice user_id);
    void (*left)(void *owner, struct slice user_id);
};
void hub_set_user_events(struct hub *hub, const struct hub_user_events *events, void *owner);
/* Prefix of the ids of new sessions. Without this call it is random. */
void hub_name_sessions(struct hub *hub, const char name[ID_OWNER_LEN]);

/* The first finds connected sockets only. The second also finds detached ones, and those whose end scripts are just
 * told. */
struct socket *hub_find_connected(struct hub *hub, struct slice socket_id);
struct socket *hub_find(struct hub *hub, struct slice socket_id);
size_t hub_sessions(const struct hub *hub);
/* Sockets of a user in every namespace, detached ones included. fn may close the socket. */
void hub_each_of_user(struct hub *hub, struct slice user_id, void (*fn)(void *owner, struct socket *socket),
                      void *owner);
/* Sockets that an emit would reach (room_gather), each once. fn may close the socket or change its rooms. */
void hub_each_reached(struct hub *hub, const struct room_emit *emit, void (*fn)(void *owner, struct socket *socket),
                      void *owner);
/* The same, and detached sockets of these rooms: a change to them holds when they come back. The time grows with the
 * number of detached sockets. */
void hub_each_meant(struct hub *hub, const struct room_emit *emit, void (*fn)(void *owner, struct socket *socket),
                    void *owner);
size_t hub_user_sessions(struct hub *hub, struct slice user_id);
/* Closes all sessions' transports; records of detached sockets are kept. */
void hub_close_all(struct hub *hub, enum close_reason reason);
/* Bytes queued in outboxes; events that wait for an answer. */
size_t hub_queued_bytes(const struct hub *hub);
size_t hub_events_waiting(const struct hub *hub);
/* Emits to every socket of every namespace. args: the JSON array. */
void hub_broadcast(struct hub *hub, struct slice args);

#endif
