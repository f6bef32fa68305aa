/* SPDX-License-Identifier: Apache-2.0 */
/* seal.h - authenticates data sent through Redis or kept there with the fleet's secret.
 *
 * HMAC-SHA-256 over a place (a topic, a key) and the bytes: without the secret nobody can create or change data, or
 * move it to another place. (Replaying it at the same place is possible; readers must tolerate that.)
 */
#ifndef REDIS_SEAL_H
#define REDIS_SEAL_H

#include "base/buffer.h"

enum { SEAL_LEN = 32 };
struct seal;

/* NULL without a secret. */
struct seal *seal_new(const char *secret);
void seal_free(struct seal **seal);
/* Appends the seal of the bytes from start on. place: at most 65,535 bytes. */
void seal_append(struct seal *seal, struct slice place, struct buffer *bytes, size_t start);
/* Verifies and removes the seal at the end. False: invalid. bytes: at least SEAL_LEN. */
bool seal_strip(struct seal *seal, struct slice place, struct slice *bytes) MUST_CHECK;

#endif
