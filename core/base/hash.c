/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hash.h"

#include <endian.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/entropy.h"

struct sip {
    uint64_t v0, v1, v2, v3;
};

static inline uint64_t rotate(uint64_t x, int bits) {
    return x << bits | x >> (64 - bits);
}

static inline void sip_rounds(struct sip *s, int n) {
    while (n--) {
        s->v0 += s->v1;
        s->v2 += s->v3;
        s->v1 = rotate(s->v1, 13) ^ s->v0;
        s->v3 = rotate(s->v3, 16) ^ s->v2;
        s->v0 = rotate(s->v0, 32);
        s->v2 += s->v1;
        s->v0 += s->v3;
        s->v1 = rotate(s->v1, 17) ^ s->v2;
        s->v3 = rotate(s->v3, 21) ^ s->v0;
        s->v2 = rotate(s->v2, 32);
    }
}

static inline void sip_word(struct sip *s, uint64_t word) {
    s->v3 ^= word;
    sip_rounds(s, 2);
    s->v0 ^= word;
}

uint64_t hash_keyed(uint64_t k0, uint64_t k1, struct slice bytes) {
    struct sip s = {k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d, k0 ^ 0x6c7967656e657261, k1 ^ 0x7465646279746573};
    size_t whole = bytes.len & ~(size_t)7;
    for (size_t i = 0; i < whole; i += 8) {
        uint64_t word;
        memcpy(&word, bytes.ptr + i, sizeof(word));
        sip_word(&s, le64toh(word));
    }
    uint64_t last = (uint64_t)bytes.len << 56;
    for (size_t i = whole; i < bytes.len; i++) last |= (uint64_t)(unsigned char)bytes.ptr[i] << (8 * (i - whole));
    sip_word(&s, last);
    s.v2 ^= 0xff;
    sip_rounds(&s, 4);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

/* Drawn by whichever thread hashes first. */
static struct {
    pthread_once_t once;
    atomic_bool is_drawn;
    uint64_t parts[2];
} local_key = {.once = PTHREAD_ONCE_INIT};

static void draw_local_key(void) {
    entropy_fill(local_key.parts, sizeof local_key.parts);
    atomic_store_explicit(&local_key.is_drawn, true, memory_order_release);
}

uint64_t hash_local(struct slice bytes) {
    if (!atomic_load_explicit(&local_key.is_drawn, memory_order_acquire)) pthread_once(&local_key.once, draw_local_key);
    return hash_keyed(local_key.parts[0], local_key.parts[1], bytes);
}

uint64_t hash_fixed(struct slice bytes) {
    return hash_keyed(0, 0, bytes);
}

uint64_t hash_draw(uint64_t *draws, uint64_t below) {
    ++*draws;
    return hash_local((struct slice){(const char *)draws, sizeof *draws}) % below;
}

uint64_t hash_spread(uint64_t *draws, uint64_t number) {
    return number - number / 10 + number / 5 * hash_draw(draws, 1001) / 1000;
}
