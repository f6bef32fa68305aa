/* SPDX-License-Identifier: Apache-2.0 */
/* Only an unambiguous head is accepted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "wire/http_head.h"

enum { HEAD_MAX = 16384 };

#define REQUEST(fields) "GET /a?b=c HTTP/1.1\r\nHost: x\r\n" fields "\r\n"

static void a_head_is_split_into_its_parts(void **state) {
    struct slice bytes = SLICE("POST /a%20b?c=d?e HTTP/1.1\r\nHost: x:1\r\nCONTENT-length:  5 \r\nA:\r\n\r\nhello");
    struct http_head head;
    assert_int_equal(http_head_parse(bytes, HEAD_MAX, &head), HTTP_HEAD_COMPLETE);
    assert_true(slice_is(head.method, "POST"));
    assert_true(slice_is(head.path, "/a%20b"));
    assert_true(slice_is(head.query, "c=d?e"));
    assert_true(slice_is(http_head_field(&head, "host"), "x:1"));
    assert_non_null(http_head_field(&head, "a").ptr);
    assert_null(http_head_field(&head, "b").ptr);
    assert_int_equal(head.body_bytes, 5);
    assert_int_equal(head.bytes, bytes.len - 5);
    for (size_t len = 0; len < head.bytes; len++) {
        struct http_head part;
        assert_int_equal(http_head_parse((struct slice){bytes.ptr, len}, HEAD_MAX, &part), HTTP_HEAD_PARTIAL);
    }
}

static const struct {
    struct slice bytes;
    unsigned status;
} refused[] = {
    {SLICE(REQUEST("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n")), 400},
    {SLICE(REQUEST("Content-Length: 1\r\nContent-Length: 2\r\n")), 400},
    {SLICE(REQUEST("Content-Length: +5\r\n")), 400},
    {SLICE(REQUEST("Content-Length: 5,5\r\n")), 400},
    {SLICE(REQUEST("Content-Length: 0x5\r\n")), 400},
    {SLICE(REQUEST("Content-Length: 18446744073709551616\r\n")), 400},
    {SLICE(REQUEST("Content-Length:\r\n")), 400},
    {SLICE(REQUEST("Transfer-Encoding: chunked\r\nContent-Length: 0\r\n")), 400},
    {SLICE(REQUEST("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n")), 400},
    {SLICE(REQUEST("Transfer-Encoding: xchunked\r\n")), 400},
    {SLICE(REQUEST("Transfer-Encoding: chunked, identity\r\n")), 400},
    {SLICE(REQUEST("Transfer-Encoding: gzip, chunked\r\n")), 400},
    {SLICE(REQUEST("Transfer-Encoding: chunked;a=b\r\n")), 400},
    {SLICE(REQUEST("Transfer-Encoding: \"chunked\"\r\n")), 400},
    {SLICE(REQUEST("Transfer-Encoding:\r\n")), 400},
    {SLICE("POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"), 400},
    {SLICE(REQUEST("Transfer-Encoding : chunked\r\n")), 400},
    {SLICE(REQUEST("Transfer-Encoding\t: chunked\r\n")), 400},
    {SLICE(REQUEST(" folded\r\n")), 400},
    {SLICE(REQUEST("A: b\r\n folded\r\nContent-Length: 5\r\n")), 400},
    {SLICE(REQUEST("no colon\r\n")), 400},
    {SLICE(REQUEST(": empty\r\n")), 400},
    {SLICE(REQUEST("A: b\nB: c\r\n")), 400},
    {SLICE(REQUEST("A: b\rB: c\r\n")), 400},
    {SLICE(REQUEST("A: b\0c\r\n")), 400},
    {SLICE(REQUEST("A: \x01\r\n")), 400},
    {SLICE(REQUEST("Origin: a\r\nOrigin: b\r\n")), 400},
    {SLICE(REQUEST("Host: y\r\n")), 400},
    {SLICE("GET / HTTP/1.1\r\nA: b\r\n\r\n"), 400},
    {SLICE("GET  / HTTP/1.1\r\nHost: x\r\n\r\n"), 400},
    {SLICE("GET http://evil/ HTTP/1.1\r\nHost: x\r\n\r\n"), 400},
    {SLICE("GET /%00 HTTP/1.1\r\nHost: x\r\n\r\n"), 400},
    {SLICE("GET /%2 HTTP/1.1\r\nHost: x\r\n\r\n"), 400},
    {SLICE("GET /\x80 HTTP/1.1\r\nHost: x\r\n\r\n"), 400},
    {SLICE("GET /\r\nHost: x\r\n\r\n"), 400},
    {SLICE("\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n"), 400},
    {SLICE("GET / HTTP/2.0\r\nHost: x\r\n\r\n"), 505},
    {SLICE("CONNECT / HTTP/1.1\r\nHost: x\r\n\r\n"), 501},
    {SLICE("get / HTTP/1.1\r\nHost: x\r\n\r\n"), 501},
};

static void a_head_with_two_readings_is_refused(void **state) {
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        struct http_head head;
        if (http_head_parse(refused[i].bytes, HEAD_MAX, &head) != HTTP_HEAD_BAD || head.status != refused[i].status)
            fail_msg("row %zu: %u", i, head.status);
        assert_non_null(head.fault);
    }
}

static void a_head_is_bounded(void **state) {
    struct buffer bytes = {0};
    struct http_head head;
    buffer_append_str(&bytes, "GET /");
    while (bytes.len < 65536) buffer_append_char(&bytes, 'a');
    assert_int_equal(http_head_parse(buffer_slice(&bytes), HEAD_MAX, &head), HTTP_HEAD_BAD);
    assert_int_equal(head.status, 414);

    buffer_clear(&bytes);
    buffer_append_str(&bytes, "GET / HTTP/1.1\r\nHost: x\r\nA: ");
    while (bytes.len < HEAD_MAX) buffer_append_char(&bytes, ' ');
    buffer_append_str(&bytes, "\r\n\r\n");
    assert_int_equal(http_head_parse(buffer_slice(&bytes), HEAD_MAX, &head), HTTP_HEAD_BAD);
    assert_int_equal(head.status, 431);

    for (unsigned fields = HTTP_HEAD_FIELDS_MAX; fields <= HTTP_HEAD_FIELDS_MAX + 1; fields++) {
        buffer_clear(&bytes);
        buffer_append_str(&bytes, "GET / HTTP/1.1\r\nHost: x\r\n");
        for (unsigned i = 1; i < fields; i++) buffer_append_str(&bytes, "A: b\r\n");
        buffer_append_str(&bytes, "\r\n");
        enum http_head_result result = http_head_parse(buffer_slice(&bytes), HEAD_MAX, &head);
        assert_int_equal(result, fields > HTTP_HEAD_FIELDS_MAX ? HTTP_HEAD_BAD : HTTP_HEAD_COMPLETE);
    }
    assert_int_equal(head.status, 431);
    buffer_done(&bytes);
}

static void a_list_is_searched_by_items(void **state) {
    assert_true(http_head_list_has(SLICE("keep-alive, Upgrade"), "upgrade"));
    assert_true(http_head_list_has(SLICE("upgrade"), "upgrade"));
    assert_false(http_head_list_has(SLICE("upgrades, up"), "upgrade"));
    assert_false(http_head_list_has(SLICE_NONE, "upgrade"));
}

static void a_list_may_come_in_several_fields(void **state) {
    struct slice bytes =
        SLICE(REQUEST("Connection: keep-alive\r\nUpgrade: h2c\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n"));
    struct http_head head;
    assert_int_equal(http_head_parse(bytes, HEAD_MAX, &head), HTTP_HEAD_COMPLETE);
    assert_true(http_head_lists(&head, "connection", "upgrade"));
    assert_true(http_head_lists(&head, "connection", "keep-alive"));
    assert_true(http_head_lists(&head, "upgrade", "websocket"));
    assert_false(http_head_lists(&head, "upgrade", "h2"));
    assert_false(http_head_lists(&head, "te", "trailers"));
}

static void what_came_before_a_line_that_is_wrong_is_told(void **state) {
    struct http_head head;
    assert_int_equal(http_head_parse(SLICE(REQUEST("Origin: a\r\nB : c\r\nD: e\r\n")), HEAD_MAX, &head), HTTP_HEAD_BAD);
    assert_true(slice_is(head.path, "/a"));
    assert_true(slice_is(http_head_field(&head, "origin"), "a"));
    assert_null(http_head_field(&head, "d").ptr);
    assert_int_equal(http_head_parse(SLICE(REQUEST("Origin: a\r\nB: ccccccccccccccc\r\n")), 60, &head), HTTP_HEAD_BAD);
    assert_int_equal(head.status, 431);
    assert_true(slice_is(http_head_field(&head, "origin"), "a"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_head_is_split_into_its_parts),
        cmocka_unit_test(a_head_with_two_readings_is_refused),
        cmocka_unit_test(a_head_is_bounded),
        cmocka_unit_test(a_list_is_searched_by_items),
        cmocka_unit_test(a_list_may_come_in_several_fields),
        cmocka_unit_test(what_came_before_a_line_that_is_wrong_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
