/* SPDX-License-Identifier: Apache-2.0 */
/* presence_internal.h - the structs of presence. For presence*.c only. */
#ifndef PRESENCE_PRESENCE_INTERNAL_H
#define PRESENCE_PRESENCE_INTERNAL_H

#include "base/list.h"
#include "base/map.h"
#include "loop/loop.h"
#include "presence/presence.h"

enum status { STATUS_ONLINE, STATUS_AWAY, STATUS_BUSY, STATUS_INVISIBLE };

/* A user's timer, allocated only while it runs: most users need none. */
struct user_timer {
    struct presence_user *user;
    struct loop_timer timer;
    uint64_t wall_ms; /* for user.end: when the status ends */
};

/* A user is present while they have a connection here, during the grace after the last one, and while other workers
 * have them. */
struct presence_user {
    struct presence *presence;
    struct list seats;     /* user_link: in channels */
    struct list gone_link; /* in presence->gone while not present */
    unsigned connections;
    unsigned elsewhere; /* sum over the seats: how many other workers have the user there */
    bool is_here;       /* connected, or within the grace */
    bool is_recalled;   /* the word is from before the user went offline */
    bool is_settling;   /* hidden for now: other workers may know that the user is invisible */
    enum status status : 8;
    uint16_t id_len;
    char *message;             /* NULL: none */
    uint64_t version, changed; /* of the word, over all workers; its changes here, to compare with the seats' */
    uint64_t last_seen_wall_ms, gone_ms;
    struct user_timer *wait; /* while settling, or during the grace without a connection; else NULL */
    struct user_timer *end;  /* NULL: the word does not end */
    char id[];
};

/* A user in a channel. Taken while one of the user's connections follows the channel, during the grace, and while other
 * workers have the user there. It lives until the members have been told that it is empty. */
struct presence_seat {
    struct presence_user *user;
    struct channel *channel;
    struct list user_link, channel_link, dirty_link;
    unsigned looks, elsewhere; /* looks: connections here; elsewhere: workers that have the user there */
    bool is_here;              /* followed from here, or within the grace */
    bool is_counted;           /* taken and visible */
    bool is_own;               /* by this worker's connections alone */
    bool told_online;          /* what the channel's members were told of it */
    uint64_t told_changed, own_changed;
    struct loop_timer grace;
};

struct channel {
    struct list seats, dirty, due_link; /* dirty: seats of which its members must be told; due_link: in presence->due */
    size_t online, own;                 /* users known by name; those of them by this worker's connections */
    size_t unnamed;                     /* users whom other workers report only by number */
    size_t told_online;
    size_t id_len;
    char id[];
};

/* One connection, and the seats of the channels that it follows. */
struct connection {
    struct presence_user *user;
    struct look *looks;
    uint16_t id_len;
    char id[];
};
struct look {
    struct look *next;
    struct presence_seat *seat;
};

struct presence {
    struct loop *loop;
    struct presence_settings settings;
    const struct presence_events *events;
    void *owner;
    struct map *users, *channels, *connections;
    struct list due;  /* channels to tell at the next tick */
    struct list gone; /* users that went offline, the earliest first */
    size_t gone_len;
    struct loop_timer tick, forget;
};

static inline struct slice user_id(const struct presence_user *user) {
    return (struct slice){user->id, user->id_len};
}

static inline struct slice channel_id_of(const struct channel *channel) {
    return (struct slice){channel->id, channel->id_len};
}

static inline bool user_is_present(const struct presence_user *user) {
    return user->is_here || user->elsewhere > 0;
}

static inline bool user_is_visible(const struct presence_user *user) {
    return user_is_present(user) && !user->is_settling && user->status != STATUS_INVISIBLE;
}

struct presence_word user_word(const struct presence_user *user); /* borrowed */
extern const char *const presence_status_names[];
/* Appends the user as seen where they are online, or are not. */
void presence_write_as(const struct presence_user *user, bool online, struct buffer *out);

#endif
