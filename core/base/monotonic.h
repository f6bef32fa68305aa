/* SPDX-License-Identifier: Apache-2.0 */
/* monotonic.h - the monotonic clock, for code without a loop (core/loop has its own, which tests can move). */
#ifndef BASE_MONOTONIC_H
#define BASE_MONOTONIC_H

#include <stdint.h>
#include <time.h>

static inline uint64_t monotonic_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static inline uint64_t monotonic_ms(void) {
    return monotonic_us() / 1000;
}

/* An absolute time of this clock, for waits of threads. */
static inline struct timespec monotonic_after(uint64_t delay_ms) {
    uint64_t end_us = monotonic_us() + delay_ms * 1000;
    return (struct timespec){(time_t)(end_us / 1000000), (long)(end_us % 1000000 * 1000)};
}

#endif
