/* SPDX-License-Identifier: Apache-2.0 */
/* decode_net.h - what Stoa's readers of HTTP and of WebSocket frames understand, for decode.c. */
#ifndef DIFFERENTIAL_DECODE_NET_H
#define DIFFERENTIAL_DECODE_NET_H

#include "base/buffer.h"

/* A connection's bytes as they come → all that was understood, as JSON, up to where it is refused or cut off. */
void decode_http(const struct slice *pieces, unsigned len, struct buffer *out);
void decode_websocket(const struct slice *pieces, unsigned len, bool may_compress, struct buffer *out);

#endif
