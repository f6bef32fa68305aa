/* SPDX-License-Identifier: Apache-2.0 */
/* redis_slots.h - slots of a Cluster: the slot of a key, and the rows of a CLUSTER SLOTS reply. */
#ifndef REDIS_REDIS_SLOTS_H
#define REDIS_REDIS_SLOTS_H

#include "base/buffer.h"

struct redis_value;

enum { REDIS_SLOTS = 16384 };

/* 0 to REDIS_SLOTS - 1: CRC-16 of the text inside the key's first {braces}, or of the whole key. */
unsigned redis_slots_of_key(struct slice key);

struct redis_slots_row {
    unsigned first, last; /* first <= last < REDIS_SLOTS */
    struct slice host;    /* of the primary; empty: the server that answered */
    uint16_t port;
};

/* False: not a valid row. */
bool redis_slots_row(const struct redis_value *item, struct redis_slots_row *row_r) MUST_CHECK;
/* Writes "host:port", with brackets around a host that has colons. asked: address of the server that answered. */
void redis_slots_address(const struct redis_slots_row *row, const char *asked, struct buffer *out);

#endif
