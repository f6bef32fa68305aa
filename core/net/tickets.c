/* SPDX-License-Identifier: Apache-2.0 */
#include "net/tickets.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A pseudorandom function of the chain's value and a word: 32 bytes. */
static void derive(const unsigned char *chain, const char *word, unsigned char *out) {
    unsigned len = TICKET_CHAIN_LEN;
    if (!HMAC(EVP_sha256(), chain, TICKET_CHAIN_LEN, (const unsigned char *)word, strlen(word), out, &len))
        abort(); /* without SHA-256 there is no TLS either */
}

static void make_key(struct tickets *tickets, uint64_t made_s) {
    unsigned char bytes[TICKET_CHAIN_LEN];
    struct ticket_key *key = &tickets->current;
    derive(tickets->chain, "name", bytes);
    memcpy(key->name, bytes, sizeof key->name);
    derive(tickets->chain, "cipher", key->cipher_key);
    derive(tickets->chain, "mac", key->mac_key);
    key->made_s = made_s;
    derive(tickets->chain, "next", bytes);
    memcpy(tickets->chain, bytes, sizeof bytes);
    OPENSSL_cleanse(bytes, sizeof bytes);
}

const struct ticket_key *tickets_current(struct tickets *tickets, uint64_t now_s) {
    struct ticket_key *current = &tickets->current;
    if (!current->made_s) {
        if (RAND_bytes(tickets->chain, sizeof tickets->chain) != 1) abort();
        make_key(tickets, now_s);
    }
    while (now_s - current->made_s >= TICKET_KEY_S) {
        tickets->former = *current;
        make_key(tickets, current->made_s + TICKET_KEY_S);
    }
    return current;
}

const struct ticket_key *tickets_find(struct tickets *tickets, const unsigned char *name, uint64_t now_s) {
    if (tickets->current.made_s) tickets_current(tickets, now_s); /* another process may be an hour ahead */
    struct ticket_key *keys[] = {&tickets->current, &tickets->former};
    for (int i = 0; i < 2; i++)
        if (keys[i]->made_s && memcmp(keys[i]->name, name, TICKET_NAME_LEN) == 0) return keys[i];
    return NULL;
}

static uint64_t seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (uint64_t)now.tv_sec + 1;
}

void tickets_advance(struct tickets *tickets) {
    tickets_current(tickets, seconds());
}

void tickets_done(struct tickets *tickets) {
    OPENSSL_cleanse(tickets, sizeof *tickets);
}

static bool begin(const struct ticket_key *key, unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac,
                  bool encrypt) {
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, (void *)key->mac_key, sizeof key->mac_key),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)"sha256", 0), OSSL_PARAM_construct_end()};
    return EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->cipher_key, iv, encrypt) == 1 &&
           EVP_MAC_CTX_set_params(mac, params) == 1;
}

/* 0: no such key, a full handshake follows; 1: valid; 2: valid, and the client gets a new ticket; -1: an error. */
static int choose_key(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac,
                      int encrypt) {
    struct tickets *tickets = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    uint64_t now_s = seconds();
    const struct ticket_key *key;
    if (encrypt) {
        key = tickets_current(tickets, now_s);
        memcpy(name, key->name, sizeof key->name);
        return RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) == 1 && begin(key, iv, cipher, mac, true)
                   ? 1
                   : -1;
    }
    key = tickets_find(tickets, name, now_s);
    if (!key) return 0;
    if (!begin(key, iv, cipher, mac, false)) return -1;
    return key == tickets_current(tickets, now_s) ? 1 : 2;
}

void tickets_attach(struct tickets *tickets, SSL_CTX *context) {
    SSL_CTX_set_app_data(context, tickets);
    SSL_CTX_set_timeout(context, TICKET_KEY_S);
    if (SSL_CTX_set_tlsext_ticket_key_evp_cb(context, choose_key) != 1) abort();
}
