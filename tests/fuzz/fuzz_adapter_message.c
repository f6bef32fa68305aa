/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes from Redis, read as each kind of channel reads them. */
#include <stdint.h>
#include <stdlib.h>

#include "bus/adapter_message.h"
#include "wire/json.h"
#include "wire/msgpack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    struct buffer json = {0}, text = {0};
    struct msgpack_binaries binaries;
    struct adapter_message message;
    struct slice bytes = {(const char *)data, len}, names[8];
    for (enum adapter_channel channel = ADAPTER_CLASSIC_EMITS; channel <= ADAPTER_SHARDED_ALL; channel++) {
        size_t names_len = 0;
        if (!adapter_read(channel, SLICE("/"), bytes, &json, &binaries, &message)) continue;
        if (message.kind == ADAPTER_EMIT && json_type_of(message.args) != JSON_ARRAY) abort();
        if (adapter_names(message.rooms, &text, names, 8, &names_len) && names_len > 8) abort();
        if (adapter_names(message.moved, &text, names, 8, &names_len) && names_len > 8) abort();
    }
    buffer_done(&json);
    buffer_done(&text);
    return 0;
}
