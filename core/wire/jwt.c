#include "wire/jwt.h"

#include <openssl/crypto.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "wire/base64.h"
#include "wire/json.h"
#include "wire/jwt_keys.h"

enum { DIGEST_LEN = 32, ES256_LEN = 64, ED25519_LEN = 64, KID_MAX = 256 };

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

/* What would have the token say how it is to be checked. */
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
        *key_r = has_kid ? jwt_key_find(verifier, buffer_slice(&text)) : jwt_key_only(verifier);
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
