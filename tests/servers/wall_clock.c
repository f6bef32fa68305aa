/* SPDX-License-Identifier: Apache-2.0 */
/* wall_clock.c - preloaded into a server under test: its wall clock is ahead of the machine's by the microseconds in
 * the file that STOA_TEST_CLOCK_FILE names, read at each call. (faketime hangs redis-server, because it allocates
 * inside.)
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *ahead_us;

__attribute__((constructor)) static void map_file(void) {
    const char *path = getenv("STOA_TEST_CLOCK_FILE");
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0) return;
    void *at = mmap(NULL, sizeof *ahead_us, PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    if (at != MAP_FAILED) ahead_us = at;
}

int clock_gettime(clockid_t clock, struct timespec *out) {
    int result = (int)syscall(SYS_clock_gettime, clock, out);
    if (result != 0 || clock != CLOCK_REALTIME || !ahead_us) return result;
    int64_t us = (int64_t)out->tv_sec * 1000000 + out->tv_nsec / 1000 + *ahead_us;
    out->tv_sec = us / 1000000;
    out->tv_nsec = us % 1000000 * 1000;
    return 0;
}

int gettimeofday(struct timeval *restrict out, void *restrict zone) {
    struct timespec now;
    if (clock_gettime(CLOCK_REALTIME, &now) != 0) return -1;
    *out = (struct timeval){now.tv_sec, now.tv_nsec / 1000};
    return 0;
}
