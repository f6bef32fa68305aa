/* SPDX-License-Identifier: Apache-2.0 */
/* session_internal.h - what the files of this folder share: the fields of the hub and of a socket. Other folders use
 * hub.h and socket.h.
 *
 * A socket outlives its session. When detached, it is the record from which a recovery continues, under the same ids. A
 * recovery moves the socket to the new session, so that later events of the old session cannot touch it.
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
    struct list sockets; /* connected ones, and detached ones that may come back */
    char id[];
};

struct watch;
struct connecting; /* namespace_connect.c: the client's CONNECT is being answered */

struct socket_user {
    struct list link; /* in the user's list, until the socket has ended */
    struct hub_user *of;
    char *json; /* NULL: null */
};

/* How a fan-out reaches the socket. */
struct socket_delivery {
    bool replaying, lagging, holding;
};

/* What scripts know of the socket. */
struct socket_script {
    unsigned partings; /* ends of which scripts will be told, or are being told */
    bool announced;    /* scripts know of it and will be told of its end */
    bool has_ended;    /* freed once scripts have been told of its ends */
};

struct socket {
    /* The fields that a fan-out touches, close together. */
    struct receiver receiver;
    struct session *session; /* NULL: detached, or ended */
    struct connecting *connecting;
    uint16_t rooms_len;
    struct socket_delivery delivery;
    bool guest, recovered;
    bool moved; /* it came from another worker: an offset of that worker means this socket's start */
    struct socket_script script;
    struct hub *hub;

    struct list link; /* in the session's sockets; detached: in the hub's records */
    struct socket_user user;
    struct list memberships;
    const char *namespace_name; /* the main namespace's name is shared: not freed */
    char *state_json;           /* NULL: null */
    struct handshake *handshake;
    struct record record;
    uint64_t lag_offset;       /* lagging: delivered up to here */
    struct outbox_queue *held; /* NULL: nothing is held back */
    struct list calls;         /* open questions to the client */
    struct watch *watches;     /* told when its connection ends */
    char id[SOCKET_ID_LEN + 1];
    bool counts;         /* online in presence by this connection */
    uint16_t generation; /* incremented when the user or the session changes */
};

/* Owned strings. */
struct name_list {
    char **names;
    size_t len;
};
/* Packets and bytes that are the same for all clients. */
struct hub_shared {
    struct packet *ping, *probe_pong, *noop, *close;
    struct buffer plain_ping;
};

struct hub_scratch {
    struct gathering gathering;
    struct buffer text, name, handshake;
};

/* Detached sockets that may be recovered, oldest first. */
struct hub_records {
    struct list sockets;
    size_t len, bytes;
    struct loop_timer timer;
    struct map *by_pid; /* attached sockets too */
};

/* hub_http.c's. */
struct hub_http {
    char *path, *plain_path;
    struct name_list origins;
    struct script_endpoints endpoints;
};

/* Sessions and sockets to free at the end of the turn; ends of which scripts will be told. */
struct hub_endings {
    struct list dead_sessions, dead_sockets, partings;
    struct loop_task reap;
};

struct hub {
    struct loop *loop;
    struct rooms *rooms;
    struct presence *presence; /* NULL: presence is off */
    struct rooms_implied own_rooms;
    struct policy *policy;
    struct hub_settings settings;
    struct hub_http http;
    struct name_list namespaces; /* in addition to "/" */
    char node[ID_OWNER_LEN + 1]; /* of session ids */
    size_t sessions_open;        /* those that are not ending */
    struct map *sessions, *sockets, *users;
    struct map *backlogs;                      /* of slow sessions */
    uint64_t calls;                            /* counts questions to clients; gives their ids */
    const struct hub_user_events *user_events; /* NULL: nobody listens */
    void *user_events_owner;
    struct hub_records records;
    struct transfers *transfers; /* NULL: sockets do not move between workers */
    struct flush flush;
    struct hub_endings endings;
    struct hub_shared shared;
    struct hub_scratch scratch;
};

/* hub.c */
bool hub_has_namespace(const struct hub *hub, struct slice name);
void hub_bury_session(struct session *session);
/* It is freed at the end of the turn, or once scripts have been told of its ends. */
void hub_bury_socket(struct socket *socket);
struct hub_user *hub_user(struct hub *hub, struct slice id);
void hub_unref_user(struct hub *hub, struct hub_user **user);
bool hub_policy_handles(const struct hub *hub, enum policy_point point, struct slice namespace_name);

/* socket.c */
struct socket *socket_new(struct session *session, struct slice namespace_name);
/* Sets the socket's user; json is an object. */
void socket_set_user(struct socket *socket, struct slice user_id, struct slice user_json);
struct socket *session_socket(struct session *session, struct slice namespace_name);
void socket_attach(struct socket *socket, struct session *session);
/* Leaves the session and the rooms, and keeps the rooms' names. Open calls are answered with GONE. */
void socket_detach(struct socket *socket);
/* Ends the socket or, if keep, keeps it as a record. Scripts that know of it are told later. */
void socket_part(struct socket *socket, const char *reason, bool keep);
/* The client asked for recovery: it may be offered, and events carry their offset. */
void socket_want_recovery(struct socket *socket);
bool socket_wants_recovery(const struct socket *socket);
/* NULL: the receiver is no socket. */
struct socket *socket_receiving(struct receiver *receiver);
void socket_rename(struct socket *socket, struct slice id);
/* Leaves all rooms and takes a new id, like a new socket. */
void socket_become_other(struct socket *socket);
/* Notes an event that came with a transfer, so that an ordinary copy of it is not delivered again. */
void socket_note_had(struct socket *socket, uint64_t tag);
bool socket_has_had(struct socket *socket, const struct packet *packet);
/* Sends the events that were held back. */
void socket_release(struct socket *socket);
/* The session of a lagging socket has room again: sends what it missed. False: the log does not reach back so far. */
bool socket_catch_up(struct socket *socket) MUST_CHECK;
void socket_free(struct socket *socket);
/* Appends to what is held back already. */
void socket_hold_back(struct socket *socket, struct packet *packet);

/* socket_rooms.c */
/* Joins the room without being online in its channel. False: rooms_max reached. */
bool socket_enter(struct socket *socket, struct slice room);
/* Joins the room of its namespace. From now on the socket has its own room too, which is made on first use. */
void socket_join_namespace(struct socket *socket);
/* For rooms_set_implied: sockets' own rooms. */
bool socket_is_implied(struct rooms_implied *implied, struct slice namespace_name, struct slice name,
                       struct receiver **receiver_r, struct list **memberships_r);
void socket_join_since(struct socket *socket, struct slice room, uint64_t since_offset);
/* The socket is detached: leaves its rooms and keeps their names. */
void socket_keep_rooms(struct socket *socket);

/* socket_call.c */
void socket_hear_ack(struct socket *socket, const struct arrival *ack);
/* Open calls are answered with GONE. */
void socket_end_calls(struct socket *socket);

#endif
