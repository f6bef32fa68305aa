/* SPDX-License-Identifier: Apache-2.0 */
/* Compressed WebSocket messages (RFC 7692), over a real socket. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <zlib.h>

#include "net/websocket.h"
#include "support/net_rig.h"
#include "wire/inflate.h"

#define DEFLATE_OFFER "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"

static struct buffer deflated(const char *text, size_t len) {
    z_stream zip = {0};
    struct buffer out = {0};
    deflateInit2(&zip, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY);
    size_t room = deflateBound(&zip, len) + 16;
    zip.next_in = (Bytef *)text;
    zip.avail_in = (uInt)len;
    zip.next_out = (Bytef *)buffer_reserve(&out, room);
    zip.avail_out = (uInt)room;
    deflate(&zip, Z_SYNC_FLUSH);
    out.len = room - zip.avail_out - 4;
    deflateEnd(&zip);
    return out;
}

static void compressed_messages_arrive_inflated_and_bombs_do_not(void **state) {
    struct rig rig;
    struct raw alice;
    static char zeros[20 << 20];
    rig_start(&rig, &rig_settings);
    raw_connect(&alice, &rig);
    raw_upgrade(&alice, DEFLATE_OFFER);
    assert_true(websocket_deflates(rig.conn));
    for (int i = 0; i < 3; i++) {
        struct buffer small = deflated("hello hello hello hello", 23);
        raw_frame(&alice, 0xc1, true, buffer_slice(&small));
        expect_echo(&alice, 0x81, SLICE("hello hello hello hello"));
        buffer_done(&small);
    }
    raw_frame(&alice, 0x81, true, SLICE("plain"));
    expect_echo(&alice, 0x81, SLICE("plain"));
    struct buffer bomb = deflated(zeros, sizeof zeros);
    raw_frame(&alice, 0xc2, true, buffer_slice(&bomb));
    assert_int_equal(raw_close_code(&alice), 1009);
    assert_int_equal(rig.messages, 4);
    buffer_done(&bomb);
    raw_close(&alice);
    rig_stop(&rig);
}

static void unsupported_windows_are_not_negotiated(void **state) {
    static const char *const offers[] = {"server_max_window_bits=10", "server_max_window_bits=99",
                                         "client_max_window_bits=99", "client_max_window_bits=0",
                                         "client_max_window_bits=-1", "client_max_window_bits=16"};
    for (size_t i = 0; i < sizeof offers / sizeof *offers; i++) {
        struct rig rig;
        struct raw alice;
        char header[128];
        rig_start(&rig, &rig_settings);
        raw_connect(&alice, &rig);
        snprintf(header, sizeof header, "Sec-WebSocket-Extensions: permessage-deflate; %s\r\n", offers[i]);
        raw_upgrade(&alice, header);
        buffer_append_char(&alice.in, '\0');
        if (websocket_deflates(rig.conn)) fail_msg("%s", offers[i]);
        raw_close(&alice);
        rig_stop(&rig);
    }
}

/* The cuts leave output waiting in zlib. */
static void a_compressed_message_that_is_cut_ends_only_its_connection(void **state) {
    static char run[70000];
    memset(run, 'a', sizeof run);
    struct buffer whole = deflated(run, sizeof run);
    struct rig rig;
    rig_start(&rig, &rig_settings);
    for (size_t len = 1; len < whole.len; len += 3) {
        struct raw mallory;
        raw_connect(&mallory, &rig);
        raw_upgrade(&mallory, DEFLATE_OFFER);
        raw_frame(&mallory, 0xc1, true, (struct slice){whole.ptr, len});
        assert_int_equal(raw_close_code(&mallory), 1007);
        raw_close(&mallory);
    }
    assert_int_equal(rig.messages, 0);
    buffer_done(&whole);
    rig_stop(&rig);
}

/* RFC 7692, section 7.1.1.2: so the server keeps no inflate state for an idle client. */
static void clients_are_told_to_keep_no_context(void **state) {
    struct rig rig;
    struct raw alice;
    struct buffer message = deflated("to be or not to be", 18);
    rig_start(&rig, &rig_settings);
    raw_connect(&alice, &rig);
    assert_int_equal(raw_ask(&alice, UPGRADE_HEAD DEFLATE_OFFER "\r\n"), 101);
    assert_non_null(strstr(alice.in.ptr, "client_no_context_takeover"));
    buffer_clear(&alice.in);
    for (int i = 0; i < 3; i++) {
        /* in two frames: only the first says that it is compressed */
        raw_frame(&alice, 0x41, true, (struct slice){message.ptr, 2});
        raw_frame(&alice, 0x80, true, slice_from(buffer_slice(&message), 2));
        expect_echo(&alice, 0x81, SLICE("to be or not to be"));
        raw_frame(&alice, 0xc1, true, buffer_slice(&message));
        expect_echo(&alice, 0x81, SLICE("to be or not to be"));
    }
    raw_frame(&alice, 0x01, true, SLICE("a"));
    raw_frame(&alice, 0xc0, true, SLICE("b"));
    assert_int_equal(raw_close_code(&alice), 1002);
    buffer_done(&message);
    raw_close(&alice);
    rig_stop(&rig);
}

/* A client with a smaller window than the shared frames gets uncompressed frames, but may still compress its own. */
static void a_smaller_window_is_promised_and_kept(void **state) {
    struct buffer message = deflated("to be or not to be", 18);
    for (unsigned bits = 8; bits <= 15; bits++) {
        struct rig rig;
        struct raw alice;
        char request[512], promise[64];
        rig_start(&rig, &rig_settings);
        raw_connect(&alice, &rig);
        snprintf(request, sizeof request,
                 UPGRADE_HEAD
                 "Sec-WebSocket-Extensions: x-unknown, permessage-deflate; server_max_window_bits=\"%u\"\r\n\r\n",
                 bits);
        assert_int_equal(raw_ask(&alice, request), 101);
        snprintf(promise, sizeof promise, "server_max_window_bits=%u\r\n", bits);
        assert_non_null(strstr(alice.in.ptr, promise));
        assert_int_equal(websocket_deflates(rig.conn), bits == 15);
        buffer_clear(&alice.in);
        raw_frame(&alice, 0xc1, true, buffer_slice(&message));
        expect_echo(&alice, 0x81, SLICE("to be or not to be"));
        raw_close(&alice);
        rig_stop(&rig);
    }
    buffer_done(&message);
}

static void frames_that_are_compressed_for_all_are_sent_as_they_are(void **state) {
    struct rig rig;
    struct raw alice;
    rig_start(&rig, &rig_settings);
    raw_connect(&alice, &rig);
    raw_upgrade(&alice,
                "Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover; "
                "server_no_context_takeover\r\n");
    assert_true(websocket_deflates(rig.conn));
    struct buffer payload = deflated("hello hello hello hello", 23), frame = {0}, plain = {0};
    struct inflater *inflater = inflater_new();
    websocket_writer_write(&frame, FRAME_TEXT, true, buffer_slice(&payload));
    for (int i = 0; i < 3; i++) {
        assert_true(websocket_write(rig.conn, buffer_slice(&frame)));
        struct raw_frame got = raw_next_frame(&alice);
        assert_int_equal(got.first, 0xc1);
        buffer_clear(&plain);
        assert_int_equal(inflater_add(inflater, got.payload, &plain, 100), INFLATE_OK);
        assert_int_equal(inflater_finish(inflater, &plain, 100), INFLATE_OK);
        assert_true(slice_is(buffer_slice(&plain), "hello hello hello hello"));
        raw_next(&alice, &got);
        raw_frame(&alice, 0xc1, true, buffer_slice(&payload));
        expect_echo(&alice, 0x81, SLICE("hello hello hello hello"));
    }
    inflater_free(&inflater);
    buffer_done(&plain);
    buffer_done(&payload);
    buffer_done(&frame);
    raw_close(&alice);
    rig_stop(&rig);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(compressed_messages_arrive_inflated_and_bombs_do_not),
        cmocka_unit_test(unsupported_windows_are_not_negotiated),
        cmocka_unit_test(a_compressed_message_that_is_cut_ends_only_its_connection),
        cmocka_unit_test(clients_are_told_to_keep_no_context),
        cmocka_unit_test(a_smaller_window_is_promised_and_kept),
        cmocka_unit_test(frames_that_are_compressed_for_all_are_sent_as_they_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
