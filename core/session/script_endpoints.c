/* SPDX-License-Identifier: Apache-2.0 */
#include "session/script_endpoints.h"

#include <stdlib.h>

#include "base/memory.h"

static char *copy(const char *text) {
    return memory_copy(text, strlen(text));
}

static void endpoint_copy(struct hub_endpoint *to, const struct hub_endpoint *from) {
    *to = *from;
    to->path = copy(from->path);
    char **protocols = from->protocols_len ? NEW_ARRAY(char *, from->protocols_len) : NULL;
    for (size_t i = 0; i < from->protocols_len; i++) protocols[i] = copy(from->protocols[i]);
    to->protocols = (const char *const *)protocols;
}

static void endpoint_done(struct hub_endpoint *endpoint) {
    for (size_t i = 0; i < endpoint->protocols_len; i++) free((char *)endpoint->protocols[i]);
    free((char **)endpoint->protocols);
    free((char *)endpoint->path);
}

void script_endpoints_set(struct script_endpoints *endpoints, const struct hub_endpoint *list, size_t len) {
    for (size_t i = 0; i < endpoints->len; i++) endpoint_done(&endpoints->list[i]);
    free(endpoints->list);
    endpoints->list = len ? NEW_ARRAY(struct hub_endpoint, len) : NULL;
    endpoints->len = len;
    for (size_t i = 0; i < len; i++) endpoint_copy(&endpoints->list[i], &list[i]);
}

bool path_below(struct slice path, const char *prefix) {
    size_t len = strlen(prefix);
    while (len > 0 && prefix[len - 1] == '/') len--;
    return path.len > len && memcmp(path.ptr, prefix, len) == 0 && path.ptr[len] == '/';
}

const struct hub_endpoint *script_endpoints_at(const struct script_endpoints *endpoints, struct slice path) {
    for (size_t i = 0; i < endpoints->len; i++) {
        const struct hub_endpoint *endpoint = &endpoints->list[i];
        if (endpoint->raw ? slice_is(path, endpoint->path) : path_below(path, endpoint->path)) return endpoint;
    }
    return NULL;
}

const struct hub_endpoint *script_endpoints_find(const struct script_endpoints *endpoints, const char *path, bool raw) {
    for (size_t i = 0; i < endpoints->len; i++)
        if (endpoints->list[i].raw == raw && strcmp(endpoints->list[i].path, path) == 0) return &endpoints->list[i];
    return NULL;
}
