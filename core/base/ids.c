/* SPDX-License-Identifier: Apache-2.0 */
#include "base/ids.h"

#include <assert.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#include "base/entropy.h"

typedef unsigned __int128 ulid;

/* A generator needs global state; a forked child resets it, otherwise two workers would make the same ids. */
static struct {
    unsigned char pool[512];
    size_t left;
    ulid last;
    bool fork_is_watched;
} ids;

static void forget(void) {
    ids.left = 0;
    ids.last = 0;
}

/* At most as much as the pool holds. */
static void draw(void *out, size_t len) {
    assert(len <= sizeof ids.pool);
    if (ids.left < len) {
        if (!ids.fork_is_watched) pthread_atfork(NULL, NULL, forget);
        ids.fork_is_watched = true;
        entropy_fill(ids.pool, sizeof(ids.pool));
        ids.left = sizeof(ids.pool);
    }
    ids.left -= len;
    memcpy(out, ids.pool + ids.left, len);
    explicit_bzero(ids.pool + ids.left, len);
}

void id_random(char *out, size_t len) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    draw(out, len);
    for (size_t i = 0; i < len; i++) out[i] = digits[(unsigned char)out[i] & 63];
    out[len] = '\0';
}

uint64_t id_number(void) {
    uint64_t number;
    draw(&number, sizeof number);
    return number;
}

void id_message(char *out, uint64_t wall_ms) {
    static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    struct {
        uint64_t low;
        uint16_t high;
    } random;
    draw(&random.low, sizeof(random.low));
    draw(&random.high, sizeof(random.high));
    ulid next = (ulid)(wall_ms & 0xffffffffffff) << 80 | (ulid)random.high << 64 | random.low;
    /* Within the last one's millisecond, or before it: its successor. */
    if (next >> 80 <= ids.last >> 80) next = ids.last + 1;
    ids.last = next;
    for (int i = ID_MESSAGE_LEN - 1; i >= 0; i--, next >>= 5) out[i] = digits[next & 31];
    out[ID_MESSAGE_LEN] = '\0';
}
