/* SPDX-License-Identifier: Apache-2.0 */
/* hub.h - all sessions of a worker, and what they share: settings, rooms, the policy in force.
 *
 * A session is one client's Engine.IO (or plain) connection over whatever transport; a socket is its place in one
 * namespace (socket.h). The hub answers HTTP exchanges and upgrades below its paths.
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

/* Which clients are told how to be recovered: those that ask, with the query recovery=1 or auth.recovery. */
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
    bool origin_required; /* a request without one is refused, too */
    unsigned ping_interval_ms, ping_timeout_ms, connect_timeout_ms, upgrade_timeout_ms;
    size_t max_payload_bytes;
    struct recovery_settings recovery;
    size_t outbox_bytes;    /* a session: beyond, what is volatile goes; then the session lags */
    unsigned slow_close_ms; /* no progress for so long: closed */
    size_t inbox_bytes;     /* unanswered events of a session: beyond, reading pauses */
    unsigned events;        /* what a session may ask in events_period_ms (flood.h); 0: anything */
    uint64_t events_period_ms;
    unsigned namespaces_max, rooms_max;  /* a session, a socket */
    struct memory_budget *inbound;       /* what unfinished binary packets may hold; NULL: anything */
    struct memory_budget *outbound;      /* what waits for clients that take it slowly may hold; likewise */
    struct admission_control *admission; /* whose seats polling sessions take; NULL: none */
    struct coalesce_settings window;     /* holds at once, for all */
};

/* rooms, policy and settings outlive the hub; strings of settings are copied. */
struct hub *hub_new(struct loop *loop, struct rooms *rooms, const struct hub_settings *settings);
/* Where those connections are online that scripts count (online_begin). Outlives the hub. */
void hub_set_presence(struct hub *hub, struct presence *presence);
void hub_free(struct hub **hub);
/* Hold for new sessions; timings of open ones stay as their handshake said. */
void hub_set(struct hub *hub, const struct hub_settings *settings);
/* The policy that is asked from now on; sessions move to it at their next question. */
void hub_set_policy(struct hub *hub, struct policy *policy);
/* A path that scripts answer: POLICY_OPEN, POLICY_MESSAGE, POLICY_CLOSED (script_connection.h). */
struct hub_endpoint {
    const char *path;
    bool raw;                     /* a WebSocket's messages as they are, at this path; else Engine.IO, below it */
    const char *const *protocols; /* raw, as the next two: subprotocols */
    size_t protocols_len;
    size_t max_message_bytes;                   /* 0: as for others */
    signed char deflate;                        /* may messages be compressed? -1: as for others */
    unsigned ping_interval_ms, ping_timeout_ms; /* 0: as for others */
};
/* Replaces the list. Connections to paths that are in it no more are closed. */
void hub_set_endpoints(struct hub *hub, const struct hub_endpoint *endpoints, size_t len);
/* Namespaces that exist beside "/". Replaces the list. */
void hub_set_namespaces(struct hub *hub, const char *const *names, size_t len);

/* Hears when a user's first socket is there, when the last one is gone for good, and when a connection has ended that
 * socket_claim made his. */
struct hub_user_events {
    void (*came)(void *owner, struct slice user_id);
    void (*went)(void *owner, struct slice user_id);
    void (*left)(void *owner, struct slice user_id);
};
void hub_set_user_events(struct hub *hub, const struct hub_user_events *events, void *owner);
/* What the ids of new sessions begin with; without it, random characters. */
void hub_name_sessions(struct hub *hub, const char name[ID_OWNER_LEN]);

/* A socket that is connected; that is away, too, or of whose end scripts are just hearing. */
struct socket *hub_find_connected(struct hub *hub, struct slice socket_id);
struct socket *hub_find(struct hub *hub, struct slice socket_id);
size_t hub_sessions(const struct hub *hub);
/* Sockets of a user (their user's id), in every namespace, also those that are away and may come back: fn may close the
 * socket. */
void hub_each_of_user(struct hub *hub, struct slice user_id, void (*fn)(void *owner, struct socket *socket),
                      void *owner);
/* Sockets that an emit would reach (room_gather), each once: fn may close the socket, or change its rooms. */
void hub_each_reached(struct hub *hub, const struct room_emit *emit, void (*fn)(void *owner, struct socket *socket),
                      void *owner);
/* Those, and who is away from one of the rooms: what is done to them holds when they are back. Takes longer, the more
 * are away. */
void hub_each_meant(struct hub *hub, const struct room_emit *emit, void (*fn)(void *owner, struct socket *socket),
                    void *owner);
size_t hub_user_sessions(struct hub *hub, struct slice user_id);
/* Closes all sessions' transports; detached sessions are dropped too if forget. */
void hub_close_all(struct hub *hub, enum close_reason reason);
/* Bytes that wait in outboxes, events that wait for an answer. */
size_t hub_queued_bytes(const struct hub *hub);
size_t hub_events_waiting(const struct hub *hub);
/* To every socket of every namespace: args is the JSON array. */
void hub_broadcast(struct hub *hub, struct slice args);

#endif
