/* SPDX-License-Identifier: Apache-2.0 */
/* plan.h - what a load does, from the command line: which server it drives, with how many clients, in which steps. */
#ifndef LOAD_PLAN_H
#define LOAD_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { PLAN_STEPS_MAX = 32, PLAN_PIDS_MAX = 16, PLAN_PROCESSES_MAX = 64, PLAN_STORMS_MAX = 16 };

struct dialect;

/* One measurement over the connected clients. */
struct step {
    char name[32];
    unsigned rate;        /* messages per second of all publishers; 0: saturation */
    unsigned outstanding; /* saturation: messages under way per publisher */
    size_t payload_bytes;
    unsigned measure_ms;
};

struct plan_clients {
    unsigned count, warm; /* warm: connected before the server's memory is first measured */
    unsigned channels, publishers;
    unsigned slow;       /* members that never read, not counted among the receivers */
    unsigned bystanders; /* of count: connected, in no channel */
    unsigned handshakes; /* under way at a time, over all processes */
    unsigned storms;     /* how often all connections are then dropped and made again */
};

struct plan {
    const struct dialect *dialect;
    const char *path; /* of the request; "%u" in it is the channel's number */
    uint16_t port;
    bool tls, json, tell; /* tell: a line on stderr when a step begins */
    char **tokens;        /* one per client; NULL: each client sends its user id */
    unsigned tokens_len;
    unsigned processes;
    struct plan_clients clients;
    struct step steps[PLAN_STEPS_MAX];
    unsigned steps_len;
    unsigned warmup_ms, measure_ms, drain_ms, connect_ms, idle_ms;
    pid_t pids[PLAN_PIDS_MAX]; /* of the server */
    unsigned pids_len;
};

/* Ends the process with a message if an argument is wrong. */
void plan_read(struct plan *plan, int argc, char **argv);
void plan_done(struct plan *plan);

/* The role of each client. Members of channel c are the clients c * members to (c + 1) * members - 1; publishers are
 * spread evenly among them, slow ones are the last. After the members of all channels come the bystanders. The number
 * of a publisher is channel * publishers + its place. */
unsigned plan_members(const struct plan *plan);
unsigned plan_channel_of(const struct plan *plan, unsigned client);
/* -1: none. */
int plan_publisher_of(const struct plan *plan, unsigned client);
unsigned plan_client_of(const struct plan *plan, unsigned publisher);
/* Does the client join a channel? */
bool plan_is_member(const struct plan *plan, unsigned client);
bool plan_is_slow(const struct plan *plan, unsigned client);
/* Publishers in the order of their turns: successive ones are of different channels. */
unsigned plan_publisher_of_turn(const struct plan *plan, uint64_t turn);

#endif
