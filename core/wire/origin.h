/* origin.h - which web pages may connect (RFC 6454): exact comparison of whole origins. Pure. */
#ifndef WIRE_ORIGIN_H
#define WIRE_ORIGIN_H

#include "base/slice.h"

/* "*" allows all, "self" the origin whose host and port equal the Host header, else byte equality. "null" is only
 * allowed by "*". */
bool origin_allowed(struct slice origin, struct slice host, const char *const *allowed, size_t allowed_len);

#endif
