/* SPDX-License-Identifier: Apache-2.0 */
/* Valid JSON is walked to its end within its bytes, and is valid again after it is written. */
#include <stdlib.h>

#include "wire/json.h"

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t len);

static void check_string(struct slice value) {
    struct buffer text = {0}, again = {0}, second = {0};
    json_string(value, &text);
    if (!json_string_is(value, buffer_slice(&text))) abort();
    json_write_string(&again, buffer_slice(&text));
    if (!json_valid(buffer_slice(&again))) abort();
    json_string(buffer_slice(&again), &second);
    if (!slice_equal(buffer_slice(&text), buffer_slice(&second))) abort();
    buffer_done(&text);
    buffer_done(&again);
    buffer_done(&second);
}

static void check_number(struct slice value) {
    struct buffer again = {0};
    int64_t integer;
    double number = json_number(value);
    json_write_number(&again, number);
    if (!json_valid(buffer_slice(&again))) abort();
    if (json_integer(value, &integer) && (double)integer != number) abort();
    buffer_done(&again);
}

static void check(struct slice value) {
    struct json_walk walk;
    struct slice key, item;
    size_t count = 0;
    switch (json_type_of(value)) {
        case JSON_STRING:
            check_string(value);
            return;
        case JSON_NUMBER:
            check_number(value);
            return;
        case JSON_ARRAY:
            json_walk_init(&walk, value);
            for (; json_walk_item(&walk, &item); count++) check(item);
            if (count != json_count(value)) abort();
            return;
        case JSON_OBJECT:
            json_walk_init(&walk, value);
            while (json_walk_member(&walk, &key, &item)) {
                check_string(key);
                check(item);
            }
            return;
        default:
            return;
    }
}

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t len) {
    struct slice input = {(const char *)bytes, len};
    if (json_valid(input)) check(input);
    return 0;
}
