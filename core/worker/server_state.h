/* SPDX-License-Identifier: Apache-2.0 */
/* server_state.h - the server's state for /health and `stoa status`, from the states that workers publish in shared
 * memory (worker_slots.h). */
#ifndef WORKER_SERVER_STATE_H
#define WORKER_SERVER_STATE_H

#include "base/buffer.h"

struct config;
struct worker_slots;

/* True if one worker is ready: the kernel gives connections to the workers that run. */
bool server_state_is_ready(const struct worker_slots *slots);
/* "ok", "degraded", "unavailable", "starting" or "draining". */
const char *server_state_word(const struct worker_slots *slots);
/* {"0":"ok","1":"away","global":"ok"}: the databases; "away" if any worker reports it. Appends nothing without parts.
 */
void server_state_write_shards(const struct worker_slots *slots, unsigned parts, const char *before,
                               struct buffer *out);
/* The name of the shard of that number; the number after the last shard is the global database. */
void server_state_name_part(unsigned part, unsigned parts, char name_r[16]);
/* How many databases the configuration has; 0: it has no shards. */
unsigned server_state_parts(const struct config *config);

#endif
