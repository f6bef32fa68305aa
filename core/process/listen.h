/* SPDX-License-Identifier: Apache-2.0 */
/* listen.h - listening sockets from text. */
#ifndef PROCESS_LISTEN_H
#define PROCESS_LISTEN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

enum { LISTEN_ADDRESS_MAX = 160, LISTEN_MAX = 16 /* sockets of one server */ };

/* Each address is one of
 *   127.0.0.1:3000, [::1]:3000   that address; an IPv6 socket takes no IPv4 (IPV6_V6ONLY)
 *   localhost:3000               every address of the name
 *   :3000                        all addresses, of both families, as far as the machine has them
 *   unix:/run/stoa/http.sock     a Unix socket; ,mode=0660 (the default) and ,owner=USER or USER:GROUP may follow
 * Port 0 picks a free one, the same for all of one text. False: error_r, without the key's name. */
bool listen_check(const char *const *addresses, size_t len, struct error *error_r) MUST_CHECK;

/* Sockets that listen, non-blocking. */
struct listen_sockets {
    int fds[LISTEN_MAX];
    unsigned len;
};
/* shared: other sockets of this user may listen there, too (SO_REUSEPORT). False: none is open; error_r as above. */
bool listen_open(const char *const *addresses, size_t len, int backlog, bool shared, struct listen_sockets *sockets_r,
                 struct error *error_r) MUST_CHECK;
/* Whether listen_open would open them, as far as can be told without listening. An address in use is logged but not an
 * error: the running server may hold it. */
bool listen_try(const char *const *addresses, size_t len, struct error *error_r) MUST_CHECK;
/* Opens more sockets at the same bound addresses, for another process. A Unix socket is shared instead. */
bool listen_again(const struct listen_sockets *sockets, int backlog, struct listen_sockets *sockets_r,
                  struct error *error_r) MUST_CHECK;
void listen_close(struct listen_sockets *sockets);
/* The bound address, as "ADDR:PORT", or "unix:PATH". */
void listen_address(int fd, char address_r[LISTEN_ADDRESS_MAX]);
/* Removes the files of Unix sockets, so that nobody takes them for live ones. */
void listen_remove_names(const struct listen_sockets *sockets);
/* A Unix socket that only its owner may connect to. Replaces the file of a dead socket. */
int listen_unix(const char *path, struct error *error_r);
/* The same as listen_try. */
bool listen_try_unix(const char *path, struct error *error_r) MUST_CHECK;
/* -1: nobody listens. Blocking. */
int listen_connect_unix(const char *path, struct error *error_r);

#endif
