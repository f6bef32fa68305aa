/* SPDX-License-Identifier: Apache-2.0 */
/* shared_values.h - the scripts' state that survives reloads: small values by name, bounded. This unit does not know
 * Lua. */
#ifndef POLICY_SHARED_VALUES_H
#define POLICY_SHARED_VALUES_H

#include <stdint.h>

#include "base/slice.h"

struct loop;
struct shared;

enum { SHARED_KEY_MAX = 512, SHARED_VALUE_MAX = 65536, SHARED_BYTES_MAX = 16 << 20, SHARED_KEYS_MAX = 65536 };

struct shared *shared_new(struct loop *loop);
struct shared *shared_ref(struct shared *shared);
void shared_unref(struct shared **shared);
/* JSON; empty: no value, or it has expired. Borrowed until the next call. */
struct slice shared_find(struct shared *shared, struct slice key);
/* ttl_ms 0: never expires. False: full, or key or value is too long. */
bool shared_set(struct shared *shared, struct slice key, struct slice json, uint64_t ttl_ms);
void shared_remove(struct shared *shared, struct slice key);

#endif
