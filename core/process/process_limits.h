/* SPDX-License-Identifier: Apache-2.0 */
/* process_limits.h - what the system lets a process have: descriptors, processors. */
#ifndef PROCESS_PROCESS_LIMITS_H
#define PROCESS_PROCESS_LIMITS_H

struct config;

/* Raises the soft limit of descriptors to the hard one. How many connections that leaves a worker. */
unsigned process_limits_raise_descriptors(void);
/* Logs it where these are fewer than limits.connections. */
void process_limits_doubt_descriptors(const struct config *config);
/* Those that this process may run on. */
unsigned process_limits_processors(void);

#endif
