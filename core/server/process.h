/* process.h - one worker process, from its fork to its exit: services, sockets, health, drain. */
#ifndef SERVER_PROCESS_H
#define SERVER_PROCESS_H

#include "server/master.h"

struct process_start {
    const struct master_start *master; /* what reloads read again */
    struct config *config;
    struct places *places;
    unsigned place, generation;
    const struct tickets *tickets;
    int link;
    int master_pid;
};

/* The exit status: 0 after a drain, 2 when it could not begin (said on stderr in one line). */
int process_run(const struct process_start *start);

#endif
