/* SPDX-License-Identifier: Apache-2.0 */
#include "session/handshake.h"

#include <stdlib.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "wire/json.h"

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
