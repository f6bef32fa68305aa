/* SPDX-License-Identifier: Apache-2.0 */
/* master.h - the process that outlives its workers: binds the port, starts and replaces them, relays signals.
 *
 * It holds no client and runs no script; it reads the configuration, so that a broken one never reaches a worker.
 */
#ifndef MASTER_MASTER_H
#define MASTER_MASTER_H

struct startup;

/* Runs until SIGTERM. Returns the exit status of the process. */
int master_run(const struct startup *start);

#endif
