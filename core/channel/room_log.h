/* SPDX-License-Identifier: Apache-2.0 */
/* room_log.h - the packets recently sent to each room, for clients that come back. For room.c only.
 *
 * A record is in two queues: its room's, and that of all rooms by age. So the oldest record of all rooms is dropped
 * first when time or memory runs out. A log has a floor: it is complete after that offset.
 */
#ifndef CHANNEL_ROOM_LOG_H
#define CHANNEL_ROOM_LOG_H

#include "channel/room.h"

/* Receivers excluded from an emit; shared by its records. */
struct exclusion;

struct room_log {
    struct list records;
    uint64_t floor;
    unsigned events;
    size_t bytes;
};

struct logged_packet {
    struct list by_room, by_age;
    struct room_log *log;
    uint64_t offset, at_ms;
    size_t bytes;
    struct packet *packet;
    struct exclusion *exclusion; /* NULL: nobody */
};

struct room_logs {
    struct room_limits limits;
    struct list by_age;
    size_t bytes;
};

void room_logs_init(struct room_logs *logs, const struct room_limits *limits);
/* Records beyond the new limits are dropped when the next records are added. */
void room_logs_set(struct room_logs *logs, const struct room_limits *limits);
/* Drops records older than the window, at most max. Returns the time when the oldest remaining record expires;
 * UINT64_MAX: none. */
uint64_t room_logs_expire(struct room_logs *logs, uint64_t now_ms, unsigned max);

/* The log holds nothing up to floor. */
void room_log_init(struct room_log *log, uint64_t floor);
void room_log_done(struct room_logs *logs, struct room_log *log);
void room_log_add(struct room_logs *logs, struct room_log *log, uint64_t offset, uint64_t now_ms, struct packet *packet,
                  struct exclusion *exclusion);

/* The caller owns one reference. */
struct exclusion *exclusion_new(const struct slice *names, size_t names_len);
void exclusion_add(struct exclusion *exclusion, uint64_t identity);
void exclusion_unref(struct exclusion **exclusion);
/* Was the receiver excluded, by its identity or because it was (and is) a member of one of the rooms, connected or not?
 */
bool exclusion_holds(const struct exclusion *exclusion, uint64_t offset, uint64_t identity, struct list *memberships);

#endif
