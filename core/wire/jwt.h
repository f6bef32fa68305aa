/* SPDX-License-Identifier: Apache-2.0 */
/* jwt.h - JSON Web Tokens (RFC 7519, 7515), as RFC 8725 wants them checked. Signatures by OpenSSL; no Lua.
 *
 * The algorithm belongs to the key, never to the token. Refused: tokens over 8 KiB, headers with crit, jku, jwk, x5u or
 * x5c, encodings that are not canonical, tokens without exp.
 */
#ifndef WIRE_JWT_H
#define WIRE_JWT_H

#include <stdint.h>

#include "base/buffer.h"
#include "base/error.h"

enum { JWT_MAX_BYTES = 8192, JWT_SECRET_MIN = 32 };

enum jwt_algorithm { JWT_HS256, JWT_RS256, JWT_ES256, JWT_EDDSA };
/* False: not supported ("none" is not supported either). */
bool jwt_algorithm_of(struct slice name, enum jwt_algorithm *algorithm_r) MUST_CHECK;

/* Keys, and what a token must claim. */
struct jwt_verifier;

struct jwt_verifier *jwt_verifier_new(void);
void jwt_verifier_free(struct jwt_verifier **verifier);
/* kid: only tokens with this key id use the key; empty: any token. Each add fails for a key that is unfit: an HS256
 * secret under 32 bytes, RSA under 2048 bits, a key of another kind than the algorithm. */
bool jwt_add_secret(struct jwt_verifier *verifier, struct slice kid, struct slice secret,
                    struct error *error_r) MUST_CHECK;
bool jwt_add_pem(struct jwt_verifier *verifier, enum jwt_algorithm algorithm, struct slice kid, struct slice pem,
                 struct error *error_r) MUST_CHECK;
/* A JWK Set (RFC 7517): each key's alg must be the algorithm or be absent; keys of other kinds or uses are skipped. At
 * least one must be left. */
bool jwt_add_jwks(struct jwt_verifier *verifier, enum jwt_algorithm algorithm, struct slice json,
                  struct error *error_r) MUST_CHECK;
/* Empty: not checked. leeway_s: for exp and nbf. */
void jwt_expect(struct jwt_verifier *verifier, struct slice issuer, struct slice audience, unsigned leeway_s);

enum jwt_status {
    JWT_OK,
    JWT_MALFORMED,
    JWT_UNKNOWN_KEY,
    JWT_BAD_SIGNATURE,
    JWT_EXPIRED,
    JWT_NOT_YET_VALID,
    JWT_WRONG_ISSUER,
    JWT_WRONG_AUDIENCE
};
const char *jwt_status_word(enum jwt_status status);
/* OK: claims holds the payload, a JSON object. The signature is checked before anything that it covers is read. */
enum jwt_status jwt_verify(const struct jwt_verifier *verifier, struct slice token, uint64_t now_s,
                           struct buffer *claims) MUST_CHECK;
/* An HS256 token; claims: a JSON object. */
void jwt_sign(struct slice claims, struct slice secret, struct buffer *out);

#endif
