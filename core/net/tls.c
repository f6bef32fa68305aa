/* SPDX-License-Identifier: Apache-2.0 */
#include "net/tls.h"

#include <openssl/err.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/log.h"
#include "loop/loop_fd.h"
#include "net/net_internal.h"
#include "net/tickets.h"

/* TLS 1.2 with forward secrecy and AEAD, and 1.3 (its own suites are all of that kind). */
#define TLS12_CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL"

/* One context per certificate, otherwise the same; the first is for clients that name none of the others. */
struct tls {
    SSL_CTX **contexts;
    size_t len;
};

static bool refuse(const char *file, struct error *error_r) {
    char reason[160];
    ERR_error_string_n(ERR_get_error(), reason, sizeof reason);
    ERR_clear_error();
    error_set(error_r, "%s: not usable: %s", file, reason);
    return false;
}

/* RFC 6066, section 3. A name without a certificate gets the first one, as with other servers. */
static int choose_certificate(SSL *ssl, int *alert, void *owner) {
    const struct tls *tls = owner;
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    for (size_t i = 0; name && i < tls->len; i++) {
        if (X509_check_host(SSL_CTX_get0_certificate(tls->contexts[i]), name, 0, 0, NULL) != 1) continue;
        if (i > 0) SSL_set_SSL_CTX(ssl, tls->contexts[i]);
        return SSL_TLSEXT_ERR_OK;
    }
    return SSL_TLSEXT_ERR_NOACK;
}

/* HTTP/2 is not supported. */
static int choose_protocol(SSL *ssl, const unsigned char **chosen_r, unsigned char *len_r, const unsigned char *offered,
                           unsigned offered_len, void *owner) {
    static const unsigned char ours[] = "\x08http/1.1";
    unsigned char *chosen;
    int result = SSL_select_next_proto(&chosen, len_r, ours, sizeof ours - 1, offered, offered_len);
    *chosen_r = chosen;
    return result == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

static bool load_certificate(SSL_CTX *context, const char *certificate, const char *key, struct error *error_r) {
    SSL_CTX_set_security_level(context, 2); /* RSA of at least 2,048 bits */
    if (SSL_CTX_use_certificate_chain_file(context, certificate) != 1) return refuse(certificate, error_r);
    return SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) == 1 || refuse(key, error_r);
}

static bool load_clients_ca(SSL_CTX *context, const struct net_settings *settings, struct error *error_r) {
    if (!settings->tls_client_ca) return true;
    if (SSL_CTX_load_verify_file(context, settings->tls_client_ca) != 1)
        return refuse(settings->tls_client_ca, error_r);
    STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(settings->tls_client_ca);
    if (!names) return refuse(settings->tls_client_ca, error_r);
    SSL_CTX_set_client_CA_list(context, names);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL); /* clients without a certificate are accepted, too */
    return true;
}

/* A session resumes only with the same trusted authorities, because a resumed session does not ask for a certificate
 * again. */
static void bind_sessions(SSL_CTX *context) {
    STACK_OF(X509_OBJECT) *trusted = X509_STORE_get0_objects(SSL_CTX_get_cert_store(context));
    unsigned char told[2 * SHA256_DIGEST_LENGTH] = {0}; /* hash of all so far, and of the next one */
    for (int i = 0; i < sk_X509_OBJECT_num(trusted); i++) {
        const X509 *authority = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(trusted, i));
        if (!authority) continue;
        if (X509_digest(authority, EVP_sha256(), told + SHA256_DIGEST_LENGTH, NULL) != 1) abort();
        SHA256(told, sizeof told, told);
    }
    SSL_CTX_set_session_id_context(context, told, SHA256_DIGEST_LENGTH);
}

static void set_up(SSL_CTX *context, const struct net_settings *settings) {
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_cipher_list(context, TLS12_CIPHERS);
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_mode(context,
                     SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF); /* tickets: the client keeps it */
    SSL_CTX_set_num_tickets(context, 1);
    SSL_CTX_set_alpn_select_cb(context, choose_protocol, NULL);
    if (settings->tls_kernel)
        SSL_CTX_set_options(context, SSL_OP_ENABLE_KTLS);
    else
        SSL_CTX_set_read_ahead(context, 1); /* a record's head and body in one call */
}

/* files: the certificate's, and its key's. */
static bool add_context(struct tls *tls, const char *const files[2], const struct net_settings *settings,
                        struct tickets *tickets, struct error *error_r) {
    SSL_CTX *context = tls->contexts[tls->len++] = SSL_CTX_new(TLS_server_method());
    if (!context) abort();
    set_up(context, settings);
    if (tickets) tickets_attach(tickets, context);
    if (!load_certificate(context, files[0], files[1], error_r) || !load_clients_ca(context, settings, error_r))
        return false;
    bind_sessions(context);
    SSL_CTX_set_tlsext_servername_callback(context, choose_certificate);
    SSL_CTX_set_tlsext_servername_arg(context, tls);
    return true;
}

bool tls_new(const struct net_settings *settings, struct tickets *tickets, struct tls **tls_r, struct error *error_r) {
    *tls_r = NULL;
    if (!settings->tls_certificate) return true;
    struct tls *tls = *tls_r = NEW(struct tls);
    tls->contexts = NEW_ARRAY(SSL_CTX *, 1 + settings->tls_certificates_len);
    bool good =
        add_context(tls, (const char *[]){settings->tls_certificate, settings->tls_key}, settings, tickets, error_r);
    for (size_t i = 0; i < settings->tls_certificates_len && good; i++) {
        const char *both = settings->tls_certificates[i];
        good = add_context(tls, (const char *[]){both, both}, settings, tickets, error_r);
    }
    if (!good) tls_free(tls_r);
    return good;
}

void tls_free(struct tls **owned) {
    struct tls *tls = *owned;
    if (!tls) return;
    for (size_t i = 0; i < tls->len; i++) SSL_CTX_free(tls->contexts[i]);
    free(tls->contexts);
    free(tls);
    *owned = NULL;
}

/* ---- clients' certificates */

bool tls_client_subject(const SSL *ssl, struct buffer *subject_r) {
    X509 *certificate = ssl ? SSL_get0_peer_certificate(ssl) : NULL;
    if (!certificate) return false;
    BIO *text = BIO_new(BIO_s_mem());
    char *bytes;
    bool good = text && X509_NAME_print_ex(text, X509_get_subject_name(certificate), 0,
                                           XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB) >= 0;
    long len = good ? BIO_get_mem_data(text, &bytes) : 0;
    if (len > 0) buffer_append(subject_r, bytes, (size_t)len);
    BIO_free(text);
    return len > 0;
}

/* ---- handshakes */

static void begin(struct conn *conn) {
    conn->ssl = SSL_new(conn->host->tls->contexts[0]);
    if (!conn->ssl || SSL_set_fd(conn->ssl, conn->fd) != 1) abort();
    SSL_set_accept_state(conn->ssl);
}

static bool is_plain_http(unsigned long error) {
    return ERR_GET_LIB(error) == ERR_LIB_SSL && ERR_GET_REASON(error) == SSL_R_HTTP_REQUEST;
}

/* A client that speaks HTTP without TLS gets an HTTP answer that says so. */
static void fail(struct conn *conn) {
    static const char answer[] =
        "HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-type: text/plain\r\n"
        "content-length: 27\r\n\r\nTLS is spoken on this port.";
    char address[ADDRESS_TEXT_MAX];
    address_write(&conn->address, address);
    if (is_plain_http(ERR_peek_error()) && send(conn->fd, answer, sizeof answer - 1, MSG_NOSIGNAL) < 0)
        LOG(LOG_DEBUG, "tls.not_told", LOG_TEXT("address", address));
    ERR_clear_error();
    net_reject(conn, "tls");
    conn_end(conn); /* an alert is on its way */
}

static void step(struct conn *conn) {
    if (!conn->ssl) begin(conn);
    ERR_clear_error();
    int result = SSL_do_handshake(conn->ssl);
    if (result == 1) {
        conn->host->server->shaking--;
        loop_fd_set(conn->watch, LOOP_READ);
        http_begin(conn, false);
        return;
    }
    int error = SSL_get_error(conn->ssl, result);
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
        loop_fd_set(conn->watch, error == SSL_ERROR_WANT_READ ? LOOP_READ : LOOP_WRITE);
    else
        fail(conn);
}

void tls_shake(struct loop_task *task) {
    struct net_server *server = CONTAINER(task, struct net_server, shake);
    uint64_t began_us = loop_clock_us(server->loop);
    loop_part(server->loop, "tls_handshake");
    for (struct list *link; (link = list_pop(&server->handshakes));) {
        step(CONTAINER(CONTAINER(link, struct loop_task, link), struct conn, task));
        if (loop_clock_us(server->loop) - began_us >= HANDSHAKE_SLICE_US) break;
    }
    if (!list_empty(&server->handshakes)) loop_post(server->loop, &server->shake);
}

void tls_ready(struct conn *conn) {
    struct net_server *server = conn->host->server;
    if (loop_task_pending(&conn->task)) return; /* already queued */
    list_append(&server->handshakes, &conn->task.link);
    loop_post(server->loop, &server->shake);
}
