/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a token, or as a JWK set. */
#include <stdint.h>
#include <stdlib.h>

#include "wire/json.h"
#include "wire/jwt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    struct slice input = {(const char *)data, len};
    struct jwt_verifier *verifier = jwt_verifier_new();
    struct buffer claims = {0};
    if (!jwt_add_secret(verifier, SLICE_NONE, SLICE("0123456789abcdef0123456789abcdef"), NULL)) abort();
    jwt_expect(verifier, SLICE("us"), SLICE("chat"), 30);
    enum jwt_status status = jwt_verify(verifier, input, 1000000, &claims);
    if (status == JWT_OK && json_type_of(buffer_slice(&claims)) != JSON_OBJECT) abort();
    for (int algorithm = JWT_RS256; algorithm <= JWT_EDDSA; algorithm++) {
        bool added = jwt_add_jwks(verifier, (enum jwt_algorithm)algorithm, input, NULL);
        (void)added;
    }
    buffer_done(&claims);
    jwt_verifier_free(&verifier);
    return 0;
}
