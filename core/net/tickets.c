#include "net/tickets.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void make_key(struct ticket_key *key, uint64_t now_s) {
    if (RAND_bytes(key->name, sizeof key->name) != 1 || RAND_bytes(key->cipher_key, sizeof key->cipher_key) != 1 ||
        RAND_bytes(key->mac_key, sizeof key->mac_key) != 1)
        abort(); /* without randomness there is no TLS either */
    key->made_s = now_s;
}

const struct ticket_key *tickets_current(struct tickets *tickets, uint64_t now_s) {
    struct ticket_key *current = &tickets->current;
    if (current->made_s && now_s - current->made_s < TICKET_KEY_S) return current;
    tickets->former = *current;
    make_key(current, now_s);
    return current;
}

const struct ticket_key *tickets_find(struct tickets *tickets, const unsigned char *name, uint64_t now_s) {
    struct ticket_key *keys[] = {&tickets->current, &tickets->former};
    for (int i = 0; i < 2; i++) {
        bool fresh = keys[i]->made_s && now_s - keys[i]->made_s < 2 * TICKET_KEY_S;
        if (fresh && memcmp(keys[i]->name, name, TICKET_NAME_LEN) == 0) return keys[i];
    }
    return NULL;
}

static int context_index = -1; /* OpenSSL's place for what is ours in a context; made once */

static void free_tickets(void *parent, void *tickets, CRYPTO_EX_DATA *data, int index, long number, void *pointer) {
    if (tickets) OPENSSL_cleanse(tickets, sizeof(struct tickets));
    free(tickets);
}

static uint64_t seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (uint64_t)now.tv_sec + 1;
}

static bool begin(const struct ticket_key *key, unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac,
                  bool encrypt) {
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, (void *)key->mac_key, sizeof key->mac_key),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)"sha256", 0), OSSL_PARAM_construct_end()};
    return EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->cipher_key, iv, encrypt) == 1 &&
           EVP_MAC_CTX_set_params(mac, params) == 1;
}

/* 0: no such key, a full handshake follows; 1: good; 2: good, and a new ticket is to be given; -1: an error. */
static int choose_key(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac,
                      int encrypt) {
    struct tickets *tickets = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), context_index);
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

bool tickets_attach(SSL_CTX *context) {
    if (context_index < 0) context_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, free_tickets);
    struct tickets *tickets = NEW(struct tickets);
    if (SSL_CTX_set_ex_data(context, context_index, tickets) != 1) {
        free(tickets);
        return false;
    }
    SSL_CTX_set_timeout(context, TICKET_KEY_S);
    return SSL_CTX_set_tlsext_ticket_key_evp_cb(context, choose_key) == 1;
}
