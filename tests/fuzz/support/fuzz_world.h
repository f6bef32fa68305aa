/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_world.h - a whole worker for a fuzzer: scripts, a store in memory, a clock that stands, no sockets but those to
 * its Redis (fuzz_redis.h), if the configuration has one.
 *
 * One input, one world. The store's threads cannot make two runs of an input differ: what is asked of the store waits
 * until fuzz_world_settle, which lets all of it happen. The store has the parts of one with two shards, each of which
 * may be away. With Redis, what is read from it is cached there, as in a fleet.
 */
#ifndef TESTS_FUZZ_WORLD_H
#define TESTS_FUZZ_WORLD_H

#include "store/store_driver.h"
#include "worker/worker.h"

struct fuzz_redis;

/* Two shards, and what is in none of them. */
enum { FUZZ_SHARDS = 2, FUZZ_GLOBAL = FUZZ_SHARDS, FUZZ_PARTS };
enum fuzz_part {
    PART_ANSWERS,
    PART_REFUSES,
    PART_LATE,   /* answers when it is something else again */
    PART_UNSURE, /* does it, and says that it is away */
    PART_STATES
};

struct fuzz_world {
    struct loop *loop;
    struct worker worker;
    struct fuzz_redis *redis; /* NULL: this worker is alone */
    bool refuses;             /* the store, whatever it is asked */
    enum fuzz_part parts[FUZZ_PARTS];
    /* The worker's store: ops in the place of real. What it is asked goes to cached, if there is one, then below. */
    struct store_ops ops;
    const struct store_ops *real;
    struct store *cached, below;
    struct list asked;  /* not yet of the real one */
    unsigned under_way; /* with the real one */
};

/* tests/fuzz/scripts/NAME, with "key=value" over it. Aborts if it does not read. */
struct config *fuzz_config(const char *name, const char *const *sets, size_t sets_len);
/* False: the scripts do not load. Keeps no lines of the log. */
bool fuzz_world_open(struct fuzz_world *world, struct config *config, struct error *error_r) MUST_CHECK;
/* Aborts unless all that clients made it hold is gone: sessions, what waits for them, budgets. Then it ends. */
void fuzz_world_close(struct fuzz_world *world);
/* Until nothing is left to do now. The store answers nobody. */
void fuzz_world_turn(struct fuzz_world *world);
/* The same, and the store answers. */
void fuzz_world_settle(struct fuzz_world *world);
void fuzz_world_advance(struct fuzz_world *world, unsigned ms);
/* False: the configuration's scripts do not load; the generation in force stays. */
bool fuzz_world_reload(struct fuzz_world *world, struct config *config);

#endif
