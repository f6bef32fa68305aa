/* SPDX-License-Identifier: Apache-2.0 */
/* handshake.h - what the HTTP request that began a session said. For this folder only. */
#ifndef SESSION_HANDSHAKE_H
#define SESSION_HANDSHAKE_H

#include <stdint.h>

#include "base/slice.h"

struct buffer;
struct http_request;
struct hub_endpoint;

/* What the HTTP request said, shared by a session and its sockets. */
struct handshake {
    unsigned refs;
    char *endpoint_path; /* of scripts: the name of POLICY_OPEN; else NULL */
    char *address;       /* behind json */
    char json[]; /* `"query":{…},"headers":{…},…`: all but auth, which differs by namespace; of an endpoint of scripts
                    `"path":…,"protocol":…` before it */
};

/* endpoint: of scripts, or NULL. protocol: the subprotocol; empty: none. */
struct handshake *handshake_new(struct http_request *request, const struct hub_endpoint *endpoint,
                                struct slice protocol, uint64_t wall_ms);
struct handshake *handshake_from(struct slice json, const char *address, const char *endpoint_path);
/* What an endpoint's scripts read of it besides. */
void handshake_write_endpoint(struct buffer *json, struct slice path, struct slice protocol);
void handshake_unref(struct handshake **handshake);

#endif
