/* SPDX-License-Identifier: Apache-2.0 */
#include "session/handshake.h"

#include <stdlib.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/wall_time.h"
#include "net/http.h"
#include "session/hub.h"
#include "wire/json.h"
#include "wire/url_query.h"

enum { HANDSHAKE_BYTES = 512 /* enough for most */ };

struct handshake *handshake_from(struct slice json, const char *address, const char *endpoint_path) {
    size_t address_len = strlen(address);
    struct handshake *handshake = memory_new(sizeof *handshake + json.len + 1 + address_len + 1);
    handshake->refs = 1;
    handshake->address = handshake->json + json.len + 1;
    memcpy(handshake->address, address, address_len);
    if (endpoint_path) handshake->endpoint_path = memory_copy(endpoint_path, strlen(endpoint_path));
    memcpy(handshake->json, json.ptr, json.len);
    return handshake;
}

void handshake_unref(struct handshake **handshake_r) {
    struct handshake *handshake = *handshake_r;
    *handshake_r = NULL;
    if (!handshake || --handshake->refs > 0) return;
    free(handshake->endpoint_path);
    free(handshake);
}

void handshake_write_endpoint(struct buffer *json, struct slice path, struct slice protocol) {
    buffer_append_str(json, "\"path\":");
    json_write_string(json, path);
    if (protocol.len > 0) {
        buffer_append_str(json, ",\"protocol\":");
        json_write_string(json, protocol);
    }
    buffer_append_char(json, ',');
}

struct handshake *handshake_new(struct http_request *request, const struct hub_endpoint *endpoint,
                                struct slice protocol, uint64_t wall_ms) {
    struct buffer json = {0};
    buffer_reserve(&json, HANDSHAKE_BYTES);
    char when[WALL_TIME_MAX];
    wall_time_write(when, (int64_t)wall_ms);
    if (endpoint) handshake_write_endpoint(&json, request->path, protocol);
    buffer_append_str(&json, "\"query\":");
    url_query_write_json(request->query, &json);
    buffer_append_str(&json, ",\"headers\":");
    http_write_headers_json(request, &json);
    buffer_append_str(&json, ",\"address\":");
    json_write_string(&json, slice_of(request->address));
    buffer_printf(&json, ",\"secure\":%s,\"time\":\"%s\"", request->tls ? "true" : "false", when);
    struct handshake *handshake =
        handshake_from(buffer_slice(&json), request->address, endpoint ? endpoint->path : NULL);
    buffer_done(&json);
    return handshake;
}
