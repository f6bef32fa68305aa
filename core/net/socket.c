/* The bytes of a client in HTTP, over TLS or not. Over TLS libwebsockets owns the socket, but rests. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include "net/http_exchange.h"

enum { DISCARD_BYTES = 4096, DISCARDS_A_TURN = 16 };

/* With an empty error queue: what another connection left there (libwebsockets does, closing) would be taken for an
 * error of this one. */
static SSL *tls_of(const struct conn *conn) {
    SSL *tls = conn->tls && conn->wsi ? lws_get_ssl(conn->wsi) : NULL;
    if (tls) ERR_clear_error();
    return tls;
}

static ssize_t tls_result(SSL *tls, int n) {
    if (n > 0) return n;
    int error = SSL_get_error(tls, n);
    ERR_clear_error();
    return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

static ssize_t plain_result(ssize_t n) {
    if (n > 0) return n;
    return n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
}

ssize_t socket_peek(struct conn *conn, char *to, size_t len) {
    SSL *tls = tls_of(conn);
    return tls ? tls_result(tls, SSL_peek(tls, to, (int)len)) : plain_result(recv(conn->fd, to, len, MSG_PEEK));
}

ssize_t socket_read(struct conn *conn, char *to, size_t len) {
    SSL *tls = tls_of(conn);
    return tls ? tls_result(tls, SSL_read(tls, to, (int)len)) : plain_result(recv(conn->fd, to, len, 0));
}

ssize_t socket_write(struct conn *conn, const char *from, size_t len) {
    SSL *tls = tls_of(conn);
    return tls ? tls_result(tls, SSL_write(tls, from, (int)len))
               : plain_result(send(conn->fd, from, len, MSG_NOSIGNAL));
}

void socket_end(struct conn *conn) {
    SSL *tls = tls_of(conn);
    if (tls) {
        SSL_shutdown(tls);
        ERR_clear_error();
    }
    shutdown(conn->fd, SHUT_WR);
}

bool socket_discard(struct conn *conn) {
    char bytes[DISCARD_BYTES];
    for (int i = 0; i < DISCARDS_A_TURN; i++) {
        ssize_t n = plain_result(recv(conn->fd, bytes, sizeof bytes, 0));
        if (n <= 0) return n == 0;
    }
    return true;
}

void socket_cork(struct conn *conn, bool corked) {
    int on = corked;
    setsockopt(conn->fd, IPPROTO_TCP, TCP_CORK, &on, sizeof on);
}

void socket_wake_beyond(struct conn *conn, size_t bytes) {
    int low = (int)bytes + 1;
    if (!conn->tls) setsockopt(conn->fd, SOL_SOCKET, SO_RCVLOWAT, &low, sizeof low);
}
