/* SPDX-License-Identifier: Apache-2.0 */
/* redis_slots.h - slots of a Cluster: a key's, and what CLUSTER SLOTS answers, row by row. */
#ifndef REDIS_REDIS_SLOTS_H
#define REDIS_REDIS_SLOTS_H

#include "base/buffer.h"

struct redis_value;

enum { REDIS_SLOTS = 16384 };

/* 0 to REDIS_SLOTS - 1: CRC-16 of what the key's first {braces} enclose, else of all of it. */
unsigned redis_slots_of_key(struct slice key);

struct redis_slots_row {
    unsigned first, last; /* first <= last < REDIS_SLOTS */
    struct slice host;    /* of the primary; empty: the server that answers */
    uint16_t port;
};

/* False: that is no row. */
bool redis_slots_row(const struct redis_value *item, struct redis_slots_row *row_r) MUST_CHECK;
/* "host:port", the host in brackets where it has colons; asked is the address of the server that answers. */
void redis_slots_address(const struct redis_slots_row *row, const char *asked, struct buffer *out);

#endif
