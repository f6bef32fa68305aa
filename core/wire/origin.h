/* SPDX-License-Identifier: Apache-2.0 */
/* origin.h - which web pages may connect: origins are compared as RFC 6454 says (section 5). Pure. */
#ifndef WIRE_ORIGIN_H
#define WIRE_ORIGIN_H

#include "base/error.h"
#include "base/slice.h"

/* "*" allows all; "self" allows pages whose host and port equal the Host header; any other entry allows that origin.
 * Ignores case and an explicit default port. Only "*" allows "null" and malformed origins. */
bool origin_allowed(struct slice origin, struct slice host, const char *const *allowed, size_t allowed_len);
/* Can a client's Origin match this entry? False: error_r explains what is expected. */
bool origin_can_match(const char *allowed, struct error *error_r) MUST_CHECK;

#endif
