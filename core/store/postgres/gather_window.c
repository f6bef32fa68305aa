/* SPDX-License-Identifier: Apache-2.0 */
#include "store/postgres/gather_window.h"

/* Commits cost waiting, not work: their share of time is the average number pending. Commits get faster as the window
 * relieves the database; a window that followed at once would oscillate. */
const struct coalesce_rule gather_rule = {.opens = 0.5, .closes = 0.25, .aim = 0.35, .narrows = 0.1, .write_ns = 1e6};

void gather_window_init(struct gather_window *gather, int gather_ms, uint64_t now_ms) {
    struct coalesce_settings settings = {.fixed_ms = gather_ms, .max_ms = GATHER_WINDOW_MAX_MS};
    *gather = (struct gather_window){0};
    coalesce_init(&gather->window, &gather_rule, &settings, now_ms);
}

unsigned gather_window_arrival(struct gather_window *gather, uint64_t now_ms, unsigned full) {
    unsigned wait_ms = coalesce_arrival(&gather->window, now_ms, &gather->last_ms);
    gather->len++;
    return gather->len >= full || coalesce_is_full(&gather->window, gather->len) ? 0 : wait_ms;
}

void gather_window_left(struct gather_window *gather, bool whole) {
    if (whole && gather->len > 0) coalesce_passed(&gather->window, gather->len);
    gather->len = 0;
}

void gather_window_committed(struct gather_window *gather, uint64_t took_ms) {
    coalesce_flushed(&gather->window, 1, took_ms * 1000);
}
