/* SPDX-License-Identifier: Apache-2.0 */
#include "net/conn_bytes.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/net_internal.h"

enum { RECORD_BYTES = 16384, SENDFILE_BYTES = 131072 };
enum { DISCARD_BYTES = 4096, DISCARDS_A_TURN = 16 };

/* Clears the error queue first: an old error of another connection would be taken for this one's. */
static SSL *tls_of(const struct conn *conn) {
    if (conn->ssl) ERR_clear_error();
    return conn->ssl;
}

static ssize_t tls_result(SSL *ssl, int n) {
    if (n > 0) return n;
    int error = SSL_get_error(ssl, n);
    ERR_clear_error();
    return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

static ssize_t plain_result(ssize_t n) {
    if (n > 0) return n;
    return n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
}

ssize_t conn_bytes_read(struct conn *conn, char *to, size_t len) {
    SSL *ssl = tls_of(conn);
    return ssl ? tls_result(ssl, SSL_read(ssl, to, (int)len)) : plain_result(recv(conn->fd, to, len, 0));
}

ssize_t conn_bytes_write(struct conn *conn, const char *from, size_t len) {
    SSL *ssl = tls_of(conn);
    return ssl ? tls_result(ssl, SSL_write(ssl, from, (int)len))
               : plain_result(send(conn->fd, from, len, MSG_NOSIGNAL));
}

/* TLS keeps an encrypted record until the kernel takes it. */
ssize_t conn_bytes_send_file(struct conn *conn, int file_fd, size_t offset, size_t len) {
    off_t at = (off_t)offset;
    if (!conn->ssl) return plain_result(sendfile(conn->fd, file_fd, &at, len < SENDFILE_BYTES ? len : SENDFILE_BYTES));
    char record[RECORD_BYTES];
    ssize_t n = pread(file_fd, record, len < sizeof record ? len : sizeof record, at);
    return n > 0 ? conn_bytes_write(conn, record, (size_t)n) : -1;
}

bool conn_bytes_has_more(const struct conn *conn) {
    return conn->ssl && SSL_has_pending(conn->ssl);
}

void conn_bytes_end(struct conn *conn) {
    SSL *ssl = tls_of(conn);
    if (ssl && SSL_is_init_finished(ssl)) SSL_shutdown(ssl);
    ERR_clear_error();
    shutdown(conn->fd, SHUT_WR);
}

bool conn_bytes_discard(struct conn *conn) {
    char bytes[DISCARD_BYTES];
    for (int i = 0; i < DISCARDS_A_TURN; i++) {
        ssize_t n = plain_result(recv(conn->fd, bytes, sizeof bytes, 0));
        if (n <= 0) return n == 0;
    }
    return true;
}
