/* SPDX-License-Identifier: Apache-2.0 */
#include "redis/seal.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>

struct seal {
    EVP_MAC_CTX *mac;
};

struct seal *seal_new(const char *secret) {
    if (!secret) return NULL;
    struct seal *seal = NEW(struct seal);
    EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    char digest[] = "SHA256";
    OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                           OSSL_PARAM_construct_end()};
    seal->mac = hmac ? EVP_MAC_CTX_new(hmac) : NULL;
    EVP_MAC_free(hmac);
    if (!seal->mac || !EVP_MAC_init(seal->mac, (const unsigned char *)secret, strlen(secret), params)) abort();
    return seal;
}

void seal_free(struct seal **seal_owner) {
    struct seal *seal = *seal_owner;
    *seal_owner = NULL;
    if (!seal) return;
    EVP_MAC_CTX_free(seal->mac);
    free(seal);
}

static void seal_compute(struct seal *seal, struct slice place, struct slice bytes, unsigned char out[SEAL_LEN]) {
    const unsigned char len[2] = {(unsigned char)(place.len >> 8), (unsigned char)place.len};
    size_t out_len;
    if (!EVP_MAC_init(seal->mac, NULL, 0, NULL) || !EVP_MAC_update(seal->mac, len, sizeof len) ||
        !EVP_MAC_update(seal->mac, (const unsigned char *)place.ptr, place.len) ||
        !EVP_MAC_update(seal->mac, (const unsigned char *)bytes.ptr, bytes.len) ||
        !EVP_MAC_final(seal->mac, out, &out_len, SEAL_LEN))
        abort();
}

void seal_append(struct seal *seal, struct slice place, struct buffer *bytes, size_t start) {
    unsigned char computed[SEAL_LEN];
    seal_compute(seal, place, (struct slice){bytes->ptr + start, bytes->len - start}, computed);
    buffer_append(bytes, (const char *)computed, SEAL_LEN);
}

bool seal_strip(struct seal *seal, struct slice place, struct slice *bytes) {
    unsigned char computed[SEAL_LEN];
    bytes->len -= SEAL_LEN;
    seal_compute(seal, place, *bytes, computed);
    return CRYPTO_memcmp(computed, bytes->ptr + bytes->len, SEAL_LEN) == 0;
}
