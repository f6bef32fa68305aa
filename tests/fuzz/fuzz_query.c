/* SPDX-License-Identifier: Apache-2.0 */
/* For any query, scripts get valid JSON. */
#include <stdlib.h>

#include "wire/json.h"
#include "wire/url_query.h"

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t len);

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t len) {
    struct slice input = {(const char *)bytes, len};
    struct buffer json = {0}, value = {0};
    url_query_write_json(input, &json);
    if (!json_valid(buffer_slice(&json)) || json_type_of(buffer_slice(&json)) != JSON_OBJECT) abort();
    if (url_query_find(input, "sid", &value) && value.len > len) abort();
    buffer_done(&json);
    buffer_done(&value);
    return 0;
}
