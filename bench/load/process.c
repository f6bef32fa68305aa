/* SPDX-License-Identifier: Apache-2.0 */
#include "load/process.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

uint64_t process_cpu_ns(const pid_t *pids, size_t len) {
    uint64_t sum = 0;
    for (size_t i = 0; i < len; i++) {
        clockid_t clock;
        struct timespec used;
        if (clock_getcpuclockid(pids[i], &clock) != 0 || clock_gettime(clock, &used) != 0) continue;
        sum += (uint64_t)used.tv_sec * 1000000000U + (uint64_t)used.tv_nsec;
    }
    return sum;
}

uint64_t process_rss_bytes(const pid_t *pids, size_t len) {
    uint64_t pages = 0;
    for (size_t i = 0; i < len; i++) {
        char path[64];
        unsigned long resident = 0;
        snprintf(path, sizeof path, "/proc/%d/statm", (int)pids[i]);
        FILE *file = fopen(path, "re");
        if (!file) continue;
        if (fscanf(file, "%*u %lu", &resident) == 1) pages += resident;
        fclose(file);
    }
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}
