/* SPDX-License-Identifier: Apache-2.0 */
/* MessagePack as notepack.io writes it. The bytes were made by notepack.io 2.3.0 and 3.0.1. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "wire/json.h"
#include "wire/msgpack.h"

static void reads(struct slice bytes, const char *expected) {
    struct buffer json = {0};
    struct msgpack_binaries binaries;
    assert_true(msgpack_read(bytes, &json, &binaries));
    assert_int_equal(binaries.len, 0);
    assert_true(json_valid(buffer_slice(&json)));
    buffer_append_char(&json, 0);
    assert_string_equal(json.ptr, expected);
    buffer_done(&json);
}

static void writes(const char *json, struct slice expected) {
    struct buffer out = {0};
    msgpack_write(&out, slice_of(json), NULL, 0);
    assert_int_equal(out.len, expected.len);
    assert_memory_equal(out.ptr, expected.ptr, expected.len);
    buffer_done(&out);
}

static void refuses(struct slice bytes) {
    struct buffer json = {0};
    struct msgpack_binaries binaries;
    buffer_append_str(&json, "before");
    assert_false(msgpack_read(bytes, &json, &binaries));
    assert_true(slice_is(buffer_slice(&json), "before"));
    buffer_done(&json);
}

#define BYTES(literal) ((struct slice){literal, sizeof(literal) - 1})

static void numbers_take_their_shortest_form_both_ways(void **state) {
    static const struct {
        const char *json;
        struct slice bytes;
    } rows[] = {
        {"0", {"\x00", 1}},
        {"127", {"\x7f", 1}},
        {"128", {"\xcc\x80", 2}},
        {"255", {"\xcc\xff", 2}},
        {"256", {"\xcd\x01\x00", 3}},
        {"65536", {"\xce\x00\x01\x00\x00", 5}},
        {"4294967296", {"\xcf\x00\x00\x00\x01\x00\x00\x00\x00", 9}},
        {"-1", {"\xff", 1}},
        {"-32", {"\xe0", 1}},
        {"-33", {"\xd0\xdf", 2}},
        {"-128", {"\xd0\x80", 2}},
        {"-129", {"\xd1\xff\x7f", 3}},
        {"-32769", {"\xd2\xff\xff\x7f\xff", 5}},
        {"-2147483649", {"\xd3\xff\xff\xff\xff\x7f\xff\xff\xff", 9}},
        {"1.5", {"\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00", 9}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        reads(rows[i].bytes, rows[i].json);
        writes(rows[i].json, rows[i].bytes);
    }
    writes("1e2", BYTES("\x64"));
    reads(BYTES("\xca\x3f\x80\x00\x00"), "1");
    reads(BYTES("\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00"), "null");
    reads(BYTES("\xcf\xff\xff\xff\xff\xff\xff\xff\xff"), "1.8446744073709552e+19");
}

static void a_broadcast_of_the_classic_adapter_is_read_and_written(void **state) {
    /* ["emitter", {type: 2, data: ["hi", true, null], nsp: "/"}, {rooms: ["r"], except: [], flags: {}}] */
    static const char bytes[] =
        "\x93\xa7"
        "emitter\x83\xa4type\x02\xa4"
        "data\x93\xa2hi\xc3\xc0\xa3nsp\xa1/"
        "\x83\xa5rooms\x91\xa1r\xa6"
        "except\x90\xa5"
        "flags\x80";
    static const char json[] =
        "[\"emitter\",{\"type\":2,\"data\":[\"hi\",true,null],\"nsp\":\"/"
        "\"},{\"rooms\":[\"r\"],\"except\":[],\"flags\":{}}]";
    reads(BYTES(bytes), json);
    writes(json, BYTES(bytes));
}

static void undefined_and_both_forms_of_a_time_are_read(void **state) {
    reads(BYTES("\x81\xa5"
                "flags\xd4\x00\x00"),
          "{\"flags\":null}");
    reads(BYTES("\xd7\x00\x00\x00\x01\x8c\xc2\x51\xf4\x00"), "\"2024-01-01T00:00:00.000Z\"");
    reads(BYTES("\xd6\xff\x65\x92\x00\x80"), "\"2024-01-01T00:00:00.000Z\"");
    reads(BYTES("\xd7\xff\x1d\xcd\x65\x00\x65\x92\x00\x80"), "\"2024-01-01T00:00:00.125Z\"");
    reads(BYTES("\xc7\x0c\xff\x00\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff"), "\"1969-12-31T23:59:59.000Z\"");
}

static void binaries_become_placeholders_and_come_back(void **state) {
    struct buffer json = {0}, out = {0};
    struct msgpack_binaries binaries;
    /* ["file", Buffer 01 02, ArrayBuffer 03] */
    struct slice bytes = BYTES(
        "\x93\xa4"
        "file\xc4\x02\x01\x02\xc7\x01\x00\x03");
    assert_true(msgpack_read(bytes, &json, &binaries));
    assert_true(slice_is(buffer_slice(&json),
                         "[\"file\",{\"_placeholder\":true,\"num\":0},{\"_placeholder\":true,\"num\":1}]"));
    assert_int_equal(binaries.len, 2);
    assert_true(slice_equal(binaries.items[0], BYTES("\x01\x02")));
    assert_true(slice_equal(binaries.items[1], BYTES("\x03")));
    msgpack_write(&out, buffer_slice(&json), binaries.items, binaries.len);
    assert_true(slice_equal(buffer_slice(&out), BYTES("\x93\xa4"
                                                      "file\xc4\x02\x01\x02\xc4\x01\x03")));
    buffer_done(&json);
    buffer_done(&out);
}

static void a_placeholder_counts_only_with_its_attachment(void **state) {
    writes("{\"_placeholder\":true,\"num\":0}", BYTES("\x82\xac_placeholder\xc3\xa3num\x00"));
    reads(BYTES("\x82\xac_placeholder\xc3\xa3num\x00"), "{\"_placeholder\":true,\"num\":0}");
    refuses(BYTES(
        "\x92\xc4\x01\x01\x82\xac_placeholder\xc3\xa3num\x00")); /* beside a binary nobody could tell them apart */
}

static void broken_bytes_are_refused(void **state) {
    struct buffer deep = {0};
    refuses(SLICE_NONE);
    refuses(BYTES("\xc1"));                     /* never used */
    refuses(BYTES("\x01\x02"));                 /* something after the value */
    refuses(BYTES("\xa3hi"));                   /* cut */
    refuses(BYTES("\xdd\xff\xff\xff\xff"));     /* more items than bytes */
    refuses(BYTES("\xdf\xff\xff\xff\xff"));     /* more members than bytes */
    refuses(BYTES("\xc6\xff\xff\xff\xff\x00")); /* a binary longer than all */
    refuses(BYTES("\xa2\xc0\xaf"));             /* not UTF-8 */
    refuses(BYTES("\x81\x01\x02"));             /* a key that is a number */
    refuses(BYTES("\xd4\x05\x00"));             /* an undefined extension */
    refuses(BYTES("\xd5\xff\x00\x00"));         /* a time stamp of two bytes */
    for (int i = 0; i <= MSGPACK_DEPTH_MAX; i++) buffer_append_char(&deep, (char)0x91);
    buffer_append_char(&deep, 0);
    refuses(buffer_slice(&deep));
    buffer_clear(&deep);
    buffer_append_char(&deep, (char)(0x90 + MSGPACK_ATTACHMENTS_MAX + 1));
    for (int i = 0; i <= MSGPACK_ATTACHMENTS_MAX; i++) buffer_append(&deep, "\xc4\x01x", 3);
    refuses(buffer_slice(&deep));
    buffer_done(&deep);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_take_their_shortest_form_both_ways),
        cmocka_unit_test(a_broadcast_of_the_classic_adapter_is_read_and_written),
        cmocka_unit_test(undefined_and_both_forms_of_a_time_are_read),
        cmocka_unit_test(binaries_become_placeholders_and_come_back),
        cmocka_unit_test(a_placeholder_counts_only_with_its_attachment),
        cmocka_unit_test(broken_bytes_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
