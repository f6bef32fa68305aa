/* listen.h - listening sockets from text. */
#ifndef SERVER_LISTEN_H
#define SERVER_LISTEN_H

#include <stdbool.h>

#include "base/error.h"

enum { LISTEN_ADDRESS_MAX = 80 };

/* Is it of the form ADDRESS:PORT? False: error_r, without the key's name. */
bool listen_check(const char *address, struct error *error_r) MUST_CHECK;
/* "127.0.0.1:3000", "[::]:3000", "localhost:0"; non-blocking. shared: other sockets of this user may listen there,
 * too (SO_REUSEPORT). -1: error_r, without the key's name. */
int listen_tcp(const char *address, int backlog, bool shared, struct error *error_r);
/* False: somebody listens there, whether sharing or not; or it is no address. */
bool listen_is_free(const char *address, struct error *error_r) MUST_CHECK;
/* Where it listens in fact, as "ADDR:PORT". */
void listen_address(int fd, char address_r[LISTEN_ADDRESS_MAX]);
/* A Unix socket that only its owner may connect to. The name of one that nobody listens on any more is taken over. */
int listen_unix(const char *path, struct error *error_r);
/* -1: nobody listens. Blocking. */
int listen_connect_unix(const char *path, struct error *error_r);

#endif
