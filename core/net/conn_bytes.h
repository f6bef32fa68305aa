/* SPDX-License-Identifier: Apache-2.0 */
/* conn_bytes.h - the bytes of one connection, over TLS or not. core/net only. */
#ifndef NET_CONN_BYTES_H
#define NET_CONN_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct conn;

/* Each: > 0 bytes, 0: would wait, -1: the peer has ended, or the connection is broken. */
ssize_t conn_bytes_read(struct conn *conn, char *to, size_t len);
ssize_t conn_bytes_write(struct conn *conn, const char *from, size_t len);
/* A piece of a file, from the kernel's cache: at most so much, from there on. A file that ends before breaks the
 * connection. */
ssize_t conn_bytes_send_file(struct conn *conn, int file_fd, size_t offset, size_t len);
/* Bytes wait that no descriptor will tell of: TLS has received them. */
bool conn_bytes_has_more(const struct conn *conn);
/* Ends our side; then what arrives is to be thrown away: false when the peer has ended, too. */
void conn_bytes_end(struct conn *conn);
bool conn_bytes_discard(struct conn *conn);

#endif
