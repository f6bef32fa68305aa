/* SPDX-License-Identifier: Apache-2.0 */
/* hub_internal.h - what all sessions of a worker share. For this folder only. */
#ifndef SESSION_HUB_INTERNAL_H
#define SESSION_HUB_INTERNAL_H

#include "base/map.h"
#include "session/flush.h"
#include "session/script_endpoints.h"
#include "session/socket_internal.h"

struct name_list {
    char **names;
    size_t len;
};
void name_list_set(struct name_list *list, const char *const *names, size_t len);

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

struct hub {
    struct loop *loop;
    struct rooms *rooms;
    struct presence *presence; /* NULL: nobody is online */
    struct rooms_implied own_rooms;
    struct policy *policy;
    struct hub_settings settings;
    char *path, *plain_path;
    struct name_list origins, namespaces;
    struct script_endpoints endpoints;
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
    struct list dead_sessions, dead_sockets; /* freed at the end of the turn */
    struct list partings;                    /* scripts hear of an end */
    struct loop_task reap_task;
    struct hub_shared shared;
    struct hub_scratch scratch;
};

bool hub_has_namespace(const struct hub *hub, struct slice name);
void hub_bury_session(struct session *session);
/* Freed at the end of the turn, or once scripts have heard of its ends. */
void hub_bury_socket(struct socket *socket);
struct hub_user *hub_user(struct hub *hub, struct slice id);
void hub_unref_user(struct hub *hub, struct hub_user **user);
bool hub_policy_handles(const struct hub *hub, enum policy_point point, struct slice namespace_name);

#endif
