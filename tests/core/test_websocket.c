/* SPDX-License-Identifier: Apache-2.0 */
/* The reader of frames beside a slow one that is written from RFC 6455, section 5, sentence by sentence: whatever
 * comes, cut wherever, both tell the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "support/slow_websocket.h"

static void expect_same(struct slice bytes, bool may_compress, unsigned seed) {
    struct told slow = {0}, quick = {0};
    unsigned cuts = seed;
    read_slowly(bytes, may_compress, &slow);
    read_in_pieces(bytes, may_compress, &cuts, &quick);
    if (!slice_equal(buffer_slice(&slow.text), buffer_slice(&quick.text)))
        fail_msg("seed %u: expected%.*s\n--- told%.*s", seed, SLICE_ARG(buffer_slice(&slow.text)),
                 SLICE_ARG(buffer_slice(&quick.text)));
    buffer_done(&slow.text);
    buffer_done(&quick.text);
}

/* Mostly sound frames, with something wrong now and then. */
static void make_frame(struct buffer *out, unsigned *seed, bool *within) {
    static const unsigned char opcodes[] = {1, 2, 8, 9, 10, 0, 0, 3, 11};
    unsigned roll = (unsigned)rand_r(seed) % 1000;
    bool wrong = roll < 25, control = roll % 5 == 0;
    unsigned opcode = control ? 9 + roll % 2 : *within ? 0 : 1 + roll % 2;
    if (wrong) opcode = opcodes[(unsigned)rand_r(seed) % sizeof opcodes];
    bool fin = control || rand_r(seed) % 2;
    size_t len = (size_t)rand_r(seed) % (control ? 126 : rand_r(seed) % 20 == 0 ? 70000 : 300);
    unsigned first = (fin ? 0x80u : 0) | opcode | (wrong && rand_r(seed) % 3 == 0 ? 0x70u & (unsigned)rand_r(seed) : 0);
    unsigned mask = wrong && rand_r(seed) % 4 == 0 ? 0 : 0x80;
    unsigned width = len < 126 ? 0 : len < 65536 ? 2 : 8;
    if (wrong && rand_r(seed) % 4 == 0) width = 8;
    if (!control && !wrong) *within = !fin;
    buffer_append_char(out, (char)first);
    buffer_append_char(out, (char)(mask | (width == 0 ? len : width == 2 ? 126 : 127)));
    for (unsigned i = width; i-- > 0;) buffer_append_char(out, (char)((uint64_t)len >> 8 * i));
    for (size_t i = 0; i < len + (mask ? 4 : 0); i++) buffer_append_char(out, (char)rand_r(seed));
}

static void whatever_comes_cut_wherever_both_readers_tell_the_same(void **state) {
    enum { ROUNDS = 3000, FRAMES = 12 };
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct buffer bytes = {0};
        unsigned seed = round;
        bool within = false;
        for (int i = 0; i < FRAMES; i++) make_frame(&bytes, &seed, &within);
        expect_same(buffer_slice(&bytes), round % 2, round);
        buffer_done(&bytes);
    }
}

static void every_head_of_two_bytes_is_judged_the_same(void **state) {
    for (unsigned head = 0; head < 65536; head++) {
        char bytes[20] = {(char)(head >> 8), (char)head, 0x01, 0x23, 0x45, 0x67, 0x00, 0x11, 0x22, 0x33};
        expect_same((struct slice){bytes, sizeof bytes}, head % 3 == 0, head);
    }
}

static void every_close_code_is_judged_the_same(void **state) {
    for (unsigned code = 0; code < 65536; code++) {
        char bytes[] = {(char)0x88, (char)0x82, 0, 0, 0, 0, (char)(code >> 8), (char)code};
        expect_same((struct slice){bytes, sizeof bytes}, false, code);
    }
}

/* As soon as the first byte shows it, not when the frame is whole. */
static void a_violation_is_told_by_the_byte_that_commits_it(void **state) {
    static const struct {
        struct slice bytes;
        unsigned code;
    } rows[] = {
        {{"\x91", 1}, 1002},             /* RSV3 */
        {{"\x83", 1}, 1002},             /* a reserved opcode */
        {{"\x09", 1}, 1002},             /* a fragmented control frame */
        {{"\x80", 1}, 1002},             /* a continuation without a first frame */
        {{"\xc1", 1}, 1002},             /* compressed, but compression was not negotiated */
        {{"\x81\x05", 2}, 1002},         /* no mask */
        {{"\x89\xfe", 2}, 1002},         /* a control frame over 125 bytes */
        {{"\x82\xfe\x00\x7d", 4}, 1002}, /* a length in more bytes than it needs */
        {{"\x82\xff\x00\x00\x00\x00\x00\x00\xff\xff", 10}, 1002},
        {{"\x82\xff\x80\x00\x00\x00\x00\x00\x00\x00", 10}, 1009}, /* beyond all bounds */
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        for (size_t len = 1; len <= rows[i].bytes.len; len++) {
            struct websocket_reader reader = {0};
            struct websocket_found found;
            char *bytes = memory_copy(rows[i].bytes.ptr, len), *at = bytes;
            enum websocket_event event = websocket_reader_read(&reader, &at, bytes + len, &found);
            if (len < rows[i].bytes.len) {
                assert_int_equal(event, WEBSOCKET_MORE);
            } else {
                assert_int_equal(event, WEBSOCKET_VIOLATION);
                assert_int_equal(found.code, rows[i].code);
            }
            free(bytes);
        }
    }
}

/* Every string of three bytes after a valid beginning, a byte at a time: refused no later than all of it would be. */
static void text_is_refused_at_the_first_byte_that_nothing_could_save(void **state) {
    static const struct {
        const char *bytes;
        size_t good; /* so many may come */
    } rows[] = {
        {"\xce\xba\xe1\xbd\xb9", 5},
        {"\xc0", 0},
        {"\xc1", 0},
        {"\xe0\x80", 1},
        {"\xe0\x9f", 1},
        {"\xe0\xa0\x80", 3},
        {"\xed\x9f\xbf", 3},
        {"\xed\xa0", 1},
        {"\xf0\x8f", 1},
        {"\xf0\x90\x80\x80", 4},
        {"\xf4\x8f\xbf\xbf", 4},
        {"\xf4\x90", 1},
        {"\xf5", 0},
        {"\xff", 0},
        {"\x80", 0},
        {"\xe2\x82z", 2},
        {"abc\xe2z", 4},
        {"12345678\xc3", 9},
        {"12345678\xbf", 8},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct utf8_stream stream = {0};
        size_t len = strlen(rows[i].bytes), good = 0;
        while (good < len && utf8_add(&stream, (struct slice){rows[i].bytes + good, 1})) good++;
        if (good != rows[i].good) fail_msg("row %zu: %zu bytes were taken, not %zu", i, good, rows[i].good);
    }
}

static void text_in_pieces_is_judged_as_text_in_one(void **state) {
    for (unsigned i = 0; i < 1u << 16; i++) {
        static const unsigned char leads[] = {0x41, 0xc3, 0xe0, 0xe2, 0xed, 0xf0, 0xf1, 0xf4};
        char bytes[4] = {(char)leads[i & 7], (char)(i >> 3 & 1 ? 0x80 : 0x9f + (i >> 4 & 1)), (char)(i >> 5),
                         (char)(i >> 8)};
        struct utf8_stream stream = {0};
        bool valid = true;
        for (size_t at = 0; at < sizeof bytes && valid; at++) valid = utf8_add(&stream, (struct slice){bytes + at, 1});
        assert_int_equal(valid && utf8_whole(&stream), utf8_valid((struct slice){bytes, sizeof bytes}));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_comes_cut_wherever_both_readers_tell_the_same),
        cmocka_unit_test(every_head_of_two_bytes_is_judged_the_same),
        cmocka_unit_test(every_close_code_is_judged_the_same),
        cmocka_unit_test(a_violation_is_told_by_the_byte_that_commits_it),
        cmocka_unit_test(text_is_refused_at_the_first_byte_that_nothing_could_save),
        cmocka_unit_test(text_in_pieces_is_judged_as_text_in_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
