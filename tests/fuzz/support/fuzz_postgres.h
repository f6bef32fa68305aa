/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_postgres.h - a database of a fuzzer's world: a scripted server that speaks PostgreSQL's protocol, on the world's
 * loop. It knows no SQL: what has always one row has one, what opens a database opens it, and the values of all else
 * are of the input. Or it refuses, says nothing, says what is no answer, or is not there.
 */
#ifndef TESTS_FUZZ_POSTGRES_H
#define TESTS_FUZZ_POSTGRES_H

#include "support/fuzz_port.h"

struct fuzz_postgres;
struct program;

/* libpq's words for it; they live as long as the process. */
const char *fuzz_postgres_conninfo(enum fuzz_port port);
struct fuzz_postgres *fuzz_postgres_new(struct loop *loop, enum fuzz_port port);
/* Connections that are left end with it. */
void fuzz_postgres_free(struct fuzz_postgres **postgres);
/* Something befalls it: what, says the program. */
void fuzz_postgres_step(struct fuzz_postgres *postgres, struct program *program);
void fuzz_postgres_come_back(struct fuzz_postgres *postgres);
void fuzz_postgres_go_away(struct fuzz_postgres *postgres);

#endif
