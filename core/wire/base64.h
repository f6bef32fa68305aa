/* base64.h - RFC 4648: base64 (polling's binary packets) and base64url without padding (tokens). Strict. */
#ifndef WIRE_BASE64_H
#define WIRE_BASE64_H

#include "base/buffer.h"

void base64_encode(struct buffer *out, struct slice bytes);
/* With or without padding; false: a character that does not belong, or left-over bits. */
bool base64_decode(struct buffer *out, struct slice text) MUST_CHECK;
void base64url_encode(struct buffer *out, struct slice bytes);
/* No padding, no white space, no left-over bits (RFC 7515). */
bool base64url_decode(struct buffer *out, struct slice text) MUST_CHECK;

#endif
