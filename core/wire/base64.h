/* SPDX-License-Identifier: Apache-2.0 */
/* base64.h - RFC 4648: base64 as clients of Engine.IO write it, and base64url without padding (tokens), which is
 * strict. */
#ifndef WIRE_BASE64_H
#define WIRE_BASE64_H

#include "base/buffer.h"

void base64_encode(struct buffer *out, struct slice bytes);
/* Either alphabet, white space anywhere (line ends of MIME encoders), padding or none, left-over bits. False: any other
 * character, something after the padding, or a last character that makes no byte: the text was cut off. */
bool base64_decode(struct buffer *out, struct slice text) MUST_CHECK;
void base64url_encode(struct buffer *out, struct slice bytes);
/* No padding, no white space, no left-over bits (RFC 7515). */
bool base64url_decode(struct buffer *out, struct slice text) MUST_CHECK;

#endif
