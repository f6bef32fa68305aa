/* SPDX-License-Identifier: Apache-2.0 */
/* seal.h - the fleet's secret on what is sent through Redis or kept there.
 *
 * HMAC-SHA-256 over a place (a topic, a key) and the bytes, so that none can be made, changed or put elsewhere without
 * the secret. (They can be put there again: what that may do is the reader's to bear.)
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
/* Takes the seal off the end. False: it is not right. bytes: at least SEAL_LEN. */
bool seal_strip(struct seal *seal, struct slice place, struct slice *bytes) MUST_CHECK;

#endif
