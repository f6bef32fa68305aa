/* SPDX-License-Identifier: Apache-2.0 */
/* target.h - where a database is: a conninfo, taken apart. It names one host or several, of which one is the primary.
 */
#ifndef POSTGRES_TARGET_H
#define POSTGRES_TARGET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct pg_conn;
struct target;

/* writable: only a server that takes writes will do. NULL: error_r says what is wrong with the conninfo. */
struct target *target_new(const char *conninfo, bool writable, struct error *error_r) MUST_CHECK;
void target_free(struct target **target);

unsigned target_hosts(const struct target *target);
/* A name or a number; a path is a Unix socket's folder and needs no address; NULL: libpq's default. */
const char *target_host(const struct target *target, unsigned i);
uint16_t target_port(const struct target *target, unsigned i);
/* "host:port", for the log. */
const char *target_name(const struct target *target);
/* Begins a connection that never waits (PQconnectStart); address: of the host, numeric, or NULL. The caller's. */
struct pg_conn *target_connect(const struct target *target, unsigned i, const char *address);

#endif
