/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens, honest and forged (the rows are those of docs/security.md's list of attacks). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "wire/base64.h"
#include "wire/jwt.h"

#define SECRET SLICE("0123456789abcdef0123456789abcdef")
enum { NOW = 1000000 };

/* ---- makers ---- */

static struct buffer text_of(const char *format, ...) {
    struct buffer out = {0};
    char text[4096];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    buffer_append_str(&out, text);
    return out;
}

static EVP_PKEY *make_key(enum jwt_algorithm algorithm) {
    if (algorithm == JWT_RS256) return EVP_RSA_gen(2048);
    if (algorithm == JWT_ES256) return EVP_EC_gen("P-256");
    return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
}

static struct buffer pem_of(EVP_PKEY *key) {
    struct buffer out = {0};
    BIO *bio = BIO_new(BIO_s_mem());
    char *ptr;
    assert_int_equal(PEM_write_bio_PUBKEY(bio, key), 1);
    long len = BIO_get_mem_data(bio, &ptr);
    buffer_append(&out, ptr, (size_t)len);
    BIO_free(bio);
    return out;
}

/* RFC 7518, 3.4: r and s as 32 bytes each. */
static void raw_of_der(const unsigned char *der, size_t len, struct buffer *out) {
    ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &der, (long)len);
    unsigned char raw[64];
    BN_bn2binpad(ECDSA_SIG_get0_r(pair), raw, 32);
    BN_bn2binpad(ECDSA_SIG_get0_s(pair), raw + 32, 32);
    buffer_append(out, (char *)raw, sizeof raw);
    ECDSA_SIG_free(pair);
}

static struct buffer sign(enum jwt_algorithm algorithm, EVP_PKEY *key, const char *header, const char *claims) {
    struct buffer token = {0}, signature = {0};
    unsigned char bytes[1024];
    size_t len = sizeof bytes;
    base64url_encode(&token, slice_of(header));
    buffer_append_char(&token, '.');
    base64url_encode(&token, slice_of(claims));
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestSignInit(digest, NULL, algorithm == JWT_EDDSA ? NULL : EVP_sha256(), NULL, key), 1);
    assert_int_equal(EVP_DigestSign(digest, bytes, &len, (unsigned char *)token.ptr, token.len), 1);
    EVP_MD_CTX_free(digest);
    if (algorithm == JWT_ES256)
        raw_of_der(bytes, len, &signature);
    else
        buffer_append(&signature, (char *)bytes, len);
    buffer_append_char(&token, '.');
    base64url_encode(&token, buffer_slice(&signature));
    buffer_done(&signature);
    return token;
}

/* header.claims.signature, the signature given as text. */
static struct buffer forge(const char *header, const char *claims, const char *signature) {
    struct buffer token = {0};
    base64url_encode(&token, slice_of(header));
    buffer_append_char(&token, '.');
    base64url_encode(&token, slice_of(claims));
    buffer_append_char(&token, '.');
    buffer_append_str(&token, signature);
    return token;
}

static struct buffer sign_secret(const char *claims) {
    struct buffer token = {0};
    jwt_sign(slice_of(claims), SECRET, &token);
    return token;
}

static struct jwt_verifier *secret_verifier(void) {
    struct jwt_verifier *verifier = jwt_verifier_new();
    assert_true(jwt_add_secret(verifier, SLICE_NONE, SECRET, NULL));
    return verifier;
}

/* The word for a token. Frees the token. */
static const char *word(const struct jwt_verifier *verifier, struct buffer token) {
    struct buffer claims = {0};
    const char *word = jwt_status_word(jwt_verify(verifier, buffer_slice(&token), NOW, &claims));
    buffer_done(&claims);
    buffer_done(&token);
    return word;
}

/* ---- what must hold ---- */

static void a_signed_token_gives_its_claims(void **state) {
    struct jwt_verifier *verifier = secret_verifier();
    struct buffer token = sign_secret("{\"sub\":\"alice\",\"exp\":1000001}"), claims = {0};
    assert_int_equal(jwt_verify(verifier, buffer_slice(&token), NOW, &claims), JWT_OK);
    assert_true(slice_is(buffer_slice(&claims), "{\"sub\":\"alice\",\"exp\":1000001}"));
    buffer_done(&token);
    buffer_done(&claims);
    jwt_verifier_free(&verifier);
}

static void every_algorithm_verifies_its_own(void **state) {
    static const char *const headers[] = {
        [JWT_RS256] = "{\"alg\":\"RS256\"}", [JWT_ES256] = "{\"alg\":\"ES256\"}", [JWT_EDDSA] = "{\"alg\":\"EdDSA\"}"};
    for (enum jwt_algorithm algorithm = JWT_RS256; algorithm <= JWT_EDDSA; algorithm++) {
        EVP_PKEY *key = make_key(algorithm), *other = make_key(algorithm);
        struct buffer pem = pem_of(key);
        struct jwt_verifier *verifier = jwt_verifier_new();
        assert_true(jwt_add_pem(verifier, algorithm, SLICE_NONE, buffer_slice(&pem), NULL));
        assert_string_equal(word(verifier, sign(algorithm, key, headers[algorithm], "{\"exp\":1000001}")), "ok");
        assert_string_equal(word(verifier, sign(algorithm, other, headers[algorithm], "{\"exp\":1000001}")),
                            "bad_signature");
        jwt_verifier_free(&verifier);
        buffer_done(&pem);
        EVP_PKEY_free(key);
        EVP_PKEY_free(other);
    }
}

static void no_algorithm_is_none_of_ours(void **state) {
    static const char *const names[] = {"none", "None", "nOnE", "HS512", "hs256", ""};
    struct jwt_verifier *verifier = secret_verifier();
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct buffer header = text_of("{\"alg\":\"%s\"}", names[i]);
        buffer_append_char(&header, '\0');
        assert_string_equal(word(verifier, forge(header.ptr, "{\"exp\":1000001}", "")), "malformed");
        buffer_done(&header);
    }
    assert_string_equal(word(verifier, forge("{\"alg\":\"HS256\"}", "{\"exp\":1000001}", "")), "bad_signature");
    assert_string_equal(word(verifier, forge("{}", "{\"exp\":1000001}", "")), "malformed");
    assert_string_equal(word(verifier, forge("{\"alg\":7}", "{\"exp\":1000001}", "")), "malformed");
    jwt_verifier_free(&verifier);
}

static void a_public_key_is_no_secret(void **state) {
    EVP_PKEY *key = make_key(JWT_RS256);
    struct buffer pem = pem_of(key), token = {0};
    struct jwt_verifier *verifier = jwt_verifier_new();
    assert_true(jwt_add_pem(verifier, JWT_RS256, SLICE_NONE, buffer_slice(&pem), NULL));
    jwt_sign(SLICE("{\"exp\":1000001}"), buffer_slice(&pem), &token);
    assert_string_equal(word(verifier, token), "unknown_key");
    jwt_verifier_free(&verifier);
    buffer_done(&pem);
    EVP_PKEY_free(key);
}

static void a_key_id_only_names_a_key(void **state) {
    static const char *const kids[] = {"../../dev/null", "' OR 1=1 --", "retired", "", "a\\u0000"};
    struct jwt_verifier *verifier = jwt_verifier_new();
    EVP_PKEY *key = make_key(JWT_EDDSA);
    struct buffer pem = pem_of(key);
    assert_true(jwt_add_pem(verifier, JWT_EDDSA, SLICE("a"), buffer_slice(&pem), NULL));
    assert_true(jwt_add_secret(verifier, SLICE("b"), SECRET, NULL));
    assert_string_equal(word(verifier, sign(JWT_EDDSA, key, "{\"alg\":\"EdDSA\",\"kid\":\"a\"}", "{\"exp\":1000001}")),
                        "ok");
    assert_string_equal(word(verifier, sign(JWT_EDDSA, key, "{\"alg\":\"EdDSA\",\"kid\":\"b\"}", "{\"exp\":1000001}")),
                        "unknown_key");
    assert_string_equal(word(verifier, sign(JWT_EDDSA, key, "{\"alg\":\"EdDSA\"}", "{\"exp\":1000001}")),
                        "unknown_key");
    for (size_t i = 0; i < sizeof kids / sizeof *kids; i++) {
        char header[128];
        snprintf(header, sizeof header, "{\"alg\":\"EdDSA\",\"kid\":\"%s\"}", kids[i]);
        assert_string_equal(word(verifier, sign(JWT_EDDSA, key, header, "{\"exp\":1000001}")), "unknown_key");
    }
    assert_string_equal(word(verifier, sign(JWT_EDDSA, key, "{\"alg\":\"EdDSA\",\"kid\":7}", "{\"exp\":1000001}")),
                        "malformed");
    jwt_verifier_free(&verifier);
    buffer_done(&pem);
    EVP_PKEY_free(key);
}

static void a_key_without_a_name_is_meant_by_none(void **state) {
    static const char *const kids[] = {"../../dev/null", "' OR 1=1 --", "retired", ""};
    struct jwt_verifier *verifier = jwt_verifier_new();
    EVP_PKEY *key = make_key(JWT_EDDSA);
    struct buffer pem = pem_of(key);
    assert_true(jwt_add_pem(verifier, JWT_EDDSA, SLICE_NONE, buffer_slice(&pem), NULL));
    assert_string_equal(word(verifier, sign(JWT_EDDSA, key, "{\"alg\":\"EdDSA\"}", "{\"exp\":1000001}")), "ok");
    for (size_t i = 0; i < sizeof kids / sizeof *kids; i++) {
        char header[128];
        snprintf(header, sizeof header, "{\"alg\":\"EdDSA\",\"kid\":\"%s\"}", kids[i]);
        assert_string_equal(word(verifier, sign(JWT_EDDSA, key, header, "{\"exp\":1000001}")), "unknown_key");
    }
    jwt_verifier_free(&verifier);
    buffer_done(&pem);
    EVP_PKEY_free(key);
}

static void a_header_that_steers_is_refused(void **state) {
    static const char *const members[] = {"\"jku\":\"https://evil.example\"",
                                          "\"x5u\":\"x\"",
                                          "\"jwk\":{}",
                                          "\"crit\":[\"exp\"]",
                                          "\"x5c\":[]",
                                          "\"zip\":\"DEF\""};
    EVP_PKEY *key = make_key(JWT_EDDSA);
    struct buffer pem = pem_of(key);
    struct jwt_verifier *verifier = jwt_verifier_new();
    assert_true(jwt_add_pem(verifier, JWT_EDDSA, SLICE_NONE, buffer_slice(&pem), NULL));
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        char header[128];
        snprintf(header, sizeof header, "{\"alg\":\"EdDSA\",%s}", members[i]);
        assert_string_equal(word(verifier, sign(JWT_EDDSA, key, header, "{\"exp\":1000001}")), "malformed");
    }
    jwt_verifier_free(&verifier);
    buffer_done(&pem);
    EVP_PKEY_free(key);
}

static void a_signature_has_one_form(void **state) {
    EVP_PKEY *key = make_key(JWT_ES256);
    struct buffer pem = pem_of(key);
    struct jwt_verifier *verifier = jwt_verifier_new();
    assert_true(jwt_add_pem(verifier, JWT_ES256, SLICE_NONE, buffer_slice(&pem), NULL));
    struct buffer zeros = {0};
    base64url_encode(&zeros, (struct slice){(char[64]){0}, 64});
    buffer_append_char(&zeros, '\0');
    assert_string_equal(word(verifier, forge("{\"alg\":\"ES256\"}", "{\"exp\":1000001}", zeros.ptr)), "bad_signature");
    static const char *const endings[] = {"=", "==", " ", "\n", "A", ".", ".x"};
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        struct buffer token = sign(JWT_ES256, key, "{\"alg\":\"ES256\"}", "{\"exp\":1000001}");
        buffer_append_str(&token, endings[i]);
        assert_string_not_equal(word(verifier, token), "ok");
    }
    for (size_t cut = 1; cut < 86; cut++) {
        struct buffer token = sign(JWT_ES256, key, "{\"alg\":\"ES256\"}", "{\"exp\":1000001}");
        token.len -= cut;
        assert_string_not_equal(word(verifier, token), "ok");
    }
    jwt_verifier_free(&verifier);
    buffer_done(&zeros);
    buffer_done(&pem);
    EVP_PKEY_free(key);
}

static void times_are_checked(void **state) {
    static const struct {
        const char *claims, *expected;
    } rows[] = {{"{\"exp\":1000000}", "expired"},
                {"{\"exp\":999999}", "expired"},
                {"{\"exp\":1000000.5}", "ok"},
                {"{}", "malformed"},
                {"{\"exp\":\"1000001\"}", "malformed"},
                {"{\"exp\":1e308}", "malformed"},
                {"{\"exp\":-1}", "malformed"},
                {"{\"exp\":null}", "malformed"},
                {"{\"exp\":[1000001]}", "malformed"},
                {"{\"exp\":1000001,\"nbf\":1000001}", "not_yet_valid"},
                {"{\"exp\":1000001,\"nbf\":1000000}", "ok"},
                {"{\"exp\":1000001,\"nbf\":\"0\"}", "malformed"},
                {"{\"exp\":1000001,\"exp\":1}", "expired"},
                {"[]", "malformed"},
                {"{\"exp\":1000001", "malformed"},
                {"", "malformed"}};
    struct jwt_verifier *verifier = secret_verifier();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_string_equal(word(verifier, sign_secret(rows[i].claims)), rows[i].expected);
    jwt_expect(verifier, SLICE_NONE, SLICE_NONE, 30);
    assert_string_equal(word(verifier, sign_secret("{\"exp\":999971}")), "ok");
    assert_string_equal(word(verifier, sign_secret("{\"exp\":999970}")), "expired");
    assert_string_equal(word(verifier, sign_secret("{\"exp\":1000001,\"nbf\":1000030}")), "ok");
    jwt_verifier_free(&verifier);
}

static void issuer_and_audience_are_checked(void **state) {
    static const struct {
        const char *claims, *expected;
    } rows[] = {{"{\"exp\":1000001,\"iss\":\"us\",\"aud\":\"chat\"}", "ok"},
                {"{\"exp\":1000001,\"iss\":\"us\",\"aud\":[\"mail\",\"chat\"]}", "ok"},
                {"{\"exp\":1000001,\"iss\":\"them\",\"aud\":\"chat\"}", "wrong_issuer"},
                {"{\"exp\":1000001,\"iss\":[\"us\"],\"aud\":\"chat\"}", "wrong_issuer"},
                {"{\"exp\":1000001,\"aud\":\"chat\"}", "wrong_issuer"},
                {"{\"exp\":1000001,\"iss\":\"us\"}", "wrong_audience"},
                {"{\"exp\":1000001,\"iss\":\"us\",\"aud\":\"mail\"}", "wrong_audience"},
                {"{\"exp\":1000001,\"iss\":\"us\",\"aud\":[]}", "wrong_audience"},
                {"{\"exp\":1000001,\"iss\":\"us\",\"aud\":[\"chat\",7]}", "wrong_audience"}};
    struct jwt_verifier *verifier = secret_verifier();
    jwt_expect(verifier, SLICE("us"), SLICE("chat"), 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_string_equal(word(verifier, sign_secret(rows[i].claims)), rows[i].expected);
    jwt_verifier_free(&verifier);
}

static void what_is_no_token_is_malformed(void **state) {
    static const char *const texts[] = {"", ".", "..", "a.b", "a.b.c", "a.b.c.d", "e30.e30.", "e30..e30", ".e30.e30"};
    struct jwt_verifier *verifier = secret_verifier();
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_string_equal(word(verifier, text_of("%s", texts[i])), "malformed");
    struct buffer claims = {0}, token = {0};
    buffer_append_str(&claims, "{\"exp\":1000001,\"pad\":\"");
    for (int i = 0; i < JWT_MAX_BYTES; i++) buffer_append_char(&claims, 'x');
    buffer_append_str(&claims, "\"}");
    jwt_sign(buffer_slice(&claims), SECRET, &token);
    assert_string_equal(word(verifier, token), "malformed");
    buffer_done(&claims);
    jwt_verifier_free(&verifier);
}

static void unfit_keys_are_refused(void **state) {
    struct jwt_verifier *verifier = jwt_verifier_new();
    struct error error;
    assert_false(jwt_add_secret(verifier, SLICE_NONE, SLICE("0123456789abcdef0123456789abcde"), &error));
    EVP_PKEY *small = EVP_RSA_gen(1024), *curve = EVP_EC_gen("P-384"), *edwards = make_key(JWT_EDDSA);
    struct buffer pems[] = {pem_of(small), pem_of(curve), pem_of(edwards)};
    assert_false(jwt_add_pem(verifier, JWT_RS256, SLICE_NONE, buffer_slice(&pems[0]), &error));
    assert_false(jwt_add_pem(verifier, JWT_ES256, SLICE_NONE, buffer_slice(&pems[1]), &error));
    assert_false(jwt_add_pem(verifier, JWT_RS256, SLICE_NONE, buffer_slice(&pems[2]), &error));
    assert_false(jwt_add_pem(verifier, JWT_RS256, SLICE_NONE, SLICE("no key"), &error));
    for (int i = 0; i < 3; i++) buffer_done(&pems[i]);
    EVP_PKEY_free(small);
    EVP_PKEY_free(curve);
    EVP_PKEY_free(edwards);
    jwt_verifier_free(&verifier);
}

/* The keys and the token of RFC 8037, appendix A, and RFC 7515, A.3 (its claims: exp 1300819380). */
static void key_sets_hold_keys_by_id(void **state) {
    static const char set[] =
        "{\"keys\":[{\"kty\":\"EC\",\"kid\":\"e\",\"crv\":\"P-256\",\"x\":"
        "\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
        "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"},{\"kty\":\"oct\",\"kid\":\"s\",\"k\":\"AAAA\"}]}";
    static const char token[] =
        "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0"
        "cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
    struct jwt_verifier *verifier = jwt_verifier_new();
    struct buffer claims = {0};
    struct error error;
    assert_true(jwt_add_jwks(verifier, JWT_ES256, slice_of(set), &error));
    assert_int_equal(jwt_verify(verifier, slice_of(token), 1300819379, &claims), JWT_OK);
    assert_int_equal(jwt_verify(verifier, slice_of(token), 1300819380, &claims), JWT_EXPIRED);
    jwt_verifier_free(&verifier);
    verifier = jwt_verifier_new();
    assert_false(jwt_add_jwks(verifier, JWT_RS256, slice_of(set), &error));
    assert_false(jwt_add_jwks(verifier, JWT_ES256, SLICE("{\"keys\":[7,{\"kty\":\"EC\"}]}"), &error));
    assert_false(jwt_add_jwks(verifier, JWT_ES256, SLICE("not json"), &error));
    static const char edwards[] =
        "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}";
    assert_true(jwt_add_jwks(verifier, JWT_EDDSA, slice_of(edwards), &error));
    jwt_verifier_free(&verifier);
    buffer_done(&claims);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_signed_token_gives_its_claims),
        cmocka_unit_test(every_algorithm_verifies_its_own),
        cmocka_unit_test(no_algorithm_is_none_of_ours),
        cmocka_unit_test(a_public_key_is_no_secret),
        cmocka_unit_test(a_key_id_only_names_a_key),
        cmocka_unit_test(a_key_without_a_name_is_meant_by_none),
        cmocka_unit_test(a_header_that_steers_is_refused),
        cmocka_unit_test(a_signature_has_one_form),
        cmocka_unit_test(times_are_checked),
        cmocka_unit_test(issuer_and_audience_are_checked),
        cmocka_unit_test(what_is_no_token_is_malformed),
        cmocka_unit_test(unfit_keys_are_refused),
        cmocka_unit_test(key_sets_hold_keys_by_id),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
