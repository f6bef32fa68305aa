/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/trim.h"

#include <malloc.h>
#include <stdlib.h>

#include "base/log.h"
#include "loop/loop.h"

/* Less than this, or less than a quarter of the used bytes, is not worth it: returning 400 MB of small pieces takes 40
 * ms. */
enum { LOOK_MS = 10000, WORTH_BYTES = 4 << 20 };

struct trim {
    struct loop_timer timer;
    size_t given_bytes; /* free in the allocator, but already returned to the system */
};

static void look(struct loop_timer *timer) {
    struct trim *trim = CONTAINER(timer, struct trim, timer);
    struct mallinfo2 heap = mallinfo2();
    loop_timer_set(timer, LOOK_MS);
    if (heap.fordblks < trim->given_bytes) trim->given_bytes = heap.fordblks; /* some of it is in use again */
    size_t idle_bytes = heap.fordblks - trim->given_bytes;
    if (idle_bytes < WORTH_BYTES || idle_bytes < heap.uordblks / 4) return;
    loop_part(timer->loop, "trim");
    malloc_trim(0);
    trim->given_bytes = mallinfo2().fordblks;
    LOG(LOG_INFO, "memory.trim", LOG_NUMBER("idle_bytes", idle_bytes), LOG_NUMBER("used_bytes", heap.uordblks));
}

struct trim *trim_new(struct loop *loop) {
    struct trim *trim = NEW(struct trim);
    loop_timer_init(&trim->timer, loop, look);
    loop_timer_set(&trim->timer, LOOK_MS);
    return trim;
}

void trim_free(struct trim **trim) {
    loop_timer_cancel(&(*trim)->timer);
    free(*trim);
    *trim = NULL;
}
