/* jwt_keys.h - the keys of a verifier. jwt.c's own. */
#ifndef WIRE_JWT_KEYS_H
#define WIRE_JWT_KEYS_H

#include <openssl/evp.h>

#include "base/list.h"
#include "wire/jwt.h"

struct jwt_key {
    struct list link;
    enum jwt_algorithm algorithm;
    struct buffer kid, secret; /* secret: HS256 */
    EVP_PKEY *public_key;      /* the others */
};

struct jwt_verifier {
    struct list keys;
    struct buffer issuer, audience;
    unsigned leeway_s;
};

/* The key of that name; one that has none is meant by no name. NULL: none. */
struct jwt_key *jwt_key_find(const struct jwt_verifier *verifier, struct slice kid);
/* The key of a token that names none: the only one. NULL: there are several. */
struct jwt_key *jwt_key_only(const struct jwt_verifier *verifier);

#endif
