/* SPDX-License-Identifier: Apache-2.0 */
/* session_internal.h - what the files of this folder share: the hub, and what a socket is made of. hub.h and socket.h
 * are what others see.
 *
 * A socket outlives its session: detached, it is the record from which a recovery continues, under the same ids. A
 * recovery moves it to the new session, so that whatever still happens to the old one cannot touch it.
 */
#ifndef SESSION_SESSION_INTERNAL_H
#define SESSION_SESSION_INTERNAL_H

#include "base/map.h"
#include "channel/room.h"
#include "session/flush.h"
#include "session/record.h"
#include "session/script_endpoints.h"
#include "session/session.h"
#include "session/socket.h"

enum { SOCKET_ID_LEN = 20, SOCKET_STATE_MAX = 4096, SOCKET_CALLS_MAX = 64, SOCKET_ROOM_NAME_MAX = 128 };

/* A user with sockets. */
struct hub_user {
    unsigned refs;
    struct list sockets; /* connected ones, and those that may come back */
    char id[];
};

struct watch;
struct connecting; /* namespace_connect.c: the client's CONNECT is being answered */

struct socket_user {
    struct list link; /* of the user's sockets, until it has ended */
    struct hub_user *of;
    char *json; /* NULL: null */
};

/* How a fan-out reaches it. */
struct socket_delivery {
    bool replaying, lagging, holding;
};

/* What scripts know of it. */
struct socket_script {
    unsigned partings; /* of which they are to hear, or are hearing */
    bool announced;    /* they know of it and will hear of its end */
    bool has_ended;    /* freed once they have heard of its ends */
};

struct socket {
    /* What a fan-out touches, close together. */
    struct receiver receiver;
    struct session *session; /* NULL: detached, or ended */
    struct connecting *connecting;
    uint16_t rooms_len;
    struct socket_delivery delivery;
    bool guest, recovered;
    bool moved; /* from another worker: offsets of there mean its start */
    struct socket_script script;
    struct hub *hub;

    struct list link; /* of the session's sockets; detached: of the hub's */
    struct socket_user user;
    struct list memberships;
    const char *namespace_name; /* the main one is nobody's own */
    char *state_json;           /* NULL: null */
    struct handshake *handshake;
    struct record record;
    uint64_t lag_offset;       /* lagging: delivered up to here */
    struct outbox_queue *held; /* NULL: nothing is held back */
    struct list calls;         /* questions to the client */
    struct watch *watches;     /* of its connection */
    char id[SOCKET_ID_LEN + 1];
    bool counts;         /* in presence, by this connection */
    uint16_t generation; /* raised with the user and with the session */
};

/* Of all sessions of a worker. */
struct name_list {
    char **names;
    size_t len;
};
/* Packets and bytes that everyone gets. */
struct hub_shared {
    struct packet *ping, *probe_pong, *noop, *close;
    struct buffer plain_ping;
};

struct hub_scratch {
    struct gathering gathering;
    struct buffer text, name, handshake;
};

/* Detached sockets, oldest first. */
struct hub_records {
    struct list sockets;
    size_t len, bytes;
    struct loop_timer timer;
    struct map *by_pid; /* attached ones too */
};

/* hub_http.c's. */
struct hub_http {
    char *path, *plain_path;
    struct name_list origins;
    struct script_endpoints endpoints;
};

/* What goes at the end of the turn, and whose end scripts still hear of. */
struct hub_endings {
    struct list dead_sessions, dead_sockets, partings;
    struct loop_task reap;
};

struct hub {
    struct loop *loop;
    struct rooms *rooms;
    struct presence *presence; /* NULL: nobody is online */
    struct rooms_implied own_rooms;
    struct policy *policy;
    struct hub_settings settings;
    struct hub_http http;
    struct name_list namespaces; /* beside "/" */
    char node[ID_OWNER_LEN + 1]; /* of session ids */
    size_t sessions_open;        /* those that are not ending */
    struct map *sessions, *sockets, *users;
    struct map *backlogs;                      /* of sessions that are slow */
    uint64_t calls;                            /* questions to clients, so far: their ids */
    const struct hub_user_events *user_events; /* NULL: nobody hears */
    void *user_events_owner;
    struct hub_records records;
    struct transfers *transfers; /* NULL: sockets stay where they are */
    struct flush flush;
    struct hub_endings endings;
    struct hub_shared shared;
    struct hub_scratch scratch;
};

/* hub.c */
bool hub_has_namespace(const struct hub *hub, struct slice name);
void hub_bury_session(struct session *session);
/* Freed at the end of the turn, or once scripts have heard of its ends. */
void hub_bury_socket(struct socket *socket);
struct hub_user *hub_user(struct hub *hub, struct slice id);
void hub_unref_user(struct hub *hub, struct hub_user **user);
bool hub_policy_handles(const struct hub *hub, enum policy_point point, struct slice namespace_name);

/* socket.c */
struct socket *socket_new(struct session *session, struct slice namespace_name);
/* Gives it a user; json is an object. */
void socket_set_user(struct socket *socket, struct slice user_id, struct slice user_json);
struct socket *session_socket(struct session *session, struct slice namespace_name);
void socket_attach(struct socket *socket, struct session *session);
/* Leaves session and rooms (whose names it keeps). Open calls are answered with GONE. */
void socket_detach(struct socket *socket);
/* Ends or, when keep, stays as a record; scripts hear of it, later, if they know of it. */
void socket_part(struct socket *socket, const char *reason, bool keep);
/* Its client asked for a recovery: it may be offered, and its events have their offset. */
void socket_want_recovery(struct socket *socket);
bool socket_wants_recovery(const struct socket *socket);
/* NULL: another kind of receiver. */
struct socket *socket_receiving(struct receiver *receiver);
/* Takes another id. */
void socket_rename(struct socket *socket, struct slice id);
/* Out of all rooms, under a new id: as if it had never been anyone. */
void socket_become_other(struct socket *socket);
/* What came with a transfer does not come again when it arrives here by itself. */
void socket_note_had(struct socket *socket, uint64_t tag);
bool socket_has_had(struct socket *socket, const struct packet *packet);
/* What was held back goes out. */
void socket_release(struct socket *socket);
/* A lagging socket's session has room again. False: its log does not reach back. */
bool socket_catch_up(struct socket *socket) MUST_CHECK;
void socket_free(struct socket *socket);
/* Behind what is held back already. */
void socket_hold_back(struct socket *socket, struct packet *packet);

/* socket_rooms.c */
/* In the room, and not yet online in its channel. False: rooms_max reached. */
bool socket_enter(struct socket *socket, struct slice room);
/* Joins its namespace; from now on it has a room of its own too, which is there once it is used. */
void socket_join_namespace(struct socket *socket);
/* For rooms_set_implied: sockets' own rooms. */
bool socket_is_implied(struct rooms_implied *implied, struct slice namespace_name, struct slice name,
                       struct receiver **receiver_r, struct list **memberships_r);
void socket_join_since(struct socket *socket, struct slice room, uint64_t since_offset);
/* It goes: out of its rooms, which are kept for it. */
void socket_keep_rooms(struct socket *socket);

/* socket_call.c */
void socket_hear_ack(struct socket *socket, const struct arrival *ack);
/* Open calls are answered with GONE. */
void socket_end_calls(struct socket *socket);

#endif
