/* redis_backoff.h - how long to wait before the next attempt: doubling, capped, and never two processes alike. */
#ifndef REDIS_REDIS_BACKOFF_H
#define REDIS_REDIS_BACKOFF_H

/* Between half and all of first_ms × 2^attempt, at most most_ms. */
unsigned redis_backoff_ms(unsigned attempt, unsigned first_ms, unsigned most_ms);

#endif
