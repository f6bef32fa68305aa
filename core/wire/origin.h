/* SPDX-License-Identifier: Apache-2.0 */
/* origin.h - which web pages may connect: origins are compared as RFC 6454 says (section 5). Pure. */
#ifndef WIRE_ORIGIN_H
#define WIRE_ORIGIN_H

#include "base/error.h"
#include "base/slice.h"

/* "*" allows all, "self" the page whose host and port are those of the Host header, else the origin that is named. Case
 * does not count, nor whether the scheme's default port is said. "null", and what is no origin, only "*" allows. */
bool origin_allowed(struct slice origin, struct slice host, const char *const *allowed, size_t allowed_len);
/* Could a client ever send an Origin that is allowed by that one? False: error_r has what is meant. */
bool origin_can_match(const char *allowed, struct error *error_r) MUST_CHECK;

#endif
