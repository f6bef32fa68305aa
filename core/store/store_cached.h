/* SPDX-License-Identifier: Apache-2.0 */
/* store_cached.h - a store that caches the channels' last events in Redis (recent_events.h).
 *
 * Answers always match the log: each read of EVENTS, and of the newest page of MESSAGES, asks the store for the
 * channel's head. Only if the cached range reaches the head, the answer is made without reading rows. At most one read
 * per channel is pending; it answers all requests that arrived before it began. All other requests go to the store.
 */
#ifndef STORE_STORE_CACHED_H
#define STORE_STORE_CACHED_H

struct loop;
struct redis;
struct redis_room;
struct store;

/* Matches its keys in Redis; a Lua pattern. */
#define STORE_CACHED_KEYS "^stoa:{c:.*}:e:"

/* Takes the store and closes it with itself; redis and room must outlive both. room, secret: as in recent_events.h. */
struct store *store_cached_new(struct loop *loop, struct store **store, struct redis *redis, struct redis_room *room,
                               const char *secret);

#endif
