/* SPDX-License-Identifier: Apache-2.0 */
/* A chunked body has one reading, however its bytes are cut (RFC 9112, section 7.1). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "wire/chunked.h"

/* Reads so many bytes at a time; used_r: up to where. */
static enum chunked_event read_all(struct slice bytes, size_t step, struct buffer *body, size_t *used_r) {
    struct chunked_reader reader = {0};
    const char *at = bytes.ptr;
    enum chunked_event event = CHUNKED_MORE;
    struct slice piece;
    buffer_clear(body);
    for (size_t shown = 0; event == CHUNKED_MORE && shown < bytes.len;) {
        shown = shown + step < bytes.len ? shown + step : bytes.len;
        while ((event = chunked_read(&reader, &at, bytes.ptr + shown, &piece)) == CHUNKED_PIECE)
            buffer_append_slice(body, piece);
        if (event == CHUNKED_MORE) assert_ptr_equal(at, bytes.ptr + shown);
    }
    *used_r = (size_t)(at - bytes.ptr);
    return event;
}

static void expect(struct slice bytes, enum chunked_event wanted, const char *body, size_t behind) {
    struct buffer got = {0};
    size_t used;
    for (size_t step = 1; step <= bytes.len + 1; step++) {
        enum chunked_event event = read_all(bytes, step, &got, &used);
        if (event != wanted) fail_msg("%.*s by %zu: event %d", SLICE_ARG(bytes), step, event);
        if (wanted == CHUNKED_BAD) continue;
        if (!slice_is(buffer_slice(&got), body) || used != bytes.len - behind)
            fail_msg("%.*s by %zu: %.*s, %zu used", SLICE_ARG(bytes), step, SLICE_ARG(buffer_slice(&got)), used);
    }
    buffer_done(&got);
}

static void chunks_are_put_together_however_they_are_cut(void **state) {
    expect(SLICE("0\r\n\r\n"), CHUNKED_END, "", 0);
    expect(SLICE("5\r\nhello\r\n0\r\n\r\nGET /"), CHUNKED_END, "hello", 5);
    expect(SLICE("3\r\nhel\r\n2\r\nlo\r\n000\r\n\r\n"), CHUNKED_END, "hello", 0);
    expect(SLICE("0000000000000005\r\nhello\r\n0000000000000000\r\n\r\n"), CHUNKED_END, "hello", 0);
    expect(SLICE("a\r\n0123456789\r\nB\r\n0123456789a\r\n0\r\n\r\n"), CHUNKED_END, "01234567890123456789a", 0);
    expect(SLICE("2\r\n\r\n\r\n0\r\n\r\n"), CHUNKED_END, "\r\n", 0);
}

static void extensions_and_trailers_are_dropped(void **state) {
    expect(SLICE("5;a=b; c=\"d e\"\r\nhello\r\n0;last\r\nDigest: x\r\nA:\r\n\r\n!"), CHUNKED_END, "hello", 1);
}

static void a_body_that_is_not_over_waits_for_more(void **state) {
    static const struct slice whole = SLICE("5;x\r\nhello\r\n0\r\nA: b\r\n\r\n");
    struct buffer got = {0};
    size_t used;
    for (size_t len = 1; len < whole.len; len++)
        assert_int_equal(read_all((struct slice){whole.ptr, len}, 3, &got, &used), CHUNKED_MORE);
    buffer_done(&got);
}

static void what_has_two_readings_is_refused(void **state) {
    static const struct slice rows[] = {
        SLICE("\r\n"),
        SLICE("\n0\r\n\r\n"),
        SLICE(";a\r\n"),
        SLICE("5\nhello\r\n0\r\n\r\n"),
        SLICE("5\rhello\r\n0\r\n\r\n"),
        SLICE("5\r\rhello"),
        SLICE(" 5\r\nhello"),
        SLICE("5 \r\nhello"),
        SLICE("5\t\r\nhello"),
        SLICE("5 ;a\r\nhello"),
        SLICE("+5\r\nhello"),
        SLICE("-5\r\nhello"),
        SLICE("0x5\r\nhello"),
        SLICE("5g\r\nhello"),
        SLICE("5_0\r\n"),
        SLICE("5,5\r\n"),
        SLICE("00000000000000005\r\nhello\r\n0\r\n\r\n"),
        SLICE("11111111111111111\r\n"),
        SLICE("5\r\nhello0\r\n\r\n"),
        SLICE("5\r\nhelloo\r\n0\r\n\r\n"),
        SLICE("5\r\nhello\n0\r\n\r\n"),
        SLICE("5\r\nhello\r0\r\n\r\n"),
        SLICE("5\r\nhello\r\n\r\n0\r\n\r\n"),
        SLICE("5;a\nhello\r\n0\r\n\r\n"),
        SLICE("5;a\rb\r\nhello"),
        SLICE("5;a\0\r\nhello"),
        SLICE("5;\x7f\r\nhello"),
        SLICE("0\n\n"),
        SLICE("0\r\n\n"),
        SLICE("0\r\n\r0"),
        SLICE("0\r\nGET / HTTP/1.1\r\n\r\n"),
        SLICE("0\r\n: a\r\n\r\n"),
        SLICE("0\r\nA : b\r\n\r\n"),
        SLICE("0\r\nA: b\r\n c\r\n\r\n"),
        SLICE("0\r\nA: b\n\r\n"),
        SLICE("0\r\nA: b\rC: d\r\n\r\n"),
        SLICE("0\r\nA: \x01\r\n\r\n"),
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) expect(rows[i], CHUNKED_BAD, NULL, 0);
}

static void extensions_and_trailers_are_bounded_together(void **state) {
    for (unsigned over = 0; over < 2; over++) {
        struct buffer bytes = {0}, got = {0};
        size_t used;
        buffer_append_str(&bytes, "1;");
        for (int i = 0; i < CHUNKED_EXTRA_MAX / 2; i++) buffer_append_char(&bytes, 'x');
        buffer_append_str(&bytes, "\r\na\r\n0\r\nA:");
        for (unsigned i = 1; i < CHUNKED_EXTRA_MAX / 2 + over; i++) buffer_append_char(&bytes, 'x');
        buffer_append_str(&bytes, "\r\n\r\n");
        assert_int_equal(read_all(buffer_slice(&bytes), 1000, &got, &used), over ? CHUNKED_BAD : CHUNKED_END);
        buffer_done(&bytes);
        buffer_done(&got);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chunks_are_put_together_however_they_are_cut),
        cmocka_unit_test(extensions_and_trailers_are_dropped),
        cmocka_unit_test(a_body_that_is_not_over_waits_for_more),
        cmocka_unit_test(what_has_two_readings_is_refused),
        cmocka_unit_test(extensions_and_trailers_are_bounded_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
