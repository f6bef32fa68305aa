/* SPDX-License-Identifier: Apache-2.0 */
/* presence.h - who is online: users by their live connections, and what they say of themselves.
 *
 * A user is online while one of his connections is; the last one's end counts after a grace (a reload of the page is no
 * absence). Changes of a channel are gathered and told at most once a tick; large channels get counts only. Who is
 * connected to other workers is online too, as presence_sync.h hears; that they told it means that their grace is over.
 */
#ifndef PRESENCE_PRESENCE_H
#define PRESENCE_PRESENCE_H

#include <stdint.h>

#include "base/buffer.h"

struct loop;
struct presence;

struct presence_settings {
    uint64_t grace_ms;  /* 1→0 connections: offline after it (default 5,000) */
    uint64_t tick_ms;   /* changes are told at most this often (default 200) */
    uint64_t settle_ms; /* 0: alone. Else who comes is not seen for so long: he may be invisible elsewhere */
    unsigned names_max; /* channels with more online users tell counts only (default 500) */
};
/* What a user says of himself. The one with the highest version is the latest; version 0: nothing yet. */
struct presence_word {
    uint64_t version;
    unsigned status; /* up to PRESENCE_STATUS_MAX */
    struct slice message;
};
/* As a user says it. */
struct presence_said {
    struct slice status, message; /* online, away, busy, invisible */
    uint64_t ends_wall_ms;        /* then it is online, without a message; 0: when he says otherwise */
};
/* All but changed may be NULL. */
struct presence_events {
    /* Tell channel_id's online members: users is a JSON array of {userId, status, statusMessage?, lastSeen?}, or, for a
     * large channel, empty; online: how many. */
    void (*changed)(void *owner, struct slice channel_id, struct slice users, size_t online);
    /* To others the user went: his last connection ended and its grace is over, or he turned invisible (his real end
     * is then nobody's to know). */
    void (*offline)(void *owner, struct slice user_id);
    /* For other workers: what this one's own connections make of the user in the channel has changed; the user has said
     * something of himself. */
    void (*moved)(void *owner, struct slice channel_id, struct slice user_id);
    void (*said)(void *owner, struct slice user_id);
};

/* Users that went are remembered so long, and so many of them: then they are "unknown" here (the store knows more). */
enum { PRESENCE_GONE_MS = 300000, PRESENCE_GONE_MAX = 100000, PRESENCE_MESSAGE_MAX = 256, PRESENCE_STATUS_MAX = 3 };

struct presence *presence_new(struct loop *loop, const struct presence_settings *settings,
                              const struct presence_events *events, void *owner);
void presence_free(struct presence **presence);
void presence_set(struct presence *presence, const struct presence_settings *settings);

/* A connection of the user begins, ends; connection_id is the socket's. before (may be NULL): what he said before he
 * went, if nothing is known here that is newer. */
void presence_connected(struct presence *presence, struct slice user_id, struct slice connection_id,
                        const struct presence_said *before);
void presence_disconnected(struct presence *presence, struct slice user_id, struct slice connection_id);
/* The connection looks at a channel; the user is online there while one of his connections does (plus grace). */
void presence_joined(struct presence *presence, struct slice channel_id, struct slice user_id,
                     struct slice connection_id);
void presence_left(struct presence *presence, struct slice channel_id, struct slice user_id,
                   struct slice connection_id);
/* False: there is no such status, or he is not connected. Forgotten when he is offline: the store keeps it. */
bool presence_update(struct presence *presence, struct slice user_id, const struct presence_said *said);

/* A total order over all that a word says: of one version every worker keeps the same, the more private one. */
bool presence_word_is_newer(const struct presence_word *word, const struct presence_word *than);
/* For presence_sync.c. Is the user online in the channel by this worker's connections? Words are borrowed. */
bool presence_own(const struct presence *presence, struct slice channel_id, struct slice user_id,
                  struct presence_word *word_r);
/* fn (may be NULL) for each such user of the channel; how many there are. */
size_t presence_each_own(const struct presence *presence, struct slice channel_id,
                         void (*fn)(void *owner, struct slice user_id, const struct presence_word *word), void *owner);
/* False: he has no connection here, or said nothing. */
bool presence_word_of(const struct presence *presence, struct slice user_id, struct presence_word *word_r);
/* He said it on another worker; older words are ignored. */
void presence_hear(struct presence *presence, struct slice user_id, const struct presence_word *word);
/* One worker more has him in the channel, or one less; was_told: that worker said so (and told the store). */
void presence_came_elsewhere(struct presence *presence, struct slice channel_id, struct slice user_id,
                             const struct presence_word *word);
void presence_went_elsewhere(struct presence *presence, struct slice channel_id, struct slice user_id, bool was_told);
/* So many online users of the channel have no name here. */
void presence_set_unnamed(struct presence *presence, struct slice channel_id, size_t unnamed);

#endif
