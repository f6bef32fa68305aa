/* standing.h - how the server is, for /health and for `stoa status` alike: what its workers show of themselves, in
 * memory that all its processes share (places.h). */
#ifndef SERVER_STANDING_H
#define SERVER_STANDING_H

#include "base/buffer.h"

struct config;
struct places;

/* One worker that can do its work makes the server ready: the kernel gives the others' connections to those that run.
 */
bool standing_is_ready(const struct places *places);
/* "ok", "degraded", "unavailable", "starting" or "draining". */
const char *standing_word(const struct places *places);
/* {"0":"ok","1":"away","global":"ok"}: the databases, away where any worker finds one so. Nothing without parts. */
void standing_write_shards(const struct places *places, unsigned parts, const char *before, struct buffer *out);
/* How the shard of that number is called, and the global database, which is behind the last of them. */
void standing_name_part(unsigned part, unsigned parts, char name_r[16]);
/* How many databases the configuration has; 0: it has no shards. */
unsigned standing_parts(const struct config *config);

#endif
