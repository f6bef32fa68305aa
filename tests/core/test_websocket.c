/* The reader of frames beside a slow one that is written from RFC 6455, section 5, sentence by sentence: whatever
 * comes, cut wherever, both tell the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "wire/utf8.h"
#include "wire/websocket.h"

/* What was told, as text: one line an event, the pieces of a message together. */
struct told {
    struct buffer text;
    bool within; /* a piece was the last thing */
};

static void tell(struct told *told, const char *what, struct slice bytes, unsigned number) {
    told->within = false;
    buffer_printf(&told->text, "\n%s %u ", what, number);
    buffer_append_slice(&told->text, bytes);
}

static void tell_piece(struct told *told, bool binary, bool compressed, struct slice bytes, bool ends) {
    if (!told->within) buffer_printf(&told->text, "\n%s%s ", binary ? "binary" : "text", compressed ? "+" : "");
    told->within = !ends;
    buffer_append_slice(&told->text, bytes);
    if (ends) buffer_append_str(&told->text, ".");
}

/* ---- the slow reader: all the bytes at once, a byte at a time */

struct slow {
    const unsigned char *at, *end;
    bool may_compress, within;
    unsigned opcode;
    bool compressed;
};

static bool slow_close(struct slow *slow, struct told *told, struct slice payload) {
    unsigned code = 1005;
    if (payload.len == 1) return false;
    if (payload.len >= 2) {
        code = (unsigned char)payload.ptr[0] * 256u + (unsigned char)payload.ptr[1];
        bool known = (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
        if (!known || !utf8_valid(slice_from(payload, 2))) return false;
    }
    tell(told, "close", payload.len >= 2 ? slice_from(payload, 2) : SLICE_NONE, code);
    return true;
}

/* 1: a frame was read; 0: it is not whole; -1: a violation. */
static int slow_frame(struct slow *slow, struct told *told) {
    const unsigned char *p = slow->at;
    size_t have = (size_t)(slow->end - p), need = 6;
    if (have == 0) return 0;
    bool fin = p[0] >= 128, rsv1 = p[0] & 64, control = p[0] & 8;
    unsigned opcode = p[0] % 16;
    if (p[0] & 48) return -1;
    if (rsv1 && (control || opcode == 0 || !slow->may_compress)) return -1;
    if (opcode != 0 && opcode != 1 && opcode != 2 && opcode != 8 && opcode != 9 && opcode != 10) return -1;
    if (control && !fin) return -1;
    if (opcode == 0 && !slow->within) return -1;
    if ((opcode == 1 || opcode == 2) && slow->within) return -1;
    if (have < 2) return 0;
    if (p[1] < 128) return -1;
    uint64_t len = p[1] % 128;
    if (control && len > 125) return -1;
    unsigned more = len == 126 ? 2 : len == 127 ? 8 : 0;
    if (have < 2 + more) return 0;
    if (more) {
        len = 0;
        for (unsigned i = 0; i < more; i++) len = len * 256 + p[2 + i];
        if (more == 2 && len < 126) return -1;
        if (more == 8 && len < 65536) return -1;
        if (more == 8 && p[2] >= 128) return -2;
    }
    need += more;
    if (have < need) return 0;
    bool whole = have - need >= len;
    if (control && !whole) return 0;
    size_t n = whole ? (size_t)len : have - need;
    char *payload = memory_new(n + 1);
    for (size_t i = 0; i < n; i++) payload[i] = (char)(p[need + i] ^ p[need - 4 + i % 4]);
    slow->at += need + n;
    struct slice bytes = {payload, n};
    int result = 1;
    if (opcode == 8) {
        if (!slow_close(slow, told, bytes)) result = -1;
    } else if (control) {
        tell(told, opcode == 9 ? "ping" : "pong", bytes, 0);
    } else {
        if (opcode) slow->opcode = opcode, slow->compressed = rsv1;
        slow->within = !fin;
        tell_piece(told, slow->opcode == 2, slow->compressed, bytes, fin && whole);
    }
    free(payload);
    return result;
}

static void read_slowly(struct slice bytes, bool may_compress, struct told *told) {
    struct slow slow = {.at = (const unsigned char *)bytes.ptr,
                        .end = (const unsigned char *)bytes.ptr + bytes.len,
                        .may_compress = may_compress};
    int result;
    while ((result = slow_frame(&slow, told)) > 0) continue;
    if (result < 0) tell(told, "violation", SLICE_NONE, result == -1 ? 1002 : 1009);
}

/* ---- the reader, fed in pieces that are cut where the seed says */

static bool take(struct websocket_reader *reader, struct buffer *kept, struct told *told) {
    char *at = kept->ptr, *end = kept->ptr + kept->len;
    for (;;) {
        struct websocket_found found;
        enum websocket_event event = websocket_read(reader, &at, end, &found);
        if (event == WEBSOCKET_MORE) break;
        if (event == WEBSOCKET_PIECE) {
            tell_piece(told, found.binary, found.compressed, found.payload, found.final && found.left == 0);
        } else if (event == WEBSOCKET_VIOLATION) {
            tell(told, "violation", SLICE_NONE, found.code);
            return false;
        } else {
            const char *what = event == WEBSOCKET_PING ? "ping" : event == WEBSOCKET_PONG ? "pong" : "close";
            tell(told, what, found.payload, found.code);
        }
    }
    buffer_consume(kept, (size_t)(at - kept->ptr));
    assert_true(kept->len < WEBSOCKET_WAITING_MAX + 8);
    return true;
}

static void read_in_pieces(struct slice bytes, bool may_compress, unsigned *seed, struct told *told) {
    struct websocket_reader reader = {.may_compress = may_compress};
    struct buffer kept = {0};
    bool goes_on = true;
    for (size_t at = 0; goes_on && at < bytes.len;) {
        size_t n = 1 + (size_t)rand_r(seed) % (rand_r(seed) % 4 == 0 ? 1 : 200);
        if (n > bytes.len - at) n = bytes.len - at;
        buffer_append(&kept, bytes.ptr + at, n);
        at += n;
        goes_on = take(&reader, &kept, told);
    }
    buffer_done(&kept);
}

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
        {{"\x09", 1}, 1002},             /* a control frame in pieces */
        {{"\x80", 1}, 1002},             /* a continuation of nothing */
        {{"\xc1", 1}, 1002},             /* compressed without having been asked */
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
            enum websocket_event event = websocket_read(&reader, &at, bytes + len, &found);
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
