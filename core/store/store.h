/* SPDX-License-Identifier: Apache-2.0 */
/* store.h - what must not be lost: channel logs, members, users, sessions, audit.
 *
 * One request, one completion. A request owns its arguments and its result; store_submit takes it, done runs on the
 * loop, not within the call, exactly once, and the request is freed when done returns. Drivers: store_driver.h.
 *
 * Each change of a channel takes the channel's next number, seq, without gaps; epoch ("<number>-<incarnation>") changes
 * when the store may have lost acknowledged numbers (a restored backup). */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "base/error.h"
#include "store/store_request.h"

struct shard_map;
struct store;

/* Takes the request. */
void store_submit(struct store *store, struct store_request **request);
/* The part that holds the channel's log, from 0. A part may be away, or slow, while the others are not. */
unsigned store_part_of(struct store *store, struct slice channel_id);
/* Does that part (behind the last of them: the database of people) take what is written, by the last probes? */
bool store_part_works(const struct store *store, unsigned part);
void store_close(struct store **store, unsigned deadline_ms);
/* Something was read that is not what was written; the log says what. */
bool store_is_damaged(const struct store *store);
/* Users, channels, members are another log from now on: epoch names it, "": not known yet. What was read before may not
 * be so. From the loop, not within the call that caused it. */
struct store_people_watch {
    void (*moved)(void *owner, const char *epoch);
    void *owner;
};
/* Called at once with what is known. Once a store. */
void store_watch_people(struct store *store, const struct store_people_watch *watch);
/* May the map be put in force? False: a channel would move, or there are not so many shards. A store without shards
 * takes any. */
bool store_check_shards(struct store *store, const struct shard_map *map, struct error *error_r) MUST_CHECK;
/* From now on; a reference more. */
void store_set_shards(struct store *store, struct shard_map *map);

#endif
