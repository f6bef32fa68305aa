/* SPDX-License-Identifier: Apache-2.0 */
/* worker_process.h - one worker process, from its fork to its exit: services, sockets, health, drain. */
#ifndef WORKER_WORKER_PROCESS_H
#define WORKER_WORKER_PROCESS_H

struct config;
struct startup;
struct tickets;
struct worker_slots;

struct process_start {
    const struct startup *startup; /* what reloads read again */
    struct config *config;
    struct worker_slots *slots;
    unsigned slot, generation;
    const struct tickets *tickets;
    int link;
    int master_pid;
};

/* The exit status: 0 after a drain, 2 when it could not start (one line on stderr says why). */
int process_run(const struct process_start *start);

#endif
