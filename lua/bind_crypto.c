/* SPDX-License-Identifier: Apache-2.0 */
/* Random tokens, digests, comparison in constant time. */
#include <lauxlib.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/ids.h"
#include "lua/bind_internal.h"

enum { TOKEN_LEN = 43, STEP_BYTES = 64 };

static int push_hex(lua_State *L, const unsigned char *bytes, size_t len) {
    static const char digits[] = "0123456789abcdef";
    char text[2 * EVP_MAX_MD_SIZE];
    for (size_t i = 0; i < len; i++) {
        text[2 * i] = digits[bytes[i] >> 4];
        text[2 * i + 1] = digits[bytes[i] & 15];
    }
    lua_pushlstring(L, text, 2 * len);
    return 1;
}

/* An unguessable secret.
 * @function stoa.crypto.token
 * @return 43 characters of base64url: more than 256 random bits
 * @example local key = stoa.crypto.token() */
static int token(lua_State *L) {
    char text[TOKEN_LEN + 1];
    id_random(text, TOKEN_LEN);
    lua_pushlstring(L, text, TOKEN_LEN);
    return 1;
}

/* A digest.
 * @function stoa.crypto.sha256
 * @param text bytes
 * @return 64 hexadecimal digits
 * @example local etag = stoa.crypto.sha256(page) */
static int sha256(lua_State *L) {
    struct slice text = bind_text(L, 1);
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    vm_charge(L, text.len / STEP_BYTES + 1);
    if (!EVP_Digest(text.ptr, text.len, digest, &len, EVP_sha256(), NULL)) return luaL_error(L, "sha256 failed");
    return push_hex(L, digest, len);
}

/* A keyed digest (RFC 2104).
 * @function stoa.crypto.hmac_sha256
 * @param key bytes
 * @param text bytes
 * @return 64 hexadecimal digits
 * @example local signature = stoa.crypto.hmac_sha256(secret, request.body) */
static int hmac_sha256(lua_State *L) {
    struct slice key = bind_text(L, 1), text = bind_text(L, 2);
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    vm_charge(L, text.len / STEP_BYTES + 1);
    if (!HMAC(EVP_sha256(), key.ptr, (int)key.len, (const unsigned char *)text.ptr, text.len, digest, &len))
        return luaL_error(L, "hmac failed");
    return push_hex(L, digest, len);
}

/* True if two strings are equal; compares in constant time.
 * @function stoa.crypto.equal
 * @param a a string
 * @param b a string
 * @return true or false
 * @example if not stoa.crypto.equal(given, key) then return 401 end */
static int equal(lua_State *L) {
    struct slice a = bind_text(L, 1), b = bind_text(L, 2);
    vm_charge(L, a.len / STEP_BYTES + 1);
    lua_pushboolean(L, a.len == b.len && CRYPTO_memcmp(a.ptr, b.ptr, a.len) == 0);
    return 1;
}

void bind_crypto(lua_State *L) {
    static const luaL_Reg functions[] = {
        {"token", token}, {"sha256", sha256}, {"hmac_sha256", hmac_sha256}, {"equal", equal}, {NULL, NULL}};
    bind_library(L, "crypto", functions);
}
