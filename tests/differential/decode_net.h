/* SPDX-License-Identifier: Apache-2.0 */
/* decode_net.h - runs Stoa's readers of HTTP and of WebSocket frames, for decode.c. */
#ifndef DIFFERENTIAL_DECODE_NET_H
#define DIFFERENTIAL_DECODE_NET_H

#include "base/buffer.h"

/* The bytes of a connection → everything understood, as JSON, up to a refusal or the end. */
void decode_http(const struct slice *pieces, unsigned len, struct buffer *out);
void decode_websocket(const struct slice *pieces, unsigned len, bool may_compress, struct buffer *out);

#endif
