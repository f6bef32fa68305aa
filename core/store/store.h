/* SPDX-License-Identifier: Apache-2.0 */
/* store.h - data that must not be lost: channel logs, members, users, sessions, audit.
 *
 * Each request has one completion. A request owns its arguments and its result. store_submit takes the request; done
 * runs exactly once, on the loop, never within the call; the request is freed when done returns. Drivers:
 * store_driver.h.
 *
 * Each change of a channel gets the channel's next number, seq, without gaps. epoch ("<number>-<incarnation>") changes
 * when the store may have lost acknowledged numbers (a restored backup). */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "base/error.h"
#include "store/store_request.h"

struct shard_map;
struct store;

/* Takes the request. */
void store_submit(struct store *store, struct store_request **request);
/* The part that holds the channel's log, from 0. One part may be down or slow while the others are not. */
unsigned store_part_of(struct store *store, struct slice channel_id);
/* True: the part accepted writes in its last probes. The number after the last shard is the database of users. */
bool store_part_works(const struct store *store, unsigned part);
void store_close(struct store **store, unsigned deadline_ms);
/* True: something was read that differs from what was written; the log says what. */
bool store_is_damaged(const struct store *store);
/* Users, channels and members are now in another log: epoch names it; "": not known yet. Anything read before may be
 * out of date. Called from the loop, not within the call that caused it. */
struct store_people_watch {
    void (*moved)(void *owner, const char *epoch);
    void *owner;
};
/* Calls moved at once with what is known. At most one watch per store. */
void store_watch_people(struct store *store, const struct store_people_watch *watch);
/* May the map be applied? False: a channel would move, or the store has too few shards. A store without shards accepts
 * any map. */
bool store_check_shards(struct store *store, const struct shard_map *map, struct error *error_r) MUST_CHECK;
/* Applies the map from now on; takes a reference of its own. */
void store_set_shards(struct store *store, struct shard_map *map);

#endif
