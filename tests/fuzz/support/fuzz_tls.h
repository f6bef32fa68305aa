/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_tls.h - a fuzzer's client of TLS: bytes in, bytes out, no socket. What it offers, and what it does to its own
 * records, says the program.
 */
#ifndef TESTS_FUZZ_TLS_H
#define TESTS_FUZZ_TLS_H

#include <stdbool.h>

#include "base/slice.h"

struct buffer;
struct fuzz_tls;
struct program;

/* PEM with a certificate and its key, made by this process. */
const char *fuzz_tls_certificate(void);
struct fuzz_tls *fuzz_tls_new(struct program *program);
void fuzz_tls_free(struct fuzz_tls **tls);
/* Is encrypted when the handshake is done. */
void fuzz_tls_say(struct fuzz_tls *tls, struct slice bytes);
/* Something odd: which, says the program. */
void fuzz_tls_step(struct fuzz_tls *tls, struct program *program);
/* What has come from the server; what it says is appended. */
void fuzz_tls_hear(struct fuzz_tls *tls, struct slice bytes, struct buffer *said);
/* What is to be sent now, appended. */
void fuzz_tls_write(struct fuzz_tls *tls, struct program *program, struct buffer *out);

#endif
