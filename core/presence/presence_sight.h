/* SPDX-License-Identifier: Apache-2.0 */
/* presence_sight.h - what is known of a user's presence, and its JSON as clients see it. */
#ifndef PRESENCE_PRESENCE_SIGHT_H
#define PRESENCE_PRESENCE_SIGHT_H

#include "presence/presence.h"

/* What is known of a user, by one worker or by several together; {0}: nothing. */
struct presence_sight {
    bool is_known, is_present;  /* present: the invisible, too */
    struct presence_word word;  /* of who is present */
    uint64_t last_seen_wall_ms; /* of who cannot be seen; 0: not known */
};

/* What this worker knows of the user; the word is borrowed. */
struct presence_sight presence_see(const struct presence *presence, struct slice user_id);
bool presence_is_visible(const struct presence_sight *sight);
/* Appends {userId, status, statusMessage?, lastSeen?}; invisible users and those without connections are "offline",
 * those of whom nothing is known "unknown". */
void presence_write_sight(struct slice user_id, const struct presence_sight *sight, struct buffer *out);
/* Appends a JSON array of the channel's online users (not the invisible ones), at most max; how many there are. */
size_t presence_write_channel(const struct presence *presence, struct slice channel_id, size_t max, struct buffer *out);
/* From this worker's own connections only; ignores what it heard. */
struct presence_sight presence_see_own(const struct presence *presence, struct slice user_id);

#endif
