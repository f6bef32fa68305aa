/* SPDX-License-Identifier: Apache-2.0 */
/* The host names that a server accepts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "wire/hosts.h"

static void a_name_with_a_dot_may_be_anyones(void **state) {
    static const char *const others[] = {
        "evil.example", "evil.example:3000", "EVIL.example.",      "127.0.0.1.evil.example", "localhost.evil.example",
        "1.2.3",        "127.0.0.256",       "x.localhost.evil:80"};
    static const char *const ours[] = {
        "",           "localhost", "LOCALHOST:3000", "app.localhost:3000", "127.0.0.1:3000", "10.1.2.3",
        "[::1]:3000", "[fe80::1]", "stoa",           "stoa:3000"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (!host_may_be_anyones(slice_of(others[i]))) fail_msg("%s", others[i]);
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        if (host_may_be_anyones(slice_of(ours[i]))) fail_msg("%s", ours[i]);
}

static void a_name_is_found_whatever_its_port_case_and_scheme(void **state) {
    static const char *const names[] = {"self", "https://chat.example.org:8443", "Chat.example.com",
                                        "web.example.net:80"};
    static const char *const known[] = {"chat.example.org", "CHAT.example.org:3000", "chat.example.com.",
                                        "web.example.net:443"};
    static const char *const unknown[] = {"example.org", "xchat.example.org", "chat.example.org.evil.example",
                                          "self.x"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!host_is_one_of(slice_of(known[i]), names, 4)) fail_msg("%s", known[i]);
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
        if (host_is_one_of(slice_of(unknown[i]), names, 4)) fail_msg("%s", unknown[i]);
    assert_true(host_is_one_of(SLICE("evil.example"), (const char *const[]){"*"}, 1));
    assert_false(host_is_one_of(SLICE("evil.example"), NULL, 0));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_with_a_dot_may_be_anyones),
        cmocka_unit_test(a_name_is_found_whatever_its_port_case_and_scheme),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
