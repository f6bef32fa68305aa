#include "redis/slot.h"

#include <stdint.h>
#include <stdio.h>

#include "redis/redis_internal.h"

/* CRC-16/XMODEM: polynomial 0x1021, nothing reflected, starts at 0. By nibbles: a table of 16. */
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

unsigned redis_slot(struct slice key) {
    const char *open = key.len ? memchr(key.ptr, '{', key.len) : NULL;
    if (open) {
        struct slice after = slice_from(key, (size_t)(open + 1 - key.ptr));
        const char *close = after.len ? memchr(after.ptr, '}', after.len) : NULL;
        if (close && close > after.ptr) key = (struct slice){after.ptr, (size_t)(close - after.ptr)};
    }
    return crc16(key) % REDIS_SLOTS;
}

/* The smallest number that leads there. A server has, of N, a few of the first N × a few. */
static void tag_of(const struct redis *redis, const struct redis_node *node, void (*fn)(void *owner, struct slice tag),
                   void *owner) {
    for (unsigned number = 0; number < 8 * REDIS_SLOTS; number++) {
        char text[16];
        struct slice tag = {text, (size_t)snprintf(text, sizeof(text), "%u", number)};
        if (redis->owners[redis_slot(tag)] != node) continue;
        fn(owner, tag);
        return;
    }
}

void redis_each_tag(const struct redis *redis, void (*fn)(void *owner, struct slice tag), void *owner) {
    LIST_EACH(&redis->nodes, link) {
        const struct redis_node *node = CONTAINER(link, struct redis_node, link);
        if (node->primary) tag_of(redis, node, fn, owner);
    }
}
