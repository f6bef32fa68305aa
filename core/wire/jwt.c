/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/jwt.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <stdlib.h>

#include "base/list.h"
#include "wire/base64.h"
#include "wire/json.h"

enum { RSA_BITS_MIN = 2048, RSA_BITS_MAX = 8192, KEYS_MAX = 64, POINT_LEN = 32 };
enum { DIGEST_LEN = 32, ES256_LEN = 64, ED25519_LEN = 64, KID_MAX = 256 };

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

bool jwt_algorithm_of(struct slice name, enum jwt_algorithm *algorithm_r) {
    static const char *const names[] = {
        [JWT_HS256] = "HS256", [JWT_RS256] = "RS256", [JWT_ES256] = "ES256", [JWT_EDDSA] = "EdDSA"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (!slice_is(name, names[i])) continue;
        *algorithm_r = (enum jwt_algorithm)i;
        return true;
    }
    return false;
}

struct jwt_verifier *jwt_verifier_new(void) {
    struct jwt_verifier *verifier = NEW(struct jwt_verifier);
    list_init(&verifier->keys);
    return verifier;
}

void jwt_verifier_free(struct jwt_verifier **verifier_ref) {
    struct jwt_verifier *verifier = *verifier_ref;
    *verifier_ref = NULL;
    if (!verifier) return;
    LIST_EACH(&verifier->keys, link) {
        struct jwt_key *key = CONTAINER(link, struct jwt_key, link);
        if (key->secret.ptr) OPENSSL_cleanse(key->secret.ptr, key->secret.len);
        buffer_done(&key->secret);
        buffer_done(&key->kid);
        EVP_PKEY_free(key->public_key);
        free(key);
    }
    buffer_done(&verifier->issuer);
    buffer_done(&verifier->audience);
    free(verifier);
}

void jwt_expect(struct jwt_verifier *verifier, struct slice issuer, struct slice audience, unsigned leeway_s) {
    buffer_clear(&verifier->issuer);
    buffer_clear(&verifier->audience);
    buffer_append_slice(&verifier->issuer, issuer);
    buffer_append_slice(&verifier->audience, audience);
    verifier->leeway_s = leeway_s;
}

static size_t count_keys(const struct jwt_verifier *verifier) {
    size_t count = 0;
    LIST_EACH(&verifier->keys, link) count++;
    return count;
}

/* The key of that name; keys without a name never match. NULL: none. */
static struct jwt_key *key_named(const struct jwt_verifier *verifier, struct slice kid) {
    LIST_EACH(&verifier->keys, link) {
        struct jwt_key *key = CONTAINER(link, struct jwt_key, link);
        if (key->kid.len > 0 && slice_equal(kid, buffer_slice(&key->kid))) return key;
    }
    return NULL;
}

/* The key for a token without a kid: the only one. NULL: there are several. */
static struct jwt_key *key_only(const struct jwt_verifier *verifier) {
    return count_keys(verifier) == 1 ? CONTAINER(verifier->keys.next, struct jwt_key, link) : NULL;
}

static struct jwt_key *key_new(struct jwt_verifier *verifier, enum jwt_algorithm algorithm, struct slice kid) {
    struct jwt_key *key = NEW(struct jwt_key);
    key->algorithm = algorithm;
    buffer_append_slice(&key->kid, kid);
    list_append(&verifier->keys, &key->link);
    return key;
}

bool jwt_add_secret(struct jwt_verifier *verifier, struct slice kid, struct slice secret, struct error *error_r) {
    if (secret.len < JWT_SECRET_MIN) {
        error_set(error_r, "an HS256 secret must have at least %d bytes, this one has %zu", JWT_SECRET_MIN, secret.len);
        return false;
    }
    buffer_append_slice(&key_new(verifier, JWT_HS256, kid)->secret, secret);
    return true;
}

static bool is_fit(enum jwt_algorithm algorithm, EVP_PKEY *key) {
    char curve[32] = "";
    switch (algorithm) {
        case JWT_RS256:
            return EVP_PKEY_base_id(key) == EVP_PKEY_RSA && EVP_PKEY_bits(key) >= RSA_BITS_MIN &&
                   EVP_PKEY_bits(key) <= RSA_BITS_MAX;
        case JWT_ES256:
            return EVP_PKEY_base_id(key) == EVP_PKEY_EC &&
                   EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_GROUP_NAME, curve, sizeof curve, NULL) &&
                   strcmp(curve, "prime256v1") == 0;
        case JWT_EDDSA:
            return EVP_PKEY_base_id(key) == EVP_PKEY_ED25519;
        default:
            return false;
    }
}

/* Takes the key. */
static bool add_public(struct jwt_verifier *verifier, enum jwt_algorithm algorithm, struct slice kid, EVP_PKEY *key) {
    if (!key || !is_fit(algorithm, key) || count_keys(verifier) >= KEYS_MAX) {
        EVP_PKEY_free(key);
        return false;
    }
    key_new(verifier, algorithm, kid)->public_key = key;
    return true;
}

bool jwt_add_pem(struct jwt_verifier *verifier, enum jwt_algorithm algorithm, struct slice kid, struct slice pem,
                 struct error *error_r) {
    BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
    EVP_PKEY *key = bio ? PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL) : NULL;
    BIO_free(bio);
    if (add_public(verifier, algorithm, kid, key)) return true;
    error_set(error_r,
              "no public key in PEM that fits the algorithm (RS256: 2048 bits or more; ES256: P-256; EdDSA: "
              "Ed25519)");
    return false;
}

/* ---- JWK ---- */

static bool decode_member(struct slice jwk, const char *name, struct buffer *out) {
    struct slice member = json_member(jwk, name);
    struct buffer text = {0};
    buffer_clear(out);
    if (member.len == 0 || json_type_of(member) != JSON_STRING) return false;
    json_string(member, &text);
    bool good = base64url_decode(out, buffer_slice(&text)) && out->len > 0;
    buffer_done(&text);
    return good;
}

static bool member_is(struct slice jwk, const char *name, const char *text) {
    struct slice member = json_member(jwk, name);
    return member.len > 0 && json_type_of(member) == JSON_STRING && json_string_is(member, slice_of(text));
}

static bool absent_or(struct slice jwk, const char *name, const char *text) {
    return json_member(jwk, name).len == 0 || member_is(jwk, name, text);
}

static EVP_PKEY *key_from(const char *type, OSSL_PARAM_BLD *build) {
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);
    EVP_PKEY_CTX *making = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    EVP_PKEY *key = NULL;
    if (!params || !making || EVP_PKEY_fromdata_init(making) <= 0 ||
        EVP_PKEY_fromdata(making, &key, EVP_PKEY_PUBLIC_KEY, params) <= 0)
        key = NULL;
    EVP_PKEY_CTX_free(making);
    OSSL_PARAM_free(params);
    return key;
}

static EVP_PKEY *rsa_key(struct slice jwk) {
    struct buffer n = {0}, e = {0};
    EVP_PKEY *key = NULL;
    if (decode_member(jwk, "n", &n) && decode_member(jwk, "e", &e) && n.len <= RSA_BITS_MAX / 8 && e.len <= 8) {
        OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
        BIGNUM *modulus = BN_bin2bn((unsigned char *)n.ptr, (int)n.len, NULL);
        BIGNUM *exponent = BN_bin2bn((unsigned char *)e.ptr, (int)e.len, NULL);
        if (build && OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, modulus) &&
            OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, exponent))
            key = key_from("RSA", build);
        OSSL_PARAM_BLD_free(build);
        BN_free(modulus);
        BN_free(exponent);
    }
    buffer_done(&n);
    buffer_done(&e);
    return key;
}

static EVP_PKEY *ec_key(struct slice jwk) {
    struct buffer x = {0}, y = {0};
    EVP_PKEY *key = NULL;
    if (member_is(jwk, "crv", "P-256") && decode_member(jwk, "x", &x) && decode_member(jwk, "y", &y) &&
        x.len == POINT_LEN && y.len == POINT_LEN) {
        unsigned char point[1 + 2 * POINT_LEN] = {POINT_CONVERSION_UNCOMPRESSED};
        memcpy(point + 1, x.ptr, POINT_LEN);
        memcpy(point + 1 + POINT_LEN, y.ptr, POINT_LEN);
        OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
        if (build && OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) &&
            OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point))
            key = key_from("EC", build);
        OSSL_PARAM_BLD_free(build);
    }
    buffer_done(&x);
    buffer_done(&y);
    return key;
}

static EVP_PKEY *ed_key(struct slice jwk) {
    struct buffer x = {0};
    EVP_PKEY *key = NULL;
    if (member_is(jwk, "crv", "Ed25519") && decode_member(jwk, "x", &x) && x.len == POINT_LEN)
        key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, (unsigned char *)x.ptr, x.len);
    buffer_done(&x);
    return key;
}

/* NULL: of another kind, or for another use. */
static EVP_PKEY *key_of_jwk(enum jwt_algorithm algorithm, struct slice jwk) {
    if (json_type_of(jwk) != JSON_OBJECT || !absent_or(jwk, "use", "sig")) return NULL;
    switch (algorithm) {
        case JWT_RS256:
            return member_is(jwk, "kty", "RSA") && absent_or(jwk, "alg", "RS256") ? rsa_key(jwk) : NULL;
        case JWT_ES256:
            return member_is(jwk, "kty", "EC") && absent_or(jwk, "alg", "ES256") ? ec_key(jwk) : NULL;
        case JWT_EDDSA:
            return member_is(jwk, "kty", "OKP") && absent_or(jwk, "alg", "EdDSA") ? ed_key(jwk) : NULL;
        default:
            return NULL;
    }
}

bool jwt_add_jwks(struct jwt_verifier *verifier, enum jwt_algorithm algorithm, struct slice json,
                  struct error *error_r) {
    struct slice keys = json_valid(json) ? json_member(json, "keys") : SLICE_NONE, jwk;
    unsigned added = 0;
    if (keys.len > 0 && json_type_of(keys) == JSON_ARRAY) {
        struct json_walk walk;
        json_walk_init(&walk, keys);
        while (json_walk_item(&walk, &jwk)) {
            struct buffer kid = {0};
            struct slice member = json_type_of(jwk) == JSON_OBJECT ? json_member(jwk, "kid") : SLICE_NONE;
            if (member.len > 0 && json_type_of(member) == JSON_STRING) json_string(member, &kid);
            added += add_public(verifier, algorithm, buffer_slice(&kid), key_of_jwk(algorithm, jwk));
            buffer_done(&kid);
        }
    }
    if (added == 0) error_set(error_r, "no key in the JWK set fits the algorithm");
    return added > 0;
}

const char *jwt_status_word(enum jwt_status status) {
    static const char *const words[] = {[JWT_OK] = "ok",
                                        [JWT_MALFORMED] = "malformed",
                                        [JWT_UNKNOWN_KEY] = "unknown_key",
                                        [JWT_BAD_SIGNATURE] = "bad_signature",
                                        [JWT_EXPIRED] = "expired",
                                        [JWT_NOT_YET_VALID] = "not_yet_valid",
                                        [JWT_WRONG_ISSUER] = "wrong_issuer",
                                        [JWT_WRONG_AUDIENCE] = "wrong_audience"};
    return words[status];
}

/* ---- signatures ---- */

static bool verify_secret(const struct jwt_key *key, struct slice bytes, struct slice signature) {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    if (!HMAC(EVP_sha256(), key->secret.ptr, (int)key->secret.len, (const unsigned char *)bytes.ptr, bytes.len, digest,
              &len))
        return false;
    return signature.len == DIGEST_LEN && CRYPTO_memcmp(digest, signature.ptr, DIGEST_LEN) == 0;
}

static bool verify_public(const struct jwt_key *key, struct slice bytes, const unsigned char *signature, size_t len) {
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    const EVP_MD *hash = key->algorithm == JWT_EDDSA ? NULL : EVP_sha256();
    bool good = digest && EVP_DigestVerifyInit(digest, NULL, hash, NULL, key->public_key) == 1 &&
                EVP_DigestVerify(digest, signature, len, (const unsigned char *)bytes.ptr, bytes.len) == 1;
    EVP_MD_CTX_free(digest);
    return good;
}

/* RFC 7518, 3.4: r and s, 32 bytes each; OpenSSL wants DER. Neither may be zero (psychic signatures). */
static bool verify_es256(const struct jwt_key *key, struct slice bytes, struct slice signature) {
    if (signature.len != ES256_LEN) return false;
    const unsigned char *raw = (const unsigned char *)signature.ptr;
    ECDSA_SIG *pair = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(raw, ES256_LEN / 2, NULL), *s = BN_bin2bn(raw + ES256_LEN / 2, ES256_LEN / 2, NULL);
    unsigned char *der = NULL;
    bool good = false;
    if (pair && r && s && !BN_is_zero(r) && !BN_is_zero(s) && ECDSA_SIG_set0(pair, r, s)) {
        r = s = NULL;
        int len = i2d_ECDSA_SIG(pair, &der);
        good = len > 0 && verify_public(key, bytes, der, (size_t)len);
    }
    BN_free(r);
    BN_free(s);
    ECDSA_SIG_free(pair);
    OPENSSL_free(der);
    return good;
}

static bool verify_signature(const struct jwt_key *key, struct slice bytes, struct slice signature) {
    switch (key->algorithm) {
        case JWT_HS256:
            return verify_secret(key, bytes, signature);
        case JWT_ES256:
            return verify_es256(key, bytes, signature);
        case JWT_EDDSA:
            return signature.len == ED25519_LEN &&
                   verify_public(key, bytes, (const unsigned char *)signature.ptr, signature.len);
        case JWT_RS256:
            return signature.len == (size_t)EVP_PKEY_size(key->public_key) &&
                   verify_public(key, bytes, (const unsigned char *)signature.ptr, signature.len);
    }
    return false;
}

/* ---- the header ---- */

static bool member_text(struct slice object, const char *name, struct buffer *out) {
    struct slice member = json_member(object, name);
    buffer_clear(out);
    if (member.len == 0 || json_type_of(member) != JSON_STRING) return false;
    json_string(member, out);
    return true;
}

/* Header fields by which the token itself would choose how it is checked. */
static bool steers(struct slice header) {
    static const char *const refused[] = {"crit", "jku", "jwk", "x5u", "x5c", "b64", "zip", "enc"};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        if (json_member(header, refused[i]).len > 0) return true;
    return false;
}

static enum jwt_status find_key(const struct jwt_verifier *verifier, struct slice header, struct jwt_key **key_r) {
    struct buffer text = {0};
    enum jwt_algorithm algorithm;
    enum jwt_status status = JWT_MALFORMED;
    bool known = member_text(header, "alg", &text) && jwt_algorithm_of(buffer_slice(&text), &algorithm);
    bool has_kid = json_member(header, "kid").len > 0;
    if (known && !steers(header) && (!has_kid || (member_text(header, "kid", &text) && text.len <= KID_MAX))) {
        *key_r = has_kid ? key_named(verifier, buffer_slice(&text)) : key_only(verifier);
        status = *key_r && (*key_r)->algorithm == algorithm ? JWT_OK : JWT_UNKNOWN_KEY;
    }
    buffer_done(&text);
    return status;
}

/* ---- the claims ---- */

/* A NumericDate, if it is there: false when it is no time. */
static bool read_time(struct slice claims, const char *name, double *time_r) {
    struct slice member = json_member(claims, name);
    if (member.len == 0) return true;
    if (json_type_of(member) != JSON_NUMBER) return false;
    *time_r = json_number(member);
    return *time_r >= 0 && *time_r < 1e12;
}

static bool text_is(struct slice member, struct slice text) {
    return member.len > 0 && json_type_of(member) == JSON_STRING && json_string_is(member, text);
}

/* RFC 7519, 4.1.3: a string or an array of strings. */
static bool is_for(struct slice audience, struct slice expected) {
    if (audience.len == 0 || json_type_of(audience) != JSON_ARRAY) return text_is(audience, expected);
    struct json_walk walk;
    struct slice item;
    bool found = false;
    json_walk_init(&walk, audience);
    while (json_walk_item(&walk, &item)) {
        if (json_type_of(item) != JSON_STRING) return false;
        found = found || text_is(item, expected);
    }
    return found;
}

static enum jwt_status check_claims(const struct jwt_verifier *verifier, struct slice claims, uint64_t now_s) {
    double expires = -1, not_before = 0, issued = 0, now = (double)now_s;
    if (!read_time(claims, "exp", &expires) || !read_time(claims, "nbf", &not_before) ||
        !read_time(claims, "iat", &issued) || expires < 0)
        return JWT_MALFORMED;
    if (now >= expires + verifier->leeway_s) return JWT_EXPIRED;
    if (now + verifier->leeway_s < not_before) return JWT_NOT_YET_VALID;
    if (verifier->issuer.len > 0 && !text_is(json_member(claims, "iss"), buffer_slice(&verifier->issuer)))
        return JWT_WRONG_ISSUER;
    if (verifier->audience.len > 0 && !is_for(json_member(claims, "aud"), buffer_slice(&verifier->audience)))
        return JWT_WRONG_AUDIENCE;
    return JWT_OK;
}

/* ---- the token ---- */

struct fields {
    struct slice header, payload, signature, signed_bytes;
};

static bool split(struct slice token, struct fields *parts) {
    const char *first = token.len > 0 ? memchr(token.ptr, '.', token.len) : NULL;
    if (!first) return false;
    struct slice rest = slice_from(token, (size_t)(first - token.ptr) + 1);
    const char *second = memchr(rest.ptr, '.', rest.len);
    if (!second) return false;
    parts->header = (struct slice){token.ptr, (size_t)(first - token.ptr)};
    parts->payload = (struct slice){rest.ptr, (size_t)(second - rest.ptr)};
    parts->signature = slice_from(rest, parts->payload.len + 1);
    parts->signed_bytes = (struct slice){token.ptr, (size_t)(second - token.ptr)};
    return parts->header.len > 0 && parts->payload.len > 0;
}

static bool decode_object(struct slice text, struct buffer *out) {
    return base64url_decode(out, text) && json_valid(buffer_slice(out)) &&
           json_type_of(buffer_slice(out)) == JSON_OBJECT;
}

enum jwt_status jwt_verify(const struct jwt_verifier *verifier, struct slice token, uint64_t now_s,
                           struct buffer *claims) {
    struct fields parts;
    struct buffer header = {0}, signature = {0};
    struct jwt_key *key = NULL;
    enum jwt_status status = JWT_MALFORMED;
    buffer_clear(claims);
    if (token.len <= JWT_MAX_BYTES && split(token, &parts) && decode_object(parts.header, &header) &&
        base64url_decode(&signature, parts.signature))
        status = find_key(verifier, buffer_slice(&header), &key);
    if (status == JWT_OK && !verify_signature(key, parts.signed_bytes, buffer_slice(&signature)))
        status = JWT_BAD_SIGNATURE;
    if (status == JWT_OK)
        status =
            decode_object(parts.payload, claims) ? check_claims(verifier, buffer_slice(claims), now_s) : JWT_MALFORMED;
    buffer_done(&header);
    buffer_done(&signature);
    return status;
}

void jwt_sign(struct slice claims, struct slice secret, struct buffer *out) {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    size_t start = out->len;
    base64url_encode(out, SLICE("{\"alg\":\"HS256\",\"typ\":\"JWT\"}"));
    buffer_append_char(out, '.');
    base64url_encode(out, claims);
    HMAC(EVP_sha256(), secret.ptr, (int)secret.len, (unsigned char *)out->ptr + start, out->len - start, digest, &len);
    buffer_append_char(out, '.');
    base64url_encode(out, (struct slice){(char *)digest, len});
}
