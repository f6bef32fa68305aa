/* handshake.h - what the HTTP request that began a session said. For this folder only. */
#ifndef SESSION_HANDSHAKE_H
#define SESSION_HANDSHAKE_H

#include <stdint.h>

#include "base/slice.h"

struct http_request;

/* What the HTTP request said, shared by a session and its sockets. */
struct handshake {
    unsigned refs;
    char *engine_path; /* a bare engine's, POLICY_ENGINE's name; else NULL */
    char *address;     /* behind json */
    char json[];       /* `"query":{…},"headers":{…},…}`: all but auth, which differs by namespace */
};

struct handshake *handshake_new(struct http_request *request, const char *engine_path, uint64_t wall_ms);
struct handshake *handshake_from(struct slice json, const char *address, const char *engine_path);
void handshake_unref(struct handshake **handshake);

#endif
