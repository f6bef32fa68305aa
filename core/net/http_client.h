/* SPDX-License-Identifier: Apache-2.0 */
/* http_client.h - HTTP requests to other servers: libcurl on the event loop. It knows no Lua.
 *
 * http and https only, no redirects, bounded in number, time and size.
 */
#ifndef NET_HTTP_CLIENT_H
#define NET_HTTP_CLIENT_H

#include "base/buffer.h"

struct http_client;
struct loop;

enum { HTTP_CLIENT_MAX = 256 };

struct http_fetch {
    const char *method, *url;
    const char *const *headers; /* "name: value" */
    size_t headers_len;
    struct slice body;
    const char *ca; /* PEM file; NULL: the system's authorities */
    unsigned timeout_ms;
    size_t max_bytes;
};
enum http_fetch_status {
    HTTP_FETCH_OK,
    HTTP_FETCH_TIMEOUT,
    HTTP_FETCH_UNAVAILABLE,
    HTTP_FETCH_TOO_LARGE,
    HTTP_FETCH_UNTRUSTED
};
struct http_fetched {
    enum http_fetch_status status;
    unsigned code;
    struct slice headers; /* lines "name: value\n", names in lower case */
    struct slice body;
};
typedef void http_fetch_done(void *owner, const struct http_fetched *fetched);

struct http_client *http_client_new(struct loop *loop);
/* Pending requests end as UNAVAILABLE, within the call. */
void http_client_free(struct http_client **client);
/* Copies all arguments; calls done exactly once, never within this call. False: too many requests are pending, or not
 * an http(s) URL. */
bool http_client_fetch(struct http_client *client, const struct http_fetch *fetch, http_fetch_done *done,
                       void *owner) MUST_CHECK;

#endif
