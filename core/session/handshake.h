/* SPDX-License-Identifier: Apache-2.0 */
/* handshake.h - the HTTP request that began a session. For this folder only. */
#ifndef SESSION_HANDSHAKE_H
#define SESSION_HANDSHAKE_H

#include <stdint.h>

#include "base/slice.h"

struct buffer;
struct http_request;
struct hub_endpoint;

/* Shared by a session and its sockets. */
struct handshake {
    unsigned refs;
    char *endpoint_path; /* endpoint of scripts: the name for POLICY_OPEN; else NULL */
    char *address;       /* stored after json */
    char json[]; /* `"query":{…},"headers":{…},…`: without auth, which differs by namespace; an endpoint of scripts has
                    `"path":…,"protocol":…` first */
};

/* endpoint: one of scripts, or NULL. protocol: the subprotocol; empty: none. */
struct handshake *handshake_new(struct http_request *request, const struct hub_endpoint *endpoint,
                                struct slice protocol, uint64_t wall_ms);
struct handshake *handshake_from(struct slice json, const char *address, const char *endpoint_path);
/* Writes the fields that only scripts of an endpoint get. */
void handshake_write_endpoint(struct buffer *json, struct slice path, struct slice protocol);
void handshake_unref(struct handshake **handshake);

#endif
