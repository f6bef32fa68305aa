#include "redis/redis_backoff.h"

#include <stdint.h>

#include "base/entropy.h"

unsigned redis_backoff_ms(unsigned attempt, unsigned first_ms, unsigned most_ms) {
    uint64_t whole_ms = first_ms;
    while (attempt-- > 0 && whole_ms < most_ms) whole_ms *= 2;
    if (whole_ms > most_ms) whole_ms = most_ms;
    uint32_t random;
    entropy_fill(&random, sizeof(random));
    return (unsigned)(whole_ms / 2 + random % (whole_ms / 2 + 1));
}
