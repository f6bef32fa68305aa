/* SPDX-License-Identifier: Apache-2.0 */
#include "redis/redis_slots.h"

#include "redis/resp.h"

/* CRC-16/XMODEM: polynomial 0x1021, not reflected, initial value 0. By nibbles: a table of 16. */
static uint16_t crc16(struct slice bytes) {
    static const uint16_t table[16] = {0x0000, 0x1021, 0x2042, 0x3063, 0x4084, 0x50a5, 0x60c6, 0x70e7,
                                       0x8108, 0x9129, 0xa14a, 0xb16b, 0xc18c, 0xd1ad, 0xe1ce, 0xf1ef};
    uint16_t crc = 0;
    for (size_t i = 0; i < bytes.len; i++) {
        uint8_t byte = (uint8_t)bytes.ptr[i];
        crc = (uint16_t)(crc << 4) ^ table[(crc >> 12) ^ (byte >> 4)];
        crc = (uint16_t)(crc << 4) ^ table[(crc >> 12) ^ (byte & 15)];
    }
    return crc;
}

unsigned redis_slots_of_key(struct slice key) {
    const char *open = key.len ? memchr(key.ptr, '{', key.len) : NULL;
    if (open) {
        struct slice after = slice_from(key, (size_t)(open + 1 - key.ptr));
        const char *close = after.len ? memchr(after.ptr, '}', after.len) : NULL;
        if (close && close > after.ptr) key = (struct slice){after.ptr, (size_t)(close - after.ptr)};
    }
    return crc16(key) % REDIS_SLOTS;
}

enum { PORT_MAX = 65535 };

static bool in_range(const struct redis_value *value, int64_t least, int64_t most) {
    return value->type == REDIS_INTEGER && value->integer >= least && value->integer <= most;
}

bool redis_slots_row(const struct redis_value *item, struct redis_slots_row *row_r) {
    const struct redis_value *first = resp_item(item, 0), *last = resp_item(item, 1);
    const struct redis_value *primary = resp_item(item, 2);
    const struct redis_value *host = resp_item(primary, 0), *port = resp_item(primary, 1);
    if (!in_range(first, 0, REDIS_SLOTS - 1) || !in_range(last, first->integer, REDIS_SLOTS - 1)) return false;
    if (!in_range(port, 1, PORT_MAX) || (host->type != REDIS_STRING && host->type != REDIS_NIL)) return false;
    if (host->text.len && memchr(host->text.ptr, '\0', host->text.len)) return false;
    *row_r = (struct redis_slots_row){(unsigned)first->integer, (unsigned)last->integer, host->text,
                                      (uint16_t)port->integer};
    if (slice_is(row_r->host, "?")) row_r->host = SLICE_NONE; /* the server does not know its own name */
    return true;
}

void redis_slots_address(const struct redis_slots_row *row, const char *asked, struct buffer *out) {
    if (row->host.len == 0)
        buffer_append(out, asked, (size_t)(strrchr(asked, ':') - asked));
    else
        buffer_printf(out, memchr(row->host.ptr, ':', row->host.len) ? "[%.*s]" : "%.*s", SLICE_ARG(row->host));
    buffer_printf(out, ":%u", row->port);
}
