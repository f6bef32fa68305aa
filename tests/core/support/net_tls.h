/* SPDX-License-Identifier: Apache-2.0 */
/* net_tls.h - certificates made on the spot, and a client over TLS for the rig. */
#ifndef TESTS_NET_TLS_H
#define TESTS_NET_TLS_H

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "support/net_rig.h"

struct rig_tls {
    char folder[32], certificate[64], key[64];
    struct net_settings settings;
};

/* (Over)writes the files, or one that has both (key NULL), with a certificate for that name. */
void rig_certify_as(const char *name, const char *certificate_path, const char *key_path);

void rig_certify(struct rig_tls *tls, const char *name);

void rig_tls_init(struct rig_tls *tls, const char *name);

void rig_tls_done(struct rig_tls *tls);

/* One step of a handshake: 1 done, 0 waits, -1 refused. */
int raw_handshake(struct raw *raw);

/* The connection without its handshake; versions and ciphers: 0 and NULL for the defaults. */
void raw_prepare_tls(struct raw *raw, struct rig *rig, int version, const char *ciphers);

void raw_connect_tls(struct raw *raw, struct rig *rig);

#endif
