/* SPDX-License-Identifier: Apache-2.0 */
/* inside.h - functions that let tests look inside a unit, beyond its header.
 *
 * Where a unit's struct is in its own file, inside_UNIT.c is that file with these functions at its end. A test that
 * calls one of them is linked with it in place of the library's file.
 */
#ifndef INSIDE_INSIDE_H
#define INSIDE_INSIDE_H

#include <stddef.h>

#include "base/slice.h"

struct admission_control;
struct memory_budget;
struct cache;
struct limiter;
struct presence;
struct receiver;
struct room;
struct subscriber;

unsigned admission_seats(const struct admission_control *control);
/* What all hold. */
size_t budget_bytes(const struct memory_budget *budget);
size_t cache_bytes(const struct cache *cache);
size_t cache_entries(const struct cache *cache);
size_t limiter_keys(const struct limiter *limiter);
/* How many connections the user has with this worker. */
size_t presence_connections(const struct presence *presence, struct slice user_id);
struct receiver *room_member(const struct room *room, size_t index);
/* Wanted topics, and how many of these are not subscribed now. */
size_t subscriber_wanted(const struct subscriber *subscriber, size_t *missing_r);

#endif
