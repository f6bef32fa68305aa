/* SPDX-License-Identifier: Apache-2.0 */
/* JSON Web Tokens. */
#include <lauxlib.h>
#include <openssl/crypto.h>

#include "config/file.h"
#include "lua/bind_internal.h"
#include "lua/types.h"
#include "wire/json.h"
#include "wire/jwt.h"
#include "worker/worker.h"

static const char VERIFIER[] = "stoa.jwt_verifier";
enum { LEEWAY_S = 30, LEEWAY_MAX_S = 600, VERIFY_STEPS = 20000, MAKE_STEPS = 200000 };

struct verifier {
    struct jwt_verifier *jwt;
};

static int collect(lua_State *L) {
    jwt_verifier_free(&((struct verifier *)lua_touserdata(L, 1))->jwt);
    return 0;
}

/* Reads a file that the operator named into the vm's buffer. It blocks, so only while scripts are loaded. */
static struct slice read_file(lua_State *L, const char *path) {
    struct buffer *out = &vm_of(L)->out;
    struct error error;
    script_state_loading(L);
    buffer_clear(out);
    if (!file_read(path, out, &error)) luaL_error(L, "%s: %s", path, error.text);
    return buffer_slice(out);
}

static bool add_keys(lua_State *L, struct jwt_verifier *jwt, enum jwt_algorithm algorithm, struct error *error_r) {
    const char *file = bind_path_field(L, 1, "public_key_file"), *jwks_file = bind_path_field(L, 1, "jwks_file");
    struct slice kid = bind_field(L, 1, "kid"), pem = bind_field(L, 1, "public_key"), jwks = bind_field(L, 1, "jwks");
    if (algorithm == JWT_HS256) return jwt_add_secret(jwt, kid, bind_field(L, 1, "secret"), error_r);
    if (jwks.len > 0) return jwt_add_jwks(jwt, algorithm, jwks, error_r);
    if (jwks_file) return jwt_add_jwks(jwt, algorithm, read_file(L, jwks_file), error_r);
    if (file) return jwt_add_pem(jwt, algorithm, kid, read_file(L, file), error_r);
    return jwt_add_pem(jwt, algorithm, kid, pem, error_r);
}

/* A verifier of tokens. The key determines the algorithm, whatever a token says; exp is required. A relative file name
 * is relative to the configuration's folder. A token with a kid is checked only with the key of that name; kid names a
 * secret or public key, a JWKS has its own names. A token without a kid needs a verifier with one key.
 * @function stoa.jwt.verifier
 * @param options {algorithm = "HS256" | "RS256" | "ES256" | "EdDSA", secret | public_key | public_key_file | jwks_file
 * | jwks (a JWK Set as text), issuer?, audience?, leeway_s = 30, kid?}; files are read while scripts are loaded
 * @return a verifier
 * @error raises when the key does not fit: a secret under 32 bytes, RSA under 2048 bits, another kind of key
 * @example local tokens = stoa.jwt.verifier{algorithm = "HS256", secret = stoa.config.auth.secret} */
static int verifier_new(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    enum jwt_algorithm algorithm;
    struct error error;
    vm_charge(L, MAKE_STEPS);
    if (!jwt_algorithm_of(bind_field(L, 1, "algorithm"), &algorithm))
        return luaL_error(L, "algorithm must be HS256, RS256, ES256 or EdDSA");
    double leeway_s = bind_number_field(L, 1, "leeway_s", LEEWAY_S);
    if (!(leeway_s >= 0 && leeway_s <= LEEWAY_MAX_S)) return luaL_error(L, "leeway_s must be 0 to %d", LEEWAY_MAX_S);
    struct verifier *verifier = types_new(L, VERIFIER, sizeof *verifier);
    verifier->jwt = jwt_verifier_new();
    if (!add_keys(L, verifier->jwt, algorithm, &error)) return luaL_error(L, "%s", error.text);
    jwt_expect(verifier->jwt, bind_field(L, 1, "issuer"), bind_field(L, 1, "audience"), (unsigned)leeway_s);
    lua_settop(L, 2); /* without the names of files */
    return 1;
}

/* Checks a token.
 * @function verifier:verify
 * @param token a string
 * @return its claims
 * @error malformed, unknown_key, bad_signature, expired, not_yet_valid, wrong_issuer, wrong_audience
 * @example local claims, word = tokens:verify(handshake.auth.token) */
static int verify(lua_State *L) {
    const struct verifier *verifier = types_check(L, 1, VERIFIER);
    struct buffer *claims = &vm_of(L)->out;
    if (lua_type(L, 2) != LUA_TSTRING) return bind_fail(L, "malformed");
    vm_charge(L, VERIFY_STEPS);
    uint64_t now_s = loop_wall_ms(script_state_of(L)->worker->loop) / 1000;
    enum jwt_status status = jwt_verify(verifier->jwt, bind_text(L, 2), now_s, claims);
    if (status != JWT_OK) return bind_fail(L, jwt_status_word(status));
    script_json_push(L, buffer_slice(claims), NULL, 0);
    return 1;
}

/* Makes an HS256 token (for tests, and for tokens that the server itself issues).
 * @function stoa.jwt.sign
 * @param claims a table
 * @param secret at least 32 bytes
 * @return the token
 * @error raises when the secret is too short
 * @example local token = stoa.jwt.sign({sub = "alice", exp = stoa.now() + 60}, secret) */
static int sign(lua_State *L) {
    struct slice secret = bind_text(L, 2);
    struct json_out json = {.out = &vm_of(L)->out, .max_bytes = JWT_MAX_BYTES / 2};
    struct buffer *token = &vm_of(L)->scratch;
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_argcheck(L, secret.len >= JWT_SECRET_MIN, 2, "at least 32 bytes expected");
    buffer_clear(json.out);
    buffer_clear(token);
    if (!script_json_pull(L, 1, &json)) return luaL_error(L, "claims: %s", json.problem);
    jwt_sign(buffer_slice(json.out), secret, token);
    lua_pushlstring(L, token->ptr, token->len);
    return 1;
}

void bind_jwt(lua_State *L) {
    static const luaL_Reg methods[] = {{"verify", verify}, {NULL, NULL}};
    static const luaL_Reg functions[] = {{"verifier", verifier_new}, {"sign", sign}, {NULL, NULL}};
    types_class(L, VERIFIER, methods, NULL, collect);
    bind_library(L, "jwt", functions);
}
