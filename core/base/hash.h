/* SPDX-License-Identifier: Apache-2.0 */
/* hash.h - SipHash-2-4 (Aumasson, Bernstein 2012). Any thread may hash. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stdint.h>

#include "base/slice.h"

uint64_t hash_keyed(uint64_t k0, uint64_t k1, struct slice bytes);
/* With a key that is random in each process: for tables that attackers fill. */
uint64_t hash_local(struct slice bytes);
/* With the all-zero key: the same on every machine, for ever (the buckets of the shard map). */
uint64_t hash_fixed(struct slice bytes);

/* Below `below`, another one at each call: nobody outside foresees it. *draws counts them, from anywhere. */
uint64_t hash_draw(uint64_t *draws, uint64_t below);
/* A tenth more or less, drawn: what begins together does not end together. */
uint64_t hash_spread(uint64_t *draws, uint64_t number);

#endif
