/* SPDX-License-Identifier: Apache-2.0 */
#include "support/fuzz_tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/buffer.h"
#include "support/change.h"
#include "support/program.h"

enum { HOUR_S = 3600, READ_MAX = 16384 };

struct fuzz_tls {
    SSL *ssl;
    struct buffer due;    /* said before the handshake was done */
    struct buffer unsent; /* records */
    unsigned most;        /* bytes that leave at a time; 0: all */
    bool spoils;          /* the next records */
};

static void fail(void) {
    ERR_print_errors_fp(stderr);
    abort();
}

/* ---- the certificate */

static X509 *certify(EVP_PKEY *key) {
    X509 *certificate = X509_new();
    X509_set_version(certificate, 2);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -HOUR_S);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 24 * HOUR_S);
    X509_set_pubkey(certificate, key);
    X509_NAME *subject = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)"localhost", -1, -1, 0);
    X509_set_issuer_name(certificate, subject);
    if (!X509_sign(certificate, key, EVP_sha256())) fail();
    return certificate;
}

/* In memory: a fuzzer that is ended leaves no file. */
const char *fuzz_tls_certificate(void) {
    static char path[32];
    if (path[0]) return path;
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = certify(key);
    int fd = memfd_create("certificate", 0);
    FILE *file = fd >= 0 ? fdopen(dup(fd), "w") : NULL;
    if (!file || PEM_write_X509(file, certificate) != 1 ||
        PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) != 1 || fclose(file) != 0)
        fail();
    X509_free(certificate);
    EVP_PKEY_free(key);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return path;
}

/* ---- the client */

static SSL_CTX *context_of(void) {
    static SSL_CTX *context;
    if (context) return context;
    context = SSL_CTX_new(TLS_client_method());
    if (!context) fail();
    SSL_CTX_set_security_level(context, 0);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    return context;
}

/* Versions, names and protocols: some of those that the server has, some that it has not. */
static void choose(SSL *ssl, unsigned offer) {
    static const char *const names[] = {"localhost", "example.org"};
    static const unsigned char protocols[][12] = {"\x08http/1.1", "\x02h2"};
    if (offer & 1) SSL_set_max_proto_version(ssl, TLS1_2_VERSION);
    if ((offer & 7) == 7) SSL_set_max_proto_version(ssl, TLS1_1_VERSION);
    if (offer & 16) SSL_set_tlsext_host_name(ssl, names[offer >> 5 & 1]);
    if (offer & 64) SSL_set_alpn_protos(ssl, protocols[offer >> 7], offer >> 7 ? 3 : 9);
}

struct fuzz_tls *fuzz_tls_new(struct program *program) {
    struct fuzz_tls *tls = NEW(struct fuzz_tls);
    tls->ssl = SSL_new(context_of());
    if (!tls->ssl) fail();
    SSL_set_bio(tls->ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_connect_state(tls->ssl);
    choose(tls->ssl, program_byte(program));
    return tls;
}

void fuzz_tls_free(struct fuzz_tls **owned) {
    struct fuzz_tls *tls = *owned;
    if (!tls) return;
    SSL_free(tls->ssl);
    buffer_done(&tls->due);
    buffer_done(&tls->unsent);
    free(tls);
    *owned = NULL;
}

/* Whatever fails has ended this side: what the server makes of it is the question. */
static void go_on(struct fuzz_tls *tls) {
    ERR_clear_error();
    if (SSL_do_handshake(tls->ssl) == 1 && tls->due.len > 0) {
        int len = SSL_write(tls->ssl, tls->due.ptr, (int)tls->due.len);
        if (len > 0) buffer_consume(&tls->due, (size_t)len);
    }
    ERR_clear_error();
}

void fuzz_tls_say(struct fuzz_tls *tls, struct slice bytes) {
    buffer_append_slice(&tls->due, bytes);
    go_on(tls);
}

void fuzz_tls_step(struct fuzz_tls *tls, struct program *program) {
    unsigned what = program_byte(program);
    switch (what % 6) {
        case 0:
            tls->most = what / 6;
            break;
        case 1:
            tls->spoils = true;
            break;
        case 2:
            SSL_shutdown(tls->ssl);
            break;
        case 3:
            SSL_renegotiate(tls->ssl); /* TLS 1.2 */
            break;
        case 4:
            SSL_key_update(tls->ssl, SSL_KEY_UPDATE_REQUESTED); /* TLS 1.3 */
            break;
        default: /* bytes between the records */
            buffer_append_slice(&tls->unsent, program_bytes(program));
    }
    go_on(tls);
}

void fuzz_tls_hear(struct fuzz_tls *tls, struct slice bytes, struct buffer *said) {
    int len;
    if (bytes.len > 0) BIO_write(SSL_get_rbio(tls->ssl), bytes.ptr, (int)bytes.len);
    go_on(tls);
    while ((len = SSL_read(tls->ssl, buffer_reserve(said, READ_MAX), READ_MAX)) > 0) said->len += (size_t)len;
    ERR_clear_error();
}

void fuzz_tls_write(struct fuzz_tls *tls, struct program *program, struct buffer *out) {
    char *records;
    long len = BIO_get_mem_data(SSL_get_wbio(tls->ssl), &records);
    if (len > 0) buffer_append(&tls->unsent, records, (size_t)len);
    (void)BIO_reset(SSL_get_wbio(tls->ssl));
    if (tls->spoils && tls->unsent.len > 0) {
        change(&tls->unsent, program);
        tls->spoils = false;
    }
    size_t most = tls->most && tls->most < tls->unsent.len ? tls->most : tls->unsent.len;
    buffer_append(out, tls->unsent.ptr ? tls->unsent.ptr : "", most);
    buffer_consume(&tls->unsent, most);
}
