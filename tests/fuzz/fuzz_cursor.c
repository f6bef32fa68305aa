/* SPDX-License-Identifier: Apache-2.0 */
/* The offset that a client sends: only what the server writes is accepted, and it reads back the same. */
#include <stdlib.h>

#include "channel/room.h"
#include "loop/loop.h"

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t len);

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t len) {
    static struct loop *loop;
    static struct rooms *rooms;
    struct slice input = {(const char *)bytes, len};
    char text[ROOM_OFFSET_LEN];
    uint64_t offset;
    if (!rooms) {
        loop = loop_new_with_fake_clock();
        rooms = rooms_new(loop, &(struct room_limits){.window_ms = 1000, .max_events = 10, .max_bytes = 1000});
    }
    if (!room_offset_read(rooms, input, &offset)) return 0;
    if (offset > rooms_offset(rooms) ||
        !slice_equal(input, (struct slice){text, room_offset_write(rooms, offset, text)}))
        abort();
    return 0;
}
