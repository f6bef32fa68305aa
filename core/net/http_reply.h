/* SPDX-License-Identifier: Apache-2.0 */
/* http_reply.h - writes the bytes of an answer. core/net only. */
#ifndef NET_HTTP_REPLY_H
#define NET_HTTP_REPLY_H

#include <stdbool.h>

struct buffer;
struct http_reply;

struct http_form {
    bool head_only, close;
    unsigned hsts_s; /* 0: no Strict-Transport-Security header */
};
/* Writes everything except the bytes of reply->file. */
void http_reply_write(struct buffer *out, const struct http_reply *reply, const struct http_form *form);

#endif
