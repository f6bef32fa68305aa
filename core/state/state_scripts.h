/* SPDX-License-Identifier: Apache-2.0 */
/* state_scripts.h - the Lua scripts that Redis runs for the state, and their arguments. core/state only.
 *
 * Times are the fleet's own, in milliseconds: a clock stored in Redis that the workers' monotonic clocks advance. Each
 * worker reports the value it read last and how much time has passed since; the highest sum wins. So neither a
 * server's clock nor a failover to another server moves a lease, and no lease ends while no worker reaches Redis.
 *
 * Keys: stoa:{workers}: the living workers, scored by the end of their lease. …:news: the living, and the dead for a
 * while, scored by the number of their last change. …:clock. stoa:{u:USER}:c: where a user has connections.
 */
#ifndef STATE_STATE_SCRIPTS_H
#define STATE_STATE_SCRIPTS_H

#include <stdint.h>

#include "redis/redis.h"

enum state_script {
    /* KEYS stoa:{workers}; ARGV id, NODE.INDEX., lease_ms, buried_ms, clock, ms since then, number → [1 if it was
     * alive, clock, number, how many are alive, 1 if all follow, id, 1 or 0 (alive), …]. Renews the lease; a lease of
     * 0 ends it; an earlier process of the same place becomes dead. The ids listed have changed since the number; all
     * are listed if this worker was not alive, or its number is 0 or unknown. */
    STATE_SCRIPT_BEAT,
    /* KEYS stoa:{u:USER}:c; ARGV worker, connections, most, lease_ms, clock, dead worker… → [1 or 0, connections
     * elsewhere]. 0: the connections elsewhere and here exceed most; nothing changed. No lease is longer than
     * lease_ms. */
    STATE_SCRIPT_CLAIM,
    STATE_SCRIPTS
};

struct state_scripts {
    struct redis_script all[STATE_SCRIPTS];
};
void state_scripts_init(struct state_scripts *scripts);

/* A script's arguments; {0} is empty. state_words_eval empties it. */
enum { STATE_WORDS_MAX = 80, STATE_WORDS_BYTES = 1024 /* an id of 255 bytes, each as %XX, and numbers */ };
struct state_words {
    char bytes[STATE_WORDS_BYTES];
    size_t used;
    struct slice key, words[STATE_WORDS_MAX];
    size_t len;
};
void state_words_workers_key(struct state_words *words);
void state_words_user_key(struct state_words *words, struct slice user_id);
/* Borrowed. Words beyond STATE_WORDS_MAX are dropped. */
void state_words_add(struct state_words *words, struct slice word);
void state_words_add_number(struct state_words *words, uint64_t number);
/* call may be NULL. */
void state_words_eval(struct state_words *words, struct redis *redis, struct redis_call *call,
                      const struct state_scripts *scripts, enum state_script script);

#endif
