/* SPDX-License-Identifier: Apache-2.0 */
#include "support/net_tls.h"

void rig_certify_as(const char *name, const char *certificate_path, const char *key_path) {
    EVP_PKEY *key = EVP_RSA_gen(2048);
    X509 *certificate = X509_new();
    X509_set_version(certificate, 2);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, key);
    X509_NAME *subject = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(certificate, subject);
    X509_sign(certificate, key, EVP_sha256());
    FILE *file = fopen(certificate_path, "w");
    PEM_write_X509(file, certificate);
    if (key_path) {
        fclose(file);
        file = fopen(key_path, "w");
    }
    PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL);
    fclose(file);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

void rig_certify(struct rig_tls *tls, const char *name) {
    rig_certify_as(name, tls->certificate, tls->key);
}

void rig_tls_init(struct rig_tls *tls, const char *name) {
    strcpy(tls->folder, "/tmp/stoa-tls-XXXXXX");
    assert_non_null(mkdtemp(tls->folder));
    snprintf(tls->certificate, sizeof tls->certificate, "%s/certificate.pem", tls->folder);
    snprintf(tls->key, sizeof tls->key, "%s/key.pem", tls->folder);
    rig_certify(tls, name);
    tls->settings = rig_settings;
    tls->settings.tls_certificate = tls->certificate;
    tls->settings.tls_key = tls->key;
}

void rig_tls_done(struct rig_tls *tls) {
    unlink(tls->certificate);
    unlink(tls->key);
    rmdir(tls->folder);
}

int raw_handshake(struct raw *raw) {
    int n = SSL_connect(raw->ssl);
    if (n == 1) return 1;
    int error = SSL_get_error(raw->ssl, n);
    return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

void raw_prepare_tls(struct raw *raw, struct rig *rig, int version, const char *ciphers) {
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    raw_connect(raw, rig);
    SSL_CTX_set_security_level(context, 0);
    if (version) {
        SSL_CTX_set_min_proto_version(context, version);
        SSL_CTX_set_max_proto_version(context, version);
    }
    if (ciphers) assert_int_equal(SSL_CTX_set_cipher_list(context, ciphers), 1);
    raw->ssl = SSL_new(context);
    SSL_CTX_free(context);
    SSL_set_mode(raw->ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_set_fd(raw->ssl, raw->fd);
}

void raw_connect_tls(struct raw *raw, struct rig *rig) {
    int result = 0;
    raw_prepare_tls(raw, rig, 0, NULL);
    RIG_UNTIL(rig, (result = raw_handshake(raw)) != 0);
    assert_int_equal(result, 1);
}
