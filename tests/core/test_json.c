/* SPDX-License-Identifier: Apache-2.0 */
/* JSON follows RFC 8259 within limits; every function reads it the same way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>

#include "wire/json.h"

static struct buffer scratch;

static int tear_down(void **state) {
    buffer_done(&scratch);
    return 0;
}

static void assert_text(struct buffer *got, const char *expected) {
    if (!slice_is(buffer_slice(got), expected)) fail_msg("%.*s", (int)got->len, got->ptr);
    buffer_clear(got);
}

static void what_is_json_is_valid(void **state) {
    static const struct slice rows[] = {
        SLICE("null"),
        SLICE(" true "),
        SLICE("[]"),
        SLICE("{}"),
        SLICE("\"\""),
        SLICE("-0"),
        SLICE("0.5e-3"),
        SLICE("1E+400"),
        SLICE("[1,\"2\",{\"3\":[true,false]}]"),
        SLICE("\t[ 1 ,\r\n2 ]"),
        SLICE("\"\\u0000\\ud83d\\ude00\\/\\n\""),
        SLICE("\"\xF0\x9F\x98\x80\xC3\xA9\""),
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (!json_valid(rows[i])) fail_msg("%.*s", SLICE_ARG(rows[i]));
    }
}

static void what_is_not_json_is_refused(void **state) {
    static const struct slice rows[] = {
        SLICE(""),
        SLICE(" "),
        SLICE("nul"),
        SLICE("True"),
        SLICE("[1,]"),
        SLICE("[,1]"),
        SLICE("[1 2]"),
        SLICE("{\"a\"}"),
        SLICE("{\"a\":1,}"),
        SLICE("{a:1}"),
        SLICE("{1:1}"),
        SLICE("[1]]"),
        SLICE("[1] x"),
        SLICE("[1"),
        SLICE("{\"a\":"),
        SLICE("01"),
        SLICE("+1"),
        SLICE(".5"),
        SLICE("1."),
        SLICE("1e"),
        SLICE("--1"),
        SLICE("0x1"),
        SLICE("NaN"),
        SLICE("Infinity"),
        SLICE("'a'"),
        SLICE("\"a"),
        SLICE("\"\\"),
        SLICE("\"\\x\""),
        SLICE("\"\\u12\""),
        SLICE("\"\\u12g4\""),
        SLICE("\"a\nb\""),
        SLICE("\"a\0b\""),
        SLICE("\"\\ud800\\u004\""),
        SLICE("\"\x80\""),
        SLICE("\"\xC0\xAF\""),
        SLICE("\"\xED\xA0\x80\""),
        SLICE("\"\xF4\x90\x80\x80\""),
        SLICE("\"\xC3"),
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (json_valid(rows[i])) fail_msg("row %zu: %.*s", i, SLICE_ARG(rows[i]));
    }
}

static bool nested_is_valid(unsigned depth, char open, const char *inner, char close) {
    buffer_clear(&scratch);
    for (unsigned i = 0; i < depth; i++) {
        buffer_append_char(&scratch, open);
        if (open == '{') buffer_append_str(&scratch, "\"k\":");
    }
    buffer_append_str(&scratch, inner);
    for (unsigned i = 0; i < depth; i++) buffer_append_char(&scratch, close);
    return json_valid(buffer_slice(&scratch));
}

static void depth_is_limited(void **state) {
    assert_true(nested_is_valid(JSON_DEPTH_MAX, '[', "1", ']'));
    assert_true(nested_is_valid(JSON_DEPTH_MAX, '{', "1", '}'));
    assert_false(nested_is_valid(JSON_DEPTH_MAX + 1, '[', "1", ']'));
    assert_false(nested_is_valid(JSON_DEPTH_MAX + 1, '{', "1", '}'));
    assert_false(nested_is_valid(1000000, '[', "", ']'));
    assert_false(nested_is_valid(0, '[', "", ']'));
}

static bool with_keys_is_valid(unsigned keys) {
    buffer_clear(&scratch);
    for (unsigned i = 0; i < keys; i++) buffer_printf(&scratch, "%c\"k%u\":{}", i ? ',' : '{', i);
    buffer_append_char(&scratch, '}');
    return json_valid(buffer_slice(&scratch));
}

static void keys_of_an_object_are_limited(void **state) {
    assert_true(with_keys_is_valid(JSON_KEYS_MAX));
    assert_false(with_keys_is_valid(JSON_KEYS_MAX + 1));
}

static void values_are_walked_in_place(void **state) {
    struct slice json = SLICE(" { \"a\" : [ 1 , \"x,]\" ] , \"b\\u0063\" : { } , \"a\" : null } "), key, value;
    assert_true(json_valid(json));
    struct json_walk walk;
    json_walk_init(&walk, json);
    assert_true(json_walk_member(&walk, &key, &value));
    assert_true(slice_is(key, "\"a\"") && slice_is(value, "[ 1 , \"x,]\" ]"));
    assert_int_equal(json_count(value), 2);
    struct json_walk items;
    struct slice item;
    json_walk_init(&items, value);
    assert_true(json_walk_item(&items, &item) && slice_is(item, "1"));
    assert_true(json_walk_item(&items, &item) && slice_is(item, "\"x,]\""));
    assert_false(json_walk_item(&items, &item));
    assert_true(json_walk_member(&walk, &key, &value));
    assert_true(json_string_is(key, SLICE("bc")) && json_type_of(value) == JSON_OBJECT);
    assert_true(json_walk_member(&walk, &key, &value));
    assert_false(json_walk_member(&walk, &key, &value));
}

static void of_duplicate_keys_the_last_wins(void **state) {
    struct slice json = SLICE("{\"a\":1,\"\\u0061\":2}");
    assert_true(json_valid(json));
    assert_true(slice_is(json_member(json, "a"), "2"));
    assert_int_equal(json_member(json, "b").len, 0);
    assert_int_equal(json_member(SLICE("[1]"), "a").len, 0);
}

static void strings_are_unescaped_and_escaped(void **state) {
    struct slice json = SLICE("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\u20ac\\ud83d\\ude00\\u0000.\"");
    assert_true(json_valid(json));
    json_string(json, &scratch);
    struct slice text = SLICE("\"\\/\b\f\n\r\t\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\0.");
    assert_true(slice_equal(buffer_slice(&scratch), text));
    assert_true(json_string_is(json, text));
    assert_false(json_string_is(json, slice_from(text, 1)));
    assert_false(json_string_is(json, (struct slice){text.ptr, text.len - 1}));
    buffer_clear(&scratch);
    json_write_string(&scratch, SLICE("\"\\/\b\f\n\r\t\xC3\xA9\x01\x7F\0\xE2\x80\xA8\xE2\x80\xA9\xE2\x80\xAA"));
    assert_text(&scratch, "\"\\\"\\\\/\\b\\f\\n\\r\\t\xC3\xA9\\u0001\x7F\\u0000\\u2028\\u2029\xE2\x80\xAA\"");
}

/* JavaScript writes them for a text that was cut within an emoji. */
static void halves_of_surrogate_pairs_are_replacement_characters(void **state) {
    static const struct {
        struct slice json, text;
    } rows[] = {
        {SLICE("\"\\ud83d\""), SLICE("\xEF\xBF\xBD")},
        {SLICE("\"\\ude00.\""), SLICE("\xEF\xBF\xBD.")},
        {SLICE("\"\\ud83dx\\u0041\""), SLICE("\xEF\xBF\xBDxA")},
        {SLICE("\"\\ud83d\\u0041\""), SLICE("\xEF\xBF\xBD\x41")},
        {SLICE("\"\\ud83d\\n\""), SLICE("\xEF\xBF\xBD\n")},
        {SLICE("\"\\ud83d\\ud83d\\ude00\""), SLICE("\xEF\xBF\xBD\xF0\x9F\x98\x80")},
        {SLICE("\"\\ude00\\ud83d\""), SLICE("\xEF\xBF\xBD\xEF\xBF\xBD")},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_true(json_valid(rows[i].json));
        buffer_clear(&scratch);
        json_string(rows[i].json, &scratch);
        if (!slice_equal(buffer_slice(&scratch), rows[i].text)) fail_msg("row %zu", i);
        assert_true(json_string_is(rows[i].json, rows[i].text));
    }
}

/* An integer on the wire stays the same integer, to the last digit. */
static void integers_are_exact_or_none(void **state) {
    int64_t number;
    static const struct slice none[] = {SLICE("1.0"), SLICE("1e3"), SLICE("9223372036854775808"),
                                        SLICE("-9223372036854775809"), SLICE("0.5")};
    assert_true(json_integer(SLICE(" 9007199254740993 "), &number) && number == 9007199254740993);
    assert_true(json_integer(SLICE("9223372036854775807"), &number) && number == INT64_MAX);
    assert_true(json_integer(SLICE("-9223372036854775808"), &number) && number == INT64_MIN);
    assert_true(json_integer(SLICE("-0"), &number) && number == 0);
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) assert_false(json_integer(none[i], &number));
}

static void numbers_are_read_and_written_as_the_same_double(void **state) {
    static const struct {
        double number;
        const char *text;
    } rows[] = {{0, "0"},
                {-0.0, "-0"},
                {1, "1"},
                {-15, "-15"},
                {0.1, "0.1"},
                {1e21, "1e+21"},
                {1.0 / 3, "0.333333333333333"},
                {9007199254740991, "9007199254740991"},
                {1e-7, "1e-07"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        json_write_number(&scratch, rows[i].number);
        assert_true(json_valid(buffer_slice(&scratch)));
        assert_true(json_number(buffer_slice(&scratch)) == rows[i].number);
        if (rows[i].number != 1.0 / 3) assert_text(&scratch, rows[i].text);
        buffer_clear(&scratch);
    }
    json_write_number(&scratch, NAN);
    json_write_number(&scratch, -INFINITY);
    assert_text(&scratch, "nullnull");
    assert_true(isinf(json_number(SLICE("1e999"))));
    for (int i = 0; i < 400; i++) buffer_append_char(&scratch, '9');
    assert_true(json_valid(buffer_slice(&scratch)) && isinf(json_number(buffer_slice(&scratch))));
}

static void a_nul_is_found_however_it_hides(void **state) {
    static const char *const with[] = {"\"\\u0000\"", "[1,{\"a\\u0000\":2}]", "\"\\\\\\u0000\""};
    static const char *const without[] = {"0", "\"\"", "\"\\\\u0000\"", "\"\\u0001u0000\"", "\"\\\\\""};
    for (size_t i = 0; i < sizeof with / sizeof *with; i++) {
        assert_true(json_valid(slice_of(with[i])));
        assert_true(json_holds_nul(slice_of(with[i])));
    }
    for (size_t i = 0; i < sizeof without / sizeof *without; i++) {
        assert_true(json_valid(slice_of(without[i])));
        assert_false(json_holds_nul(slice_of(without[i])));
    }
    assert_false(json_holds_nul(SLICE_NONE));
}

#define TEST(name) cmocka_unit_test_teardown(name, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(what_is_json_is_valid),
        TEST(what_is_not_json_is_refused),
        TEST(depth_is_limited),
        TEST(keys_of_an_object_are_limited),
        TEST(values_are_walked_in_place),
        TEST(of_duplicate_keys_the_last_wins),
        TEST(strings_are_unescaped_and_escaped),
        TEST(halves_of_surrogate_pairs_are_replacement_characters),
        TEST(a_nul_is_found_however_it_hides),
        TEST(integers_are_exact_or_none),
        TEST(numbers_are_read_and_written_as_the_same_double),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
