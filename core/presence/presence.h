/* SPDX-License-Identifier: Apache-2.0 */
/* presence.h - who is online: users by their live connections, and the status that they set.
 *
 * A user is online while one of their connections is live. The end of the last one counts after a grace (a page reload
 * is no absence). Changes of a channel are collected and sent at most once a tick; large channels get counts only.
 * Users connected to other workers are online too, as presence_sync.h reports. When another worker reports an end, its
 * grace is over.
 */
#ifndef PRESENCE_PRESENCE_H
#define PRESENCE_PRESENCE_H

#include <stdint.h>

#include "base/buffer.h"

struct loop;
struct presence;

struct presence_settings {
    uint64_t grace_ms;  /* from the last connection's end until the user is offline (default 5,000) */
    uint64_t tick_ms;   /* changes are sent at most this often (default 200) */
    uint64_t settle_ms; /* a new user is hidden for this long: they may be invisible on another worker; 0: there is no
                           other worker */
    unsigned names_max; /* channels with more online users get counts only (default 500) */
};
/* The status of a user. The highest version is the latest; version 0: not set yet. */
struct presence_word {
    uint64_t version;
    unsigned status; /* up to PRESENCE_STATUS_MAX */
    struct slice message;
};
/* A status as a user sets it. */
struct presence_said {
    struct slice status, message; /* online, away, busy, invisible */
    uint64_t ends_wall_ms; /* then the status becomes online, without a message; 0: it holds until the next status */
};
/* All but changed may be NULL. */
struct presence_events {
    /* Send this to channel_id's online members. users: a JSON array of {userId, status, statusMessage?, lastSeen?};
     * empty for a large channel. online: how many. */
    void (*changed)(void *owner, struct slice channel_id, struct slice users, size_t online);
    /* To others the user went offline: the grace of the last connection is over, or the user turned invisible (their
     * real end is then not reported). */
    void (*offline)(void *owner, struct slice user_id);
    /* For other workers. moved: the user's presence in the channel by this worker's connections changed. said: the user
     * set a status. */
    void (*moved)(void *owner, struct slice channel_id, struct slice user_id);
    void (*said)(void *owner, struct slice user_id);
};

/* How long, and how many, users that went offline are remembered. Afterwards they are "unknown" here (the store knows
 * more). */
enum { PRESENCE_GONE_MS = 300000, PRESENCE_GONE_MAX = 100000, PRESENCE_MESSAGE_MAX = 256, PRESENCE_STATUS_MAX = 3 };

struct presence *presence_new(struct loop *loop, const struct presence_settings *settings,
                              const struct presence_events *events, void *owner);
void presence_free(struct presence **presence);
void presence_set(struct presence *presence, const struct presence_settings *settings);

/* A connection of the user begins or ends; connection_id is the socket's. before (may be NULL): the status before the
 * user went offline; ignored if a newer one is known here. */
void presence_connected(struct presence *presence, struct slice user_id, struct slice connection_id,
                        const struct presence_said *before);
void presence_disconnected(struct presence *presence, struct slice user_id, struct slice connection_id);
/* The connection follows a channel. The user is online there while one of their connections follows it, plus the grace.
 */
void presence_joined(struct presence *presence, struct slice channel_id, struct slice user_id,
                     struct slice connection_id);
void presence_left(struct presence *presence, struct slice channel_id, struct slice user_id,
                   struct slice connection_id);
/* False: there is no such status, or the user is not connected. Forgotten when the user is offline: the store keeps it.
 */
bool presence_update(struct presence *presence, struct slice user_id, const struct presence_said *said);

/* A total order over all fields of a word: for equal versions every worker keeps the same word, the more private one.
 */
bool presence_word_is_newer(const struct presence_word *word, const struct presence_word *than);
/* For presence_sync.c. Is the user online in the channel by this worker's connections? Words are borrowed. */
bool presence_own(const struct presence *presence, struct slice channel_id, struct slice user_id,
                  struct presence_word *word_r);
/* Calls fn (may be NULL) for each such user of the channel. Returns their number. */
size_t presence_each_own(const struct presence *presence, struct slice channel_id,
                         void (*fn)(void *owner, struct slice user_id, const struct presence_word *word), void *owner);
/* False: the user has no connection here, or no status. */
bool presence_word_of(const struct presence *presence, struct slice user_id, struct presence_word *word_r);
/* The user set this status on another worker; older words are ignored. */
void presence_hear(struct presence *presence, struct slice user_id, const struct presence_word *word);
/* One worker more, or one fewer, has the user in the channel. was_told: that worker reported it (and told the store).
 */
void presence_came_elsewhere(struct presence *presence, struct slice channel_id, struct slice user_id,
                             const struct presence_word *word);
void presence_went_elsewhere(struct presence *presence, struct slice channel_id, struct slice user_id, bool was_told);
/* The number of the channel's online users whose names are not known here. */
void presence_set_unnamed(struct presence *presence, struct slice channel_id, size_t unnamed);

#endif
