/* SPDX-License-Identifier: Apache-2.0 */
/* RFC 6455's sections 5, 7 and 8, and RFC 7692, one MUST after the other, on the real server: what a client sends, and
 * all that it gets until the end of its TCP. Each connection ends with one Close frame and nothing behind it. */
#include <zlib.h>

#include "support/net_rig.h"

#define OFFER "Sec-WebSocket-Extensions: permessage-deflate\r\n"

static struct rig rig;
static unsigned cases;

static int start(void **state) {
    rig_start(&rig, &rig_settings);
    return 0;
}

static int stop(void **state) {
    rig_stop(&rig);
    return 0;
}

/* ---- what is sent */

static void put_head(struct buffer *out, unsigned first, bool masked, unsigned width, uint64_t len) {
    unsigned mask = masked ? 0x80 : 0;
    buffer_append_char(out, (char)first);
    buffer_append_char(out, (char)(mask | (width == 0 ? (unsigned)len : width == 2 ? 126 : 127)));
    for (unsigned i = width; i-- > 0;) buffer_append_char(out, (char)(len >> 8 * i));
    if (masked) buffer_append(out, "\x11\x22\x33\x44", 4);
}

static unsigned width_of(size_t len) {
    return len < 126 ? 0 : len < 65536 ? 2 : 8;
}

static void put(struct buffer *out, unsigned first, struct slice payload) {
    static const char mask[] = "\x11\x22\x33\x44";
    put_head(out, first, true, width_of(payload.len), payload.len);
    for (size_t i = 0; i < payload.len; i++) buffer_append_char(out, (char)(payload.ptr[i] ^ mask[i % 4]));
}

static void put_bare(struct buffer *out, unsigned first, struct slice payload) {
    put_head(out, first, false, width_of(payload.len), payload.len);
    buffer_append_slice(out, payload);
}

static const struct slice bye = {"\x03\xe8", 2};

/* ---- what comes back, as text: "text hello|pong x|close 1000|" */

static void tell_frame(struct buffer *out, const struct raw_frame *frame) {
    unsigned opcode = frame->first & 0x0f;
    static const char *const names[16] = {[1] = "text", [2] = "binary", [8] = "close", [9] = "ping", [10] = "pong"};
    if (!(frame->first & 0x80) || frame->first & 0x70 || !names[opcode])
        fail_msg("a frame that begins with %02x", frame->first);
    if (opcode == 8 && frame->payload.len >= 2) {
        unsigned code = (unsigned char)frame->payload.ptr[0] * 256u + (unsigned char)frame->payload.ptr[1];
        buffer_printf(out, "close %u%s%.*s|", code, frame->payload.len > 2 ? " " : "", (int)frame->payload.len - 2,
                      frame->payload.ptr + 2);
    } else if (frame->payload.len > 40) {
        buffer_printf(out, "%s of %zu|", names[opcode], frame->payload.len);
    } else {
        buffer_printf(out, "%s %.*s|", names[opcode], SLICE_ARG(frame->payload));
    }
}

static void expect(const char *what, const char *headers, const struct buffer *sent, const char *wanted) {
    struct raw client;
    struct buffer got = {0};
    struct raw_frame frame;
    unsigned closed = rig.closed;
    cases++;
    raw_connect(&client, &rig);
    raw_upgrade(&client, headers);
    raw_send(&client, sent->ptr, sent->len);
    int64_t began_ms = rig_now_ms();
    RAW_UNTIL(&client, client.eof);
    while (raw_peek_frame(&client, &frame)) {
        tell_frame(&got, &frame);
        raw_next(&client, &frame);
    }
    buffer_append_char(&got, '\0');
    if (client.in.len > 0) fail_msg("%s: %zu bytes that are no frame", what, client.in.len);
    if (strcmp(got.ptr, wanted) != 0) fail_msg("%s: got %s, not %s", what, got.ptr, wanted);
    if (rig_now_ms() - began_ms > 3000) fail_msg("%s: TCP stayed open", what);
    RIG_UNTIL(&rig, rig.closed == closed + 1);
    buffer_done(&got);
    raw_close(&client);
}

/* The bytes, then our Close if the server is to go on until then. */
static void expect_echo_of(const char *what, const char *headers, struct buffer *sent, const char *wanted) {
    struct buffer all = {0};
    put(sent, 0x88, bye);
    buffer_printf(&all, "%sclose 1000|", wanted);
    buffer_append_char(&all, '\0');
    expect(what, headers, sent, all.ptr);
    buffer_done(&all);
    buffer_done(sent);
}

static void expect_violation(const char *what, const char *headers, struct buffer *sent, unsigned code) {
    char wanted[32];
    snprintf(wanted, sizeof wanted, "close %u|", code);
    put(sent, 0x89, SLICE("nobody answers this")); /* section 7.1.7: nothing more is read */
    expect(what, headers, sent, wanted);
    buffer_done(sent);
}

/* ---- section 5.2 */

static void reserved_bits_and_opcodes_are_refused(void **state) {
    char what[64];
    for (unsigned opcode = 3; opcode < 16; opcode++) {
        if (opcode >= 8 && opcode <= 10) continue;
        for (unsigned fin = 0; fin < 2; fin++) {
            for (size_t len = 0; len < 2; len++) {
                struct buffer sent = {0};
                snprintf(what, sizeof what, "opcode %u, FIN %u, %zu bytes", opcode, fin, len);
                put(&sent, fin * 0x80 | opcode, (struct slice){"a", len});
                expect_violation(what, "", &sent, 1002);
            }
        }
    }
    static const unsigned opcodes[] = {0, 1, 2, 8, 9, 10};
    for (unsigned negotiated = 0; negotiated < 2; negotiated++) {
        for (unsigned rsv = 1; rsv < 8; rsv++) {
            for (size_t i = 0; i < 6; i++) {
                if (negotiated && rsv == 4 && (opcodes[i] == 1 || opcodes[i] == 2)) continue; /* that is compression */
                struct buffer sent = {0};
                snprintf(what, sizeof what, "RSV %u, opcode %u, deflate %u", rsv, opcodes[i], negotiated);
                if (opcodes[i] == 0) put(&sent, 0x01, SLICE("a"));
                put(&sent, 0x80 | rsv << 4 | opcodes[i], SLICE_NONE);
                expect_violation(what, negotiated ? OFFER : "", &sent, 1002);
            }
        }
    }
}

static void a_frame_without_mask_is_refused(void **state) {
    static const unsigned opcodes[] = {1, 2, 8, 9, 10, 0};
    static char payload[70000];
    static const size_t lens[] = {0, 1, 125, 126, 65535, 65536};
    char what[64];
    for (size_t i = 0; i < 6; i++) {
        for (size_t j = 0; j < 6; j++) {
            struct buffer sent = {0};
            if (opcodes[i] >= 8 && lens[j] > 125) continue;
            snprintf(what, sizeof what, "no mask, opcode %u, %zu bytes", opcodes[i], lens[j]);
            if (opcodes[i] == 0) put(&sent, 0x02, SLICE("a"));
            put_bare(&sent, 0x80 | opcodes[i], (struct slice){payload, lens[j]});
            expect_violation(what, "", &sent, 1002);
        }
    }
}

static void a_length_must_use_the_shortest_encoding(void **state) {
    static const struct {
        unsigned width;
        uint64_t len;
    } rows[] = {{2, 0}, {2, 1}, {2, 124}, {2, 125}, {8, 0}, {8, 1}, {8, 125}, {8, 126}, {8, 65534}, {8, 65535}};
    static char payload[65536];
    char what[64];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        for (unsigned opcode = 1; opcode <= 2; opcode++) {
            struct buffer sent = {0};
            snprintf(what, sizeof what, "length %u in %u bytes", (unsigned)rows[i].len, rows[i].width);
            put_head(&sent, 0x80 | opcode, true, rows[i].width, rows[i].len);
            buffer_append(&sent, payload, (size_t)rows[i].len);
            expect_violation(what, "", &sent, 1002);
        }
    }
}

static void messages_of_each_length_encoding_come_back(void **state) {
    static char payload[100001];
    static const size_t lens[] = {0, 1, 40, 124, 125, 126, 127, 128, 65534, 65535, 65536, 65537, 99999, 100000};
    char what[64], wanted[64];
    memset(payload, 'x', sizeof payload);
    for (size_t i = 0; i < sizeof lens / sizeof *lens; i++) {
        for (unsigned opcode = 1; opcode <= 2; opcode++) {
            struct buffer sent = {0};
            const char *name = opcode == 1 ? "text" : "binary";
            snprintf(what, sizeof what, "%s of %zu", name, lens[i]);
            if (lens[i] > 40)
                snprintf(wanted, sizeof wanted, "%s of %zu|", name, lens[i]);
            else
                snprintf(wanted, sizeof wanted, "%s %.*s|", name, (int)lens[i], payload);
            put(&sent, 0x80 | opcode, (struct slice){payload, lens[i]});
            expect_echo_of(what, "", &sent, wanted);
        }
    }
    static const uint64_t beyond[] = {100001, 1 << 20, UINT64_C(1) << 62, INT64_MAX, UINT64_C(1) << 63, UINT64_MAX};
    for (size_t i = 0; i < sizeof beyond / sizeof *beyond; i++) {
        struct buffer sent = {0};
        put_head(&sent, 0x82, true, 8, beyond[i]);
        expect_violation("beyond the limit", "", &sent, 1009);
    }
    struct buffer sent = {0};
    put(&sent, 0x02, (struct slice){payload, 60000});
    put(&sent, 0x80, (struct slice){payload, 60000});
    expect_violation("beyond the limit in fragments", "", &sent, 1009);
}

/* ---- section 5.4 */

static void fragments_come_in_their_order(void **state) {
    struct buffer sent = {0};
    for (unsigned fin = 0; fin < 2; fin++) {
        put(&sent, fin * 0x80, SLICE("a"));
        expect_violation("a continuation of nothing", "", &sent, 1002);
        put(&sent, 0x81, SLICE("a"));
        put(&sent, fin * 0x80, SLICE("b"));
        expect("a continuation of a whole message", "", &sent, "text a|close 1002|");
        buffer_done(&sent);
        for (unsigned first = 1; first <= 2; first++) {
            for (unsigned second = 1; second <= 2; second++) {
                put(&sent, first, SLICE("a"));
                put(&sent, fin * 0x80 | second, SLICE("b"));
                expect_violation("a message within a message", "", &sent, 1002);
            }
        }
    }
    static const unsigned counts[] = {2, 3, 10, 100};
    for (size_t i = 0; i < 4; i++) {
        for (size_t empty = 0; empty < 2; empty++) {
            unsigned n = counts[i];
            char wanted[64];
            put(&sent, 0x01, SLICE("a"));
            for (unsigned k = 2; k < n; k++) put(&sent, 0x00, (struct slice){"b", empty ? 0 : 1});
            put(&sent, 0x80, SLICE("c"));
            unsigned len = empty ? 2 : n;
            if (len > 40)
                snprintf(wanted, sizeof wanted, "text of %u|", len);
            else
                snprintf(wanted, sizeof wanted, "text a%.*sc|", (int)len - 2, "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb");
            expect_echo_of("fragments", "", &sent, wanted);
        }
    }
    put(&sent, 0x01, SLICE_NONE);
    put(&sent, 0x00, SLICE_NONE);
    put(&sent, 0x80, SLICE_NONE);
    expect_echo_of("three fragments of nothing", "", &sent, "text |");
}

static void control_frames_come_between_fragments(void **state) {
    struct buffer sent = {0};
    put(&sent, 0x01, SLICE("a"));
    put(&sent, 0x89, SLICE("1"));
    put(&sent, 0x00, SLICE("b"));
    put(&sent, 0x8a, SLICE("2"));
    put(&sent, 0x89, SLICE("3"));
    put(&sent, 0x80, SLICE("c"));
    expect_echo_of("pings and pongs", "", &sent, "pong 1|pong 3|text abc|");
    put(&sent, 0x02, SLICE("a"));
    expect_echo_of("a Close", "", &sent, "");
}

/* ---- section 5.5 */

static void control_frames_are_whole_and_short(void **state) {
    static char payload[200];
    static const size_t lens[] = {0, 1, 2, 40, 64, 124, 125};
    char what[64], wanted[64];
    memset(payload, 'p', sizeof payload);
    for (unsigned opcode = 8; opcode <= 10; opcode++) {
        for (size_t len = 0; len < 3; len++) {
            struct buffer sent = {0};
            snprintf(what, sizeof what, "fragmented %u", opcode);
            put(&sent, opcode, (struct slice){payload, len});
            expect_violation(what, "", &sent, 1002);
        }
        for (size_t len = 126; len < 129; len++) {
            struct buffer sent = {0};
            snprintf(what, sizeof what, "opcode %u of %zu", opcode, len);
            put(&sent, 0x80 | opcode, (struct slice){payload, len});
            expect_violation(what, "", &sent, 1002);
        }
        struct buffer sent = {0};
        put_head(&sent, 0x80 | opcode, true, 8, 70000);
        expect_violation("of 70000", "", &sent, 1002);
    }
    for (size_t i = 0; i < sizeof lens / sizeof *lens; i++) {
        struct buffer sent = {0};
        if (lens[i] > 40)
            snprintf(wanted, sizeof wanted, "pong of %zu|", lens[i]);
        else
            snprintf(wanted, sizeof wanted, "pong %.*s|", (int)lens[i], payload);
        put(&sent, 0x89, (struct slice){payload, lens[i]});
        expect_echo_of("ping", "", &sent, wanted);
        put(&sent, 0x8a, (struct slice){payload, lens[i]});
        expect_echo_of("a pong that nobody asked for", "", &sent, "");
    }
}

static void every_ping_is_answered_in_order(void **state) {
    struct buffer sent = {0}, wanted = {0};
    for (unsigned n = 1; n <= 150; n += n < 12 ? 1 : 23) {
        for (unsigned i = 0; i < n; i++) {
            char text[8];
            snprintf(text, sizeof text, "%u", i);
            put(&sent, 0x89, slice_of(text));
            buffer_printf(&wanted, "pong %u|", i);
        }
        buffer_append_char(&wanted, '\0');
        expect_echo_of("pings in one write", "", &sent, wanted.ptr);
        buffer_done(&wanted);
    }
}

/* ---- sections 5.5.1, 7.1 and 7.4 */

static void each_close_code_is_echoed_or_refused(void **state) {
    static const struct {
        unsigned from, to;
        bool legal;
    } ranges[] = {{0, 2, false},       {998, 999, false},    {1000, 1003, true},  {1004, 1006, false},
                  {1007, 1014, true},  {1015, 1020, false},  {1099, 1101, false}, {1999, 2001, false},
                  {2998, 2999, false}, {3000, 3002, true},   {3998, 4001, true},  {4998, 4999, true},
                  {5000, 5002, false}, {65534, 65535, false}};
    char what[64], wanted[64];
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        for (unsigned code = ranges[i].from; code <= ranges[i].to; code++) {
            char payload[] = {(char)(code >> 8), (char)code, 'w', 'h', 'y'};
            for (size_t len = 2; len <= 5; len += 3) {
                struct buffer sent = {0};
                snprintf(what, sizeof what, "code %u", code);
                snprintf(wanted, sizeof wanted, ranges[i].legal ? "close %u%s|" : "close 1002|", code,
                         len > 2 ? " why" : "");
                put(&sent, 0x88, (struct slice){payload, len});
                put(&sent, 0x81, SLICE("behind it"));
                expect(what, "", &sent, wanted);
                buffer_done(&sent);
            }
        }
    }
}

static void the_payload_of_a_close_is_none_or_a_code_and_text(void **state) {
    static char reason[125] = "\x03\xe8";
    struct buffer sent = {0};
    memset(reason + 2, 'r', 123);
    put(&sent, 0x88, SLICE_NONE);
    expect("an empty Close", "", &sent, "close |");
    buffer_done(&sent);
    put(&sent, 0x88, SLICE("\x03"));
    expect_violation("one byte", "", &sent, 1002);
    put(&sent, 0x88, (struct slice){reason, 125});
    char wanted[160];
    snprintf(wanted, sizeof wanted, "close 1000 %.123s|", reason + 2);
    expect("a reason of 123 bytes", "", &sent, wanted);
    buffer_done(&sent);
    static const char *const broken[] = {"\xc0\xaf", "\xed\xa0\x80", "\xff", "a\x80", "\xce", "\xf4\x90\x80\x80"};
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        char payload[16] = "\x03\xe8";
        strcpy(payload + 2, broken[i]);
        put(&sent, 0x88, slice_of(payload));
        expect_violation("a reason that is no UTF-8", "", &sent, 1002);
    }
    put(&sent, 0x88, SLICE("\x03\xe8\xce\xba"));
    expect("a reason that is", "", &sent, "close 1000 \xce\xba|");
    buffer_done(&sent);
}

static void input_after_a_close_is_ignored(void **state) {
    static const unsigned firsts[] = {0x81, 0x82, 0x01, 0x80, 0x88, 0x89, 0x8a, 0xff};
    for (size_t i = 0; i < sizeof firsts / sizeof *firsts; i++) {
        struct buffer sent = {0};
        unsigned messages = rig.messages;
        put(&sent, 0x88, bye);
        put(&sent, firsts[i], SLICE("a"));
        expect("behind a Close", "", &sent, "close 1000|");
        assert_int_equal(rig.messages, messages);
        buffer_done(&sent);
    }
}

/* ---- section 8.1 */

static const char *const sound[] = {
    "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5",
    "\x7f",
    "\xc2\x80",
    "\xdf\xbf",
    "\xe0\xa0\x80",
    "\xed\x9f\xbf",
    "\xee\x80\x80",
    "\xef\xbf\xbf",
    "\xf0\x90\x80\x80",
    "\xf4\x8f\xbf\xbf",
    "\xef\xbf\xbe",
    "\xf0\x9f\x98\x80 smiles",
};
static const char *const unsound[] = {
    "\x80",
    "\xbf",
    "a\x80z",
    "\xc0\x80",
    "\xc1\xbf",
    "\xc2",
    "\xc2z",
    "\xe0\x80\x80",
    "\xe0\x9f\xbf",
    "\xe2\x82",
    "\xe2\x82z",
    "\xe2z",
    "\xed\xa0\x80",
    "\xed\xbf\xbf",
    "\xed\xa0\x80\xed\xb0\x80",
    "\xf0\x80\x80\x80",
    "\xf0\x8f\xbf\xbf",
    "\xf0\x9f\x98",
    "\xf0\x9fz",
    "\xf4\x90\x80\x80",
    "\xf5\x80\x80\x80",
    "\xf8\x88\x80\x80\x80",
    "\xfe",
    "\xff",
    "01234567\xff",
    "0123456\xce",
    "\xce\xba\xce\xce\xba",
};

static struct buffer deflated(struct slice text) {
    z_stream zip = {0};
    struct buffer out = {0};
    deflateInit2(&zip, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY);
    zip.next_in = (Bytef *)text.ptr;
    zip.avail_in = (uInt)text.len;
    zip.next_out = (Bytef *)buffer_reserve(&out, text.len + 100);
    zip.avail_out = (uInt)text.len + 100;
    deflate(&zip, Z_SYNC_FLUSH);
    out.len = text.len + 100 - zip.avail_out - 4;
    deflateEnd(&zip);
    return out;
}

/* whole; a byte a fragment; whole and compressed; compressed, a byte a fragment */
static void put_text(struct buffer *sent, struct slice text, unsigned way) {
    struct buffer packed = deflated(text);
    struct slice bytes = way >= 2 ? buffer_slice(&packed) : text;
    unsigned first = 0x01 | (way >= 2 ? 0x40 : 0);
    if (way % 2 == 0) put(sent, 0x80 | first, bytes);
    for (size_t i = 0; way % 2 == 1 && i < bytes.len; i++)
        put(sent, (i + 1 == bytes.len ? 0x80 : 0) | (i == 0 ? first : 0), (struct slice){bytes.ptr + i, 1});
    buffer_done(&packed);
}

static void text_is_utf8_however_it_comes(void **state) {
    char wanted[64];
    for (unsigned way = 0; way < 4; way++) {
        for (size_t i = 0; i < sizeof sound / sizeof *sound; i++) {
            struct buffer sent = {0};
            put_text(&sent, slice_of(sound[i]), way);
            snprintf(wanted, sizeof wanted, "text %s|", sound[i]);
            expect_echo_of(sound[i], OFFER, &sent, wanted);
        }
        for (size_t i = 0; i < sizeof unsound / sizeof *unsound; i++) {
            struct buffer sent = {0};
            put_text(&sent, slice_of(unsound[i]), way);
            expect_violation(unsound[i], OFFER, &sent, 1007);
        }
    }
    for (size_t i = 0; i < sizeof unsound / sizeof *unsound; i++) { /* bytes may be anything */
        struct buffer sent = {0};
        put(&sent, 0x82, slice_of(unsound[i]));
        snprintf(wanted, sizeof wanted, "binary %s|", unsound[i]);
        expect_echo_of("binary", "", &sent, wanted);
    }
}

/* Fail fast: the rest is never sent. */
static void text_is_refused_before_its_message_ends(void **state) {
    for (size_t i = 0; i < sizeof unsound / sizeof *unsound; i++) {
        struct buffer sent = {0};
        size_t len = strlen(unsound[i]);
        unsigned char last = (unsigned char)unsound[i][len - 1];
        bool may_go_on = (last >= 0xc2 && last < 0xf5) || strcmp(unsound[i], "\xe2\x82") == 0 ||
                         strcmp(unsound[i], "\xf0\x9f\x98") == 0;
        if (may_go_on) continue;
        put(&sent, 0x01, slice_of(unsound[i]));
        expect("not the last fragment", "", &sent, "close 1007|");
        buffer_done(&sent);
        put_head(&sent, 0x81, true, 2, 1000);
        for (size_t k = 0; k < len; k++) buffer_append_char(&sent, (char)(unsound[i][k] ^ "\x11\x22\x33\x44"[k % 4]));
        expect("not the last byte of the frame", "", &sent, "close 1007|");
        buffer_done(&sent);
    }
}

/* ---- RFC 7692, sections 6 and 7.2 */

static void compressed_messages_are_read_as_the_rfc_shows_them(void **state) {
    static const struct {
        const char *what;
        struct slice payload;
        const char *wanted; /* NULL: 1007 */
    } rows[] = {
        {"7.2.3.1", {"\xf2\x48\xcd\xc9\xc9\x07\x00", 7}, "text Hello|"},
        {"7.2.3.3, no compression", {"\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00", 11}, "text Hello|"},
        {"7.2.3.4, BFINAL", {"\xf3\x48\xcd\xc9\xc9\x07\x00\x00", 8}, "text Hello|"},
        {"BFINAL, and the end of that block is what is not sent",
         {"\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x01", 11},
         "text Hello|"},
        {"nothing but such a block", {"\x01", 1}, "text |"},
        {"7.2.3.5, two blocks", {"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00", 13}, "text Hello|"},
        {"7.2.3.6, nothing", {"\x00", 1}, "text |"},
        {"nothing, BFINAL", {"\x03\x00", 2}, NULL},
        {"no bytes at all", {"", 0}, NULL},
        {"no deflate", {"\xff\xff\xff\xff", 4}, NULL},
        {"a distance before the beginning", {"\x4a\x44\x03\x00", 4}, NULL},
        {"a block type that is none", {"\x06\x00", 2}, NULL},
        {"a length that does not match", {"\x00\x05\x00\xfb\xff\x48\x65\x6c\x6c\x6f\x00", 11}, NULL},
        {"cut within a block", {"\xf2\x48\xcd", 3}, NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buffer sent = {0};
        put(&sent, 0xc1, rows[i].payload);
        if (rows[i].wanted)
            expect_echo_of(rows[i].what, OFFER, &sent, rows[i].wanted);
        else
            expect_violation(rows[i].what, OFFER, &sent, 1007);
    }
    struct buffer sent = {0};
    put(&sent, 0x41, SLICE("\xf2\x48\xcd"));
    put(&sent, 0x89, SLICE("between"));
    put(&sent, 0x80, (struct slice){"\xc9\xc9\x07\x00", 4});
    expect_echo_of("7.2.3.1 in fragments", OFFER, &sent, "pong between|text Hello|");
    put(&sent, 0xc1, (struct slice){"\xf2\x48\xcd\xc9\xc9\x07\x00", 7});
    put(&sent, 0x81, SLICE("plain"));
    put(&sent, 0xc2, (struct slice){"\xf2\x48\xcd\xc9\xc9\x07\x00", 7});
    expect_echo_of("compressed and plain in turn", OFFER, &sent, "text Hello|text plain|binary Hello|");
}

/* A message is answered whatever frame follows, also if the owner writes at the end of the turn. */
static void frames_before_a_close_or_violation_are_answered_first(void **state) {
    for (unsigned late = 0; late < 2; late++) {
        static const struct {
            unsigned first;
            struct slice payload;
            const char *wanted;
        } rows[] = {
            {0x88, {"\x03\xe8", 2}, "text hello|close 1000|"}, {0x83, {"", 0}, "text hello|close 1002|"},
            {0xa1, {"a", 1}, "text hello|close 1002|"},        {0x80, {"a", 1}, "text hello|close 1002|"},
            {0x81, {"\xff", 1}, "text hello|close 1007|"},
        };
        rig.answers_late = late;
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
            struct buffer sent = {0};
            put(&sent, 0x81, SLICE("hello"));
            put(&sent, rows[i].first, rows[i].payload);
            expect(rows[i].wanted, "", &sent, rows[i].wanted);
            buffer_done(&sent);
        }
    }
    rig.answers_late = false;
}

static void there_are_at_least_350_cases(void **state) {
    print_message("%u cases\n", cases);
    assert_true(cases >= 350);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reserved_bits_and_opcodes_are_refused),
        cmocka_unit_test(a_frame_without_mask_is_refused),
        cmocka_unit_test(a_length_must_use_the_shortest_encoding),
        cmocka_unit_test(messages_of_each_length_encoding_come_back),
        cmocka_unit_test(fragments_come_in_their_order),
        cmocka_unit_test(control_frames_come_between_fragments),
        cmocka_unit_test(control_frames_are_whole_and_short),
        cmocka_unit_test(every_ping_is_answered_in_order),
        cmocka_unit_test(each_close_code_is_echoed_or_refused),
        cmocka_unit_test(the_payload_of_a_close_is_none_or_a_code_and_text),
        cmocka_unit_test(input_after_a_close_is_ignored),
        cmocka_unit_test(text_is_utf8_however_it_comes),
        cmocka_unit_test(text_is_refused_before_its_message_ends),
        cmocka_unit_test(compressed_messages_are_read_as_the_rfc_shows_them),
        cmocka_unit_test(frames_before_a_close_or_violation_are_answered_first),
        cmocka_unit_test(there_are_at_least_350_cases),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
