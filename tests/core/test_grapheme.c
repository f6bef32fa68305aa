/* SPDX-License-Identifier: Apache-2.0 */
/* One character as people see it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "wire/grapheme.h"

static void one_is_one_however_many_code_points_it_has(void **state) {
    static const char *const ones[] = {"a",
                                       "\xc3\xa9",
                                       "e\xcc\x81",
                                       "\xe0\xa4\xa8\xe0\xa4\xbf",
                                       "\xea\xb0\x81",
                                       "👍",
                                       "👍🏽",
                                       "❤️",
                                       "1️⃣",
                                       "🇩🇪",
                                       "👨‍👩‍👧‍👦",
                                       "👩🏻‍❤️‍💋‍👨🏼",
                                       "🏳️‍🌈",
                                       "🏴󠁧󠁢󠁥󠁮󠁧󠁿",
                                       "\xf0\x9f\xab\xbf" /* not assigned yet */};
    for (size_t i = 0; i < sizeof ones / sizeof *ones; i++)
        if (!grapheme_is_one(slice_of(ones[i]))) fail_msg("%s is one", ones[i]);
}

static void two_are_not_one_nor_is_what_does_not_show(void **state) {
    static const char *const others[] = {"",     "ab", "+1",       "👍👍",           "🇩🇪🇫🇷",         "👍a",          "a\n",
                                         "\r\n", " ",  "\xc2\xa0", "\xe2\x80\x8d", "\xe2\x80\x8b", "\xe2\x80\xaf"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (grapheme_is_one(slice_of(others[i]))) fail_msg("row %zu: %s is not one", i, others[i]);
    assert_false(grapheme_is_one(SLICE("\0")));
}

static void what_is_no_utf8_is_none(void **state) {
    static const char *const broken[] = {"\xff",      "\xf0\x9f\x91", "\x8d", "\xed\xa0\xbd\xed\xb1\x8d",
                                         "👍\xf0\x9f", "\xc0\xaf"};
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) assert_false(grapheme_is_one(slice_of(broken[i])));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(one_is_one_however_many_code_points_it_has),
                                       cmocka_unit_test(two_are_not_one_nor_is_what_does_not_show),
                                       cmocka_unit_test(what_is_no_utf8_is_none)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
