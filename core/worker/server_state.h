/* SPDX-License-Identifier: Apache-2.0 */
/* server_state.h - how the server is, for /health and for `stoa status` alike: what its workers show of themselves, in
 * memory that all its processes share (worker_slots.h). */
#ifndef WORKER_SERVER_STATE_H
#define WORKER_SERVER_STATE_H

#include "base/buffer.h"

struct config;
struct worker_slots;

/* One worker that can do its work makes the server ready: the kernel gives the others' connections to those that run.
 */
bool server_state_is_ready(const struct worker_slots *slots);
/* "ok", "degraded", "unavailable", "starting" or "draining". */
const char *server_state_word(const struct worker_slots *slots);
/* {"0":"ok","1":"away","global":"ok"}: the databases, away where any worker finds one so. Nothing without parts. */
void server_state_write_shards(const struct worker_slots *slots, unsigned parts, const char *before,
                               struct buffer *out);
/* How the shard of that number is called, and the global database, which is behind the last of them. */
void server_state_name_part(unsigned part, unsigned parts, char name_r[16]);
/* How many databases the configuration has; 0: it has no shards. */
unsigned server_state_parts(const struct config *config);

#endif
