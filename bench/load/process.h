/* SPDX-License-Identifier: Apache-2.0 */
/* process.h - what processes have used, by the kernel's count: the server's, and the load's own. */
#ifndef LOAD_PROCESS_H
#define LOAD_PROCESS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* User and system time of all threads of all processes. A process that has ended counts as 0. */
uint64_t process_cpu_ns(const pid_t *pids, size_t len);
/* Resident memory of all processes. */
uint64_t process_rss_bytes(const pid_t *pids, size_t len);

#endif
