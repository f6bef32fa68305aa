/* SPDX-License-Identifier: Apache-2.0 */
/* store_cached.h - a store with the channels' last events in Redis before it (recent_events.h).
 *
 * What is read from there is the log: each reading of EVENTS, and of the newest page of MESSAGES, learns the channel's
 * head from the store, and is answered without reading rows only if the range reaches it. Of a channel one reading is
 * under way at a time, for all who asked before it began. All else goes to the store.
 */
#ifndef STORE_STORE_CACHED_H
#define STORE_STORE_CACHED_H

struct loop;
struct redis;
struct redis_room;
struct store;

/* Of the keys in Redis, as a pattern of Lua. */
#define STORE_CACHED_KEYS "^stoa:{c:.*}:e:"

/* Takes the store, which it closes with itself; redis and room outlive both. room, secret: as in recent_events.h. */
struct store *store_cached_new(struct loop *loop, struct store **store, struct redis *redis, struct redis_room *room,
                               const char *secret);

#endif
