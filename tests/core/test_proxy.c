/* SPDX-License-Identifier: Apache-2.0 */
/* A PROXY header names the client, or is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "wire/proxy.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define IPV4 "\x0a\0\0\x07\x7f\0\0\x01\x12\x34\0\x50"

static void the_client_is_named(void **state) {
    static const struct {
        struct slice bytes;
        const char *address;
        size_t rest;
    } rows[] = {
        {SLICE("PROXY TCP4 10.0.0.7 127.0.0.1 4660 80\r\nGET"), "10.0.0.7", 3},
        {SLICE("PROXY TCP6 2001:db8::0001 ::1 4660 80\r\n"), "2001:db8::1", 0},
        {SLICE("PROXY TCP6 ::ffff:192.0.2.66 ::1 1 2\r\n"), "192.0.2.66", 0},
        {SLICE("PROXY UNKNOWN\r\n"), "", 0},
        {SLICE("PROXY UNKNOWN ffff:f ffff:f 1 2\r\nx"), "", 1},
        {SLICE(SIGNATURE "\x21\x11\0\x0c" IPV4 "\x16\x03"), "10.0.0.7", 2},
        {SLICE(SIGNATURE "\x21\x11\0\x10" IPV4 "\x04\0\x01z"), "10.0.0.7", 0},
        {SLICE(SIGNATURE "\x21\x21\0\x24"
                         "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"
                         "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x12\x34\0\x50"),
         "2001:db8::1", 0},
        {SLICE(SIGNATURE "\x21\x21\0\x24"
                         "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\x02\x42"
                         "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x12\x34\0\x50"),
         "192.0.2.66", 0},
        {SLICE(SIGNATURE "\x20\0\0\0"), "", 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct proxy_header header;
        assert_int_equal(proxy_parse(rows[i].bytes, &header), PROXY_COMPLETE);
        char text[ADDRESS_TEXT_MAX] = "";
        if (!header.local) address_write(&header.address, text);
        assert_string_equal(text, rows[i].address);
        assert_int_equal(header.bytes, rows[i].bytes.len - rows[i].rest);
        assert_int_equal(header.local, rows[i].address[0] == '\0');
        size_t whole = header.bytes;
        for (size_t len = 0; len < whole; len++)
            assert_int_equal(proxy_parse((struct slice){rows[i].bytes.ptr, len}, &header), PROXY_PARTIAL);
    }
}

static void what_is_no_header_is_refused(void **state) {
    static const struct slice rows[] = {
        SLICE("GET / HTTP/1.1\r\n"),
        SLICE("PROXY TCP4 10.0.0.7\r\n"),
        SLICE("PROXY TCP4 10.0.0.777 127.0.0.1 1 2\r\n"),
        SLICE("PROXY TCP4 10.0.0.7 127.0.0.1 1 65536\r\n"),
        SLICE("PROXY TCP4 10.0.0.7 127.0.0.1 1 2 3\r\n"),
        SLICE("PROXY TCP4 ::1 ::1 1 2\r\n"),
        SLICE("PROXY UDP4 10.0.0.7 127.0.0.1 1 2\r\n"),
        SLICE("PROXY TCP4 10.0.0.7 127.0.0.1 1 2\n"),
        SLICE("PROXY UNKNOWN "
              "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
        SLICE(SIGNATURE "\x21\x11\xff\xff"),
        SLICE(SIGNATURE "\x21\x11\0\x0b\0\0\0\0\0\0\0\0\0\0\0"),
        SLICE(SIGNATURE "\x21\x11\0\x0f" IPV4 "\x04\0\x09"),
        SLICE(SIGNATURE "\x21\x11\0\x0d" IPV4 "\x04"),
        SLICE(SIGNATURE "\x21\x31\0\x0c" IPV4),
        SLICE(SIGNATURE "\x11\x11\0\x0c" IPV4),
        SLICE(SIGNATURE "\x22\x11\0\x0c" IPV4),
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct proxy_header header;
        if (proxy_parse(rows[i], &header) != PROXY_BAD) fail_msg("row %zu is taken", i);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_client_is_named),
        cmocka_unit_test(what_is_no_header_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
