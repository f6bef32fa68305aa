/* SPDX-License-Identifier: Apache-2.0 */
/* An address has one form, and networks are those whose first bits are the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/address.h"
#include "wire/forwarded.h"
#include "wire/http_head.h"

static struct address address_at(const char *text) {
    struct address address;
    if (!address_parse(slice_of(text), &address)) fail_msg("%s", text);
    return address;
}

static void an_address_has_one_form_however_it_is_written(void **state) {
    static const char *const rows[][2] = {
        {"192.0.2.7", "192.0.2.7"},       {"::ffff:192.0.2.7", "192.0.2.7"},      {"::FFFF:c000:207", "192.0.2.7"},
        {"2001:DB8::0:7", "2001:db8::7"}, {"0:0:0:0:0:ffff:7f00:1", "127.0.0.1"}, {"unix", "unix"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct address address = address_at(rows[i][0]);
        char text[ADDRESS_TEXT_MAX];
        address_write(&address, text);
        assert_string_equal(text, rows[i][1]);
    }
    static const char *const wrong[] = {"",    "192.0.2", "192.0.2.07x", "1.2.3.4.5",
                                        "::g", "[::1]",   "localhost",   "1.2.3.4 "};
    struct address address;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        if (address_parse(slice_of(wrong[i]), &address)) fail_msg("\"%s\" is taken", wrong[i]);
}

static void loopback_is_loopback_in_any_form(void **state) {
    static const char *const rows[] = {"127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"};
    static const char *const others[] = {"128.0.0.1", "::2", "::", "unix", "2001:db8::1"};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct address address = address_at(rows[i]);
        assert_true(address_is_loopback(&address));
    }
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        struct address address = address_at(others[i]);
        assert_false(address_is_loopback(&address));
    }
}

static void a_network_has_those_of_its_prefix(void **state) {
    static const struct {
        const char *network, *address;
        bool has;
    } rows[] = {
        {"10.0.0.0/8", "10.255.0.1", true},
        {"10.0.0.0/8", "::ffff:10.1.2.3", true},
        {"10.0.0.0/8", "11.0.0.1", false},
        {"192.0.2.128/25", "192.0.2.127", false},
        {"192.0.2.128/25", "192.0.2.255", true},
        {"::ffff:10.0.0.0/104", "10.9.9.9", true},
        {"192.0.2.7", "192.0.2.7", true},
        {"192.0.2.7", "192.0.2.8", false},
        {"0.0.0.0/0", "203.0.113.1", true},
        {"0.0.0.0/0", "2001:db8::1", false},
        {"2001:db8::/33", "2001:db8:7fff::1", true},
        {"2001:db8::/33", "2001:db8:8000::1", false},
        {"unix", "unix", true},
        {"0.0.0.0/0", "unix", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct network network;
        struct address address = address_at(rows[i].address);
        assert_true(network_parse(slice_of(rows[i].network), &network));
        if (network_has(&network, &address) != rows[i].has) fail_msg("%s, %s", rows[i].network, rows[i].address);
    }
    static const char *const wrong[] = {"10.0.0.1/8",     "10.0.0.0/33", "10.0.0.0/",        "10.0.0.0/-1",
                                        "2001:db8::/129", "proxy",       "::ffff:0.0.0.0/80"};
    struct network network;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        if (network_parse(slice_of(wrong[i]), &network)) fail_msg("%s is taken", wrong[i]);
}

/* Whom the fields name, when 10.0.0.0/8 and ::1 are trusted and the peer is `peer`; NULL: they are refused. */
static void names(const char *peer, const char *fields, const char *expected) {
    static const char *const trusted[] = {"10.0.0.0/8", "::1"};
    struct networks networks;
    struct address address = address_at(peer);
    struct http_head head = {.fields = slice_of(fields)};
    char text[ADDRESS_TEXT_MAX];
    assert_null(networks_parse(trusted, 2, &networks));
    bool named = forwarded_client(&head, &networks, &address);
    networks_done(&networks);
    address_write(&address, text);
    if (named != (expected != NULL)) fail_msg("%s", fields);
    if (expected) assert_string_equal(text, expected);
}

static void the_rightmost_address_that_is_no_trusted_proxy_is_the_client(void **state) {
    names("10.0.0.1", "", "10.0.0.1");
    names("10.0.0.1", "x-forwarded-for: 192.0.2.7\r\n", "192.0.2.7");
    names("10.0.0.1", "X-Forwarded-For: 198.51.100.1, 192.0.2.7\r\n", "192.0.2.7");
    names("10.0.0.1", "x-forwarded-for: 198.51.100.1, 192.0.2.7 , 10.0.0.2\r\n", "192.0.2.7");
    names("10.0.0.1", "x-forwarded-for: 192.0.2.7\r\nhost: a\r\nx-forwarded-for: 10.0.0.2,::1\r\n", "192.0.2.7");
    names("10.0.0.1", "x-forwarded-for: 10.0.0.3, 10.0.0.2\r\n", "10.0.0.3");
    names("::1", "x-forwarded-for: ::ffff:192.0.2.66\r\n", "192.0.2.66");
    names("::1", "x-forwarded-for: 192.0.2.7:4711\r\n", "192.0.2.7");
    names("::1", "x-forwarded-for: [2001:db8::7]:4711, ,\r\n", "2001:db8::7");
    names("::1", "x-forwarded-for: nobody, 2001:db8::7\r\n", "2001:db8::7");
}

static void whom_an_untrusted_peer_names_does_not_count(void **state) {
    names("192.0.2.1", "x-forwarded-for: 127.0.0.1\r\n", "192.0.2.1");
    names("192.0.2.1", "x-forwarded-for: nobody\r\n", "192.0.2.1");
}

static void a_trusted_proxy_that_names_no_address_is_refused(void **state) {
    names("10.0.0.1", "x-forwarded-for: unknown\r\n", NULL);
    names("10.0.0.1", "x-forwarded-for: 192.0.2.7, [::1\r\n", NULL);
    names("10.0.0.1", "x-forwarded-for: <script>, 10.0.0.2\r\n", NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_has_one_form_however_it_is_written),
        cmocka_unit_test(loopback_is_loopback_in_any_form),
        cmocka_unit_test(a_network_has_those_of_its_prefix),
        cmocka_unit_test(the_rightmost_address_that_is_no_trusted_proxy_is_the_client),
        cmocka_unit_test(whom_an_untrusted_peer_names_does_not_count),
        cmocka_unit_test(a_trusted_proxy_that_names_no_address_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
