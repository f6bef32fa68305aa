#include "session/handshake.h"

#include <stdlib.h>

#include "base/memory.h"

struct handshake *handshake_from(struct slice json, const char *address, const char *engine_path) {
    size_t address_len = strlen(address);
    struct handshake *handshake = memory_new(sizeof *handshake + json.len + 1 + address_len + 1);
    handshake->refs = 1;
    handshake->address = handshake->json + json.len + 1;
    memcpy(handshake->address, address, address_len);
    if (engine_path) handshake->engine_path = memory_copy(engine_path, strlen(engine_path));
    memcpy(handshake->json, json.ptr, json.len);
    return handshake;
}

void handshake_unref(struct handshake **handshake_r) {
    struct handshake *handshake = *handshake_r;
    *handshake_r = NULL;
    if (!handshake || --handshake->refs > 0) return;
    free(handshake->engine_path);
    free(handshake);
}
