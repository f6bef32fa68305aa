/* Compressed WebSocket messages (RFC 7692), over a real socket. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <zlib.h>

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
    assert_true(conn_deflates(rig.conn));
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

/* Row 20. */
static void windows_that_are_not_ours_are_not_negotiated(void **state) {
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
        if (conn_deflates(rig.conn)) fail_msg("%s", offers[i]);
        raw_close(&alice);
        rig_stop(&rig);
    }
}

/* The cuts leave output waiting in zlib, which ends a process whose libwebsockets 4.1.6 inflates. */
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

static void compressed_messages_may_build_on_earlier_ones(void **state) {
    struct rig rig;
    struct raw alice;
    z_stream zip = {0};
    rig_start(&rig, &rig_settings);
    raw_connect(&alice, &rig);
    raw_upgrade(&alice, DEFLATE_OFFER);
    deflateInit2(&zip, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY);
    for (int i = 0; i < 3; i++) {
        char out[256];
        zip.next_in = (Bytef *)"to be or not to be";
        zip.avail_in = 18;
        zip.next_out = (Bytef *)out;
        zip.avail_out = sizeof out;
        deflate(&zip, Z_SYNC_FLUSH);
        struct slice message = {out, sizeof out - zip.avail_out - 4};
        /* in two frames: only the first says that it is compressed */
        raw_frame(&alice, 0x41, true, (struct slice){message.ptr, 2});
        raw_frame(&alice, 0x80, true, slice_from(message, 2));
        expect_echo(&alice, 0x81, SLICE("to be or not to be"));
    }
    deflateEnd(&zip);
    raw_frame(&alice, 0x01, true, SLICE("a"));
    raw_frame(&alice, 0xc0, true, SLICE("b"));
    assert_int_equal(raw_close_code(&alice), 1002);
    raw_close(&alice);
    rig_stop(&rig);
}

static void frames_that_are_compressed_for_all_are_sent_as_they_are(void **state) {
    struct rig rig;
    struct raw alice;
    rig_start(&rig, &rig_settings);
    raw_connect(&alice, &rig);
    raw_upgrade(&alice,
                "Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover; "
                "server_no_context_takeover\r\n");
    assert_true(conn_deflates(rig.conn));
    struct buffer payload = deflated("hello hello hello hello", 23), frame = {0}, plain = {0};
    struct inflater *inflater = inflater_new();
    frame_write(&frame, FRAME_TEXT, true, buffer_slice(&payload));
    for (int i = 0; i < 3; i++) {
        assert_true(conn_write(rig.conn, buffer_slice(&frame)));
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
        cmocka_unit_test(windows_that_are_not_ours_are_not_negotiated),
        cmocka_unit_test(a_compressed_message_that_is_cut_ends_only_its_connection),
        cmocka_unit_test(compressed_messages_may_build_on_earlier_ones),
        cmocka_unit_test(frames_that_are_compressed_for_all_are_sent_as_they_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
