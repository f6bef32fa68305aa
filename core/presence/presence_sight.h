/* SPDX-License-Identifier: Apache-2.0 */
/* presence_sight.h - what is known of a user's presence, and its JSON as clients see it. */
#ifndef PRESENCE_PRESENCE_SIGHT_H
#define PRESENCE_PRESENCE_SIGHT_H

#include "presence/presence.h"

/* What is known of a user, by one worker or by several together; {0}: nothing. */
struct presence_sight {
    bool is_known, is_present;  /* is_present: invisible users too */
    struct presence_word word;  /* of a present user */
    uint64_t last_seen_wall_ms; /* of a user who is not visible; 0: not known */
};

/* What this worker knows of the user; the word is borrowed. */
struct presence_sight presence_see(const struct presence *presence, struct slice user_id);
bool presence_is_visible(const struct presence_sight *sight);
/* Appends {userId, status, statusMessage?, lastSeen?}. Invisible users and users without connections are "offline";
 * users of whom nothing is known are "unknown". */
void presence_write_sight(struct slice user_id, const struct presence_sight *sight, struct buffer *out);
/* Appends a JSON array of the channel's online users (without invisible ones), at most max. Returns how many there are.
 */
size_t presence_write_channel(const struct presence *presence, struct slice channel_id, size_t max, struct buffer *out);
/* From this worker's connections only; ignores reports of other workers. */
struct presence_sight presence_see_own(const struct presence *presence, struct slice user_id);

#endif
