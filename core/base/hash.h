/* SPDX-License-Identifier: Apache-2.0 */
/* hash.h - SipHash-2-4 (Aumasson, Bernstein 2012). Any thread may hash. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stdint.h>

#include "base/slice.h"

uint64_t hash_keyed(uint64_t k0, uint64_t k1, struct slice bytes);
/* With a random key per process: for tables whose keys attackers choose. */
uint64_t hash_local(struct slice bytes);
/* With the all-zero key: the same on every machine and in every version (buckets of the shard map). */
uint64_t hash_fixed(struct slice bytes);

/* A number less than below, different at each call and unpredictable from outside. *draws counts the calls; any start
 * value. */
uint64_t hash_draw(uint64_t *draws, uint64_t below);
/* Adds random jitter of up to a tenth either way, so that timers set together do not end together. */
uint64_t hash_spread(uint64_t *draws, uint64_t number);

#endif
