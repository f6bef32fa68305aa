/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as MessagePack. They read as JSON; after they are written and read again, it is the same JSON. */
#include <stdint.h>
#include <stdlib.h>

#include "wire/json.h"
#include "wire/msgpack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    struct buffer json = {0}, bytes = {0}, again = {0};
    struct msgpack_binaries binaries, binaries_again;
    if (msgpack_read((struct slice){(const char *)data, len}, &json, &binaries)) {
        if (!json_valid(buffer_slice(&json))) abort();
        msgpack_write(&bytes, buffer_slice(&json), binaries.items, binaries.len);
        if (!msgpack_read(buffer_slice(&bytes), &again, &binaries_again)) abort();
        if (!slice_equal(buffer_slice(&json), buffer_slice(&again))) abort();
    }
    buffer_done(&json);
    buffer_done(&bytes);
    buffer_done(&again);
    return 0;
}
