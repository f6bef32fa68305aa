/* SPDX-License-Identifier: Apache-2.0 */
/* process_limits.h - the system's limits of a process: descriptors, processors. */
#ifndef PROCESS_PROCESS_LIMITS_H
#define PROCESS_PROCESS_LIMITS_H

struct config;

/* Raises the soft limit of descriptors to the hard one. Returns how many connections that leaves a worker. */
unsigned process_limits_raise_descriptors(void);
/* Logs a warning if the descriptors do not suffice for limits.connections. */
void process_limits_doubt_descriptors(const struct config *config);
/* The number of processors that this process may use. */
unsigned process_limits_processors(void);

#endif
