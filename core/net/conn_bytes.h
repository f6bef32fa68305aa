/* SPDX-License-Identifier: Apache-2.0 */
/* conn_bytes.h - the bytes of one connection, over TLS or not. core/net only. */
#ifndef NET_CONN_BYTES_H
#define NET_CONN_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct conn;

/* Each returns the number of bytes; 0: it would block; -1: the peer has closed its side, or the connection is broken.
 */
ssize_t conn_bytes_read(struct conn *conn, char *to, size_t len);
ssize_t conn_bytes_write(struct conn *conn, const char *from, size_t len);
/* Sends part of a file from the kernel's cache: at most len bytes from offset. A file that is shorter than expected
 * breaks the connection. */
ssize_t conn_bytes_send_file(struct conn *conn, int file_fd, size_t offset, size_t len);
/* TLS has already received bytes that are not read yet; the descriptor will not report them. */
bool conn_bytes_has_more(const struct conn *conn);
/* Ends our side; the caller discards what still arrives. False: the peer has ended its side, too. */
void conn_bytes_end(struct conn *conn);
bool conn_bytes_discard(struct conn *conn);

#endif
