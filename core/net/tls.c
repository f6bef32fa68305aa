#include "net/tls.h"

#include <libwebsockets.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>

/* TLS 1.2 with forward secrecy and AEAD, and 1.3 (its own suites are all of that kind). */
#define TLS12_CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL"

static bool refuse(const char *file, struct error *error_r) {
    char reason[160];
    ERR_error_string_n(ERR_get_error(), reason, sizeof reason);
    ERR_clear_error();
    error_set(error_r, "%s: not usable: %s", file, reason);
    return false;
}

bool tls_check(const char *certificate, const char *key, struct error *error_r) {
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    bool good = true;
    if (!context) return refuse(certificate, error_r);
    SSL_CTX_set_security_level(context, 2); /* RSA of at least 2,048 bits */
    if (SSL_CTX_use_certificate_chain_file(context, certificate) != 1)
        good = refuse(certificate, error_r);
    else if (SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1)
        good = refuse(key, error_r);
    SSL_CTX_free(context);
    return good;
}

void tls_describe(struct lws_context_creation_info *info, const char *certificate, const char *key) {
    info->options |= LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
    info->ssl_cert_filepath = certificate;
    info->ssl_private_key_filepath = key;
    info->ssl_cipher_list = TLS12_CIPHERS;
    info->ssl_options_set = SSL_OP_NO_SSLv3 | SSL_OP_NO_TLSv1 | SSL_OP_NO_TLSv1_1 | SSL_OP_NO_RENEGOTIATION |
                            SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE;
    info->ssl_info_event_mask = SSL_CB_HANDSHAKE_DONE;
    info->alpn = "http/1.1"; /* raw frames must never meet HTTP/2 framing */
}
