/* SPDX-License-Identifier: Apache-2.0 */
/* An accepted message lies within the bytes, and writes back to the same bytes. */
#include <stdlib.h>

#include "bus/bus_message.h"

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t len);

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t len) {
    struct slice given = {(const char *)bytes, len};
    struct buffer again = {0};
    struct bus_message message;
    if (bus_message_read(NULL, SLICE("t"), given, &message)) return 0;
    bus_message_write(NULL, SLICE("t"), &message, &again);
    if (!slice_equal(buffer_slice(&again), given)) abort();
    buffer_done(&again);
    return 0;
}
