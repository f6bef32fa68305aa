/* SPDX-License-Identifier: Apache-2.0 */
#include "load/tally.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

struct board *board_new(const struct plan *plan) {
    size_t publishers = (size_t)plan->clients.channels * plan->clients.publishers;
    size_t len = sizeof(struct board) + publishers * sizeof(_Atomic uint32_t);
    struct board *board = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (board != MAP_FAILED) return board;
    perror("bench_load: mmap");
    exit(1);
}

uint64_t board_count(const struct board *board, const struct plan *plan, enum count count) {
    uint64_t sum = 0;
    for (unsigned i = 0; i < plan->processes; i++)
        sum += atomic_load_explicit(&board->tallies[i].counts[count], memory_order_relaxed);
    return sum;
}

void board_latency(const struct board *board, const struct plan *plan, enum latency latency,
                   struct histogram *histogram_r) {
    memset(histogram_r, 0, sizeof *histogram_r);
    for (unsigned i = 0; i < plan->processes; i++) histogram_merge(histogram_r, &board->tallies[i].latencies[latency]);
}

void board_forget_latencies(struct board *board, const struct plan *plan) {
    for (unsigned i = 0; i < plan->processes; i++)
        memset(board->tallies[i].latencies, 0, sizeof board->tallies[i].latencies);
}
