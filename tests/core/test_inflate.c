/* SPDX-License-Identifier: Apache-2.0 */
/* Any compressed input inflates exactly within its limit, or is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <zlib.h>

#include "wire/inflate.h"

enum { PLAIN_BYTES = 70000 };

static struct buffer deflated(z_stream *zip, const char *bytes, size_t len) {
    struct buffer out = {0};
    size_t room = deflateBound(zip, len) + 16;
    zip->next_in = (Bytef *)bytes;
    zip->avail_in = (uInt)len;
    zip->next_out = (Bytef *)buffer_reserve(&out, room);
    zip->avail_out = (uInt)room;
    deflate(zip, Z_SYNC_FLUSH);
    out.len = room - zip->avail_out - 4;
    return out;
}

static struct buffer deflated_alone(const char *bytes, size_t len) {
    z_stream zip = {0};
    deflateInit2(&zip, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY);
    struct buffer out = deflated(&zip, bytes, len);
    deflateEnd(&zip);
    return out;
}

static void messages_inflate_exactly_in_whatever_pieces_they_come(void **state) {
    static char plain[PLAIN_BYTES];
    memset(plain, 'a', sizeof plain);
    for (size_t i = 0; i < sizeof plain; i += 7) plain[i] = (char)(i * i >> 3);
    z_stream zip = {0};
    deflateInit2(&zip, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY);
    struct inflater *inflater = inflater_new();
    size_t sizes[] = {0, 1, 100, 1024, 16384, 16385, PLAIN_BYTES};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct buffer message = deflated(&zip, plain, sizes[i]), out = {0};
        for (size_t at = 0, cut = 1 + i * i; at < message.len; at += cut) {
            struct slice piece = {message.ptr + at, message.len - at < cut ? message.len - at : cut};
            assert_int_equal(inflater_add(inflater, piece, &out, PLAIN_BYTES), INFLATE_OK);
        }
        assert_int_equal(inflater_finish(inflater, &out, PLAIN_BYTES), INFLATE_OK);
        assert_int_equal(out.len, sizes[i]);
        if (out.len) assert_memory_equal(out.ptr, plain, out.len);
        buffer_done(&out);
        buffer_done(&message);
    }
    deflateEnd(&zip);
    inflater_free(&inflater);
}

static void a_bomb_stops_at_the_bound(void **state) {
    static char zeros[8 << 20];
    struct buffer message = deflated_alone(zeros, sizeof zeros), out = {0};
    struct inflater *inflater = inflater_new();
    assert_int_equal(inflater_add(inflater, buffer_slice(&message), &out, 100000), INFLATE_TOO_LARGE);
    assert_true(out.cap < 400000);
    buffer_done(&out);
    buffer_done(&message);
    inflater_free(&inflater);
}

/* A cut that leaves output waiting in zlib has crashed servers. */
static void a_message_that_is_cut_anywhere_is_broken(void **state) {
    static char plain[PLAIN_BYTES];
    memset(plain, 'a', sizeof plain);
    struct buffer message = deflated_alone(plain, sizeof plain);
    for (size_t len = 1; len < message.len; len++) {
        struct inflater *inflater = inflater_new();
        struct buffer out = {0};
        struct slice piece = {message.ptr, len};
        enum inflate_result result = inflater_add(inflater, piece, &out, PLAIN_BYTES + 1000);
        if (result == INFLATE_OK) result = inflater_finish(inflater, &out, PLAIN_BYTES + 1000);
        if (result == INFLATE_OK) fail_msg("cut at %zu of %zu: taken for whole", len, message.len);
        buffer_done(&out);
        inflater_free(&inflater);
    }
    buffer_done(&message);
}

static void what_is_no_deflate_is_broken(void **state) {
    struct inflater *inflater = inflater_new();
    struct buffer out = {0};
    assert_int_equal(inflater_add(inflater, SLICE("\xff\xff\xff\xff"), &out, 1000), INFLATE_BROKEN);
    buffer_done(&out);
    inflater_free(&inflater);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_inflate_exactly_in_whatever_pieces_they_come),
        cmocka_unit_test(a_bomb_stops_at_the_bound),
        cmocka_unit_test(a_message_that_is_cut_anywhere_is_broken),
        cmocka_unit_test(what_is_no_deflate_is_broken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
