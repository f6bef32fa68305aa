/* SPDX-License-Identifier: Apache-2.0 */
/* A packet is encoded once for each kind of client, and shared. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "wire/packet.h"
#include "wire/websocket_writer.h"

static struct packet *event(struct slice args, struct slice offset) {
    struct socketio_packet parts = {.type = SOCKETIO_EVENT, .namespace_name = SLICE("/"), .json = args};
    return packet_new(&parts, NULL, offset, PACKET_MESSAGE);
}

static void each_form_is_built_once(void **state) {
    char big[PACKET_DEFLATE_MIN + 16];
    memset(big, 'x', sizeof big);
    memcpy(big, "[\"", 2);
    memcpy(big + sizeof big - 2, "\"]", 2);
    struct packet *packet = event((struct slice){big, sizeof big}, SLICE_NONE), *mine = packet_ref(packet);
    for (int form = 0; form < PACKET_FORMS; form++) {
        struct slice first = packet_bytes(packet, (enum packet_form)form);
        struct slice second = packet_bytes(mine, (enum packet_form)form);
        assert_true(first.len > 0);
        assert_ptr_equal(first.ptr, second.ptr);
        assert_int_equal(first.len, second.len);
    }
    packet_unref(&mine);
    assert_null(mine);
    assert_true(packet_bytes(packet, PACKET_FRAME).len > sizeof big);
    packet_unref(&packet);
}

static void each_kind_of_client_gets_its_form(void **state) {
    struct slice bytes[] = {SLICE("\x01\x02")};
    struct packet *packet = event(SLICE("[\"a\",1]"), SLICE("o"));
    assert_true(slice_is(packet_bytes(packet, PACKET_FRAME),
                         "\x81\x09"
                         "42[\"a\",1]"));
    assert_true(slice_is(packet_bytes(packet, PACKET_FRAME_DEFLATED),
                         "\x81\x09"
                         "42[\"a\",1]")); /* too short */
    assert_true(slice_is(packet_bytes(packet, PACKET_POLL), "42[\"a\",1]"));
    assert_true(slice_is(packet_bytes(packet, PACKET_PLAIN),
                         "\x81\x27"
                         "{\"type\":\"event\",\"event\":\"a\",\"args\":[1]}"));
    packet_unref(&packet);
    struct socketio_packet parts = {.type = SOCKETIO_BINARY_EVENT,
                                    .namespace_name = SLICE("/n"),
                                    .attachments = 1,
                                    .json = SLICE("[\"b\",{\"_placeholder\":true,\"num\":0}]")};
    packet = packet_new(&parts, bytes, SLICE_NONE, PACKET_MESSAGE);
    assert_true(slice_is(packet_bytes(packet, PACKET_POLL),
                         "451-/n,[\"b\",{\"_placeholder\":true,\"num\":0}]\x1e"
                         "bAQI="));
    struct slice frames = packet_bytes(packet, PACKET_FRAME);
    assert_memory_equal(frames.ptr + frames.len - 4, "\x82\x02\x01\x02", 4);
    struct slice texts = packet_bytes(packet, PACKET_FRAME_BASE64);
    assert_memory_equal(texts.ptr, frames.ptr, frames.len - 4);
    assert_true(slice_is(slice_from(texts, frames.len - 4),
                         "\x81\x05"
                         "bAQI="));
    assert_int_equal(packet_bytes(packet, PACKET_PLAIN).len, 0);
    packet_unref(&packet);
    packet = packet_new_plain(SLICE("{}"));
    assert_int_equal(packet_bytes(packet, PACKET_FRAME).len, 0);
    assert_true(slice_is(packet_bytes(packet, PACKET_PLAIN), "\x81\x02{}"));
    packet_unref(&packet);
    packet = packet_new_binary(bytes[0]);
    assert_true(slice_is(packet_bytes(packet, PACKET_FRAME), "\x82\x02\x01\x02"));
    assert_true(slice_is(packet_bytes(packet, PACKET_POLL), "bAQI="));
    assert_true(slice_is(packet_bytes(packet, PACKET_FRAME_BASE64),
                         "\x81\x05"
                         "bAQI="));
    packet_unref(&packet);
}

static void who_asked_for_a_recovery_gets_the_offset_behind_the_arguments(void **state) {
    struct slice bytes[] = {SLICE("\x01\x02")};
    struct socketio_packet parts = {.type = SOCKETIO_BINARY_EVENT,
                                    .namespace_name = SLICE("/n"),
                                    .attachments = 1,
                                    .json = SLICE("[\"b\",{\"_placeholder\":true,\"num\":0}] ")};
    struct packet *packet = packet_new(&parts, bytes, SLICE("o"), PACKET_PRESENCE);
    packet_set_tag(packet, 7);
    struct packet *with_offset = packet_ref(packet_with_offset(packet));
    assert_ptr_equal(with_offset, packet_with_offset(packet));
    assert_true(slice_is(packet_bytes(packet, PACKET_POLL),
                         "451-/n,[\"b\",{\"_placeholder\":true,\"num\":0}] \x1e"
                         "bAQI="));
    packet_unref(&packet);
    assert_true(slice_is(packet_bytes(with_offset, PACKET_POLL),
                         "451-/n,[\"b\",{\"_placeholder\":true,\"num\":0},\"o\"]\x1e"
                         "bAQI="));
    assert_int_equal(packet_tag(with_offset), 7);
    assert_int_equal(packet_class_of(with_offset), PACKET_PRESENCE);
    packet_unref(&with_offset);
    packet = event(SLICE("[\"a\"]"), SLICE_NONE);
    assert_ptr_equal(packet_with_offset(packet), packet);
    packet_unref(&packet);
}

static void a_raw_endpoint_gets_messages_as_is_and_events_as_json(void **state) {
    struct slice bytes[] = {SLICE("\x01\x02")};
    static const struct {
        const char *json, *text;
    } rows[] = {
        {"[\"message\",\"a\\n\\u00e9\"]", "a\n\xc3\xa9"},
        {"[\"message\",\"\"]", ""},
        {"[\"message\",\"a\",\"b\"]", "{\"type\":\"event\",\"event\":\"message\",\"args\":[\"a\",\"b\"]}"},
        {"[\"message\",7]", "{\"type\":\"event\",\"event\":\"message\",\"args\":[7]}"},
        {"[\"news\",\"a\"]", "{\"type\":\"event\",\"event\":\"news\",\"args\":[\"a\"]}"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct packet *packet = event(slice_of(rows[i].json), SLICE("offset"));
        struct slice raw = packet_bytes(packet, PACKET_RAW);
        assert_int_equal((unsigned char)raw.ptr[0], 0x81);
        assert_true(slice_is(slice_from(raw, 2), rows[i].text));
        packet_unref(&packet);
    }
    struct socketio_packet parts = {.type = SOCKETIO_BINARY_EVENT,
                                    .namespace_name = SLICE("/"),
                                    .attachments = 1,
                                    .json = SLICE("[\"message\",{\"_placeholder\":true,\"num\":0}]")};
    struct packet *packet = packet_new(&parts, bytes, SLICE_NONE, PACKET_MESSAGE);
    assert_true(slice_is(packet_bytes(packet, PACKET_RAW), "\x82\x02\x01\x02"));
    packet_unref(&packet);
    packet = packet_new_raw(SLICE("4"), false);
    assert_true(slice_is(packet_bytes(packet, PACKET_RAW),
                         "\x81\x01"
                         "4"));
    for (int form = PACKET_FRAME; form < PACKET_RAW; form++)
        assert_int_equal(packet_bytes(packet, (enum packet_form)form).len, 0);
    packet_unref(&packet);
}

static void a_frames_head_has_the_shortest_length(void **state) {
    static const struct {
        size_t payload, head;
        unsigned char second;
    } rows[] = {{0, 2, 0}, {125, 2, 125}, {126, 4, 126}, {65535, 4, 126}, {65536, 10, 127}};
    static char zeros[65536];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buffer out = {0};
        websocket_writer_write(&out, FRAME_TEXT, false, (struct slice){zeros, rows[i].payload});
        assert_int_equal(out.len, rows[i].head + rows[i].payload);
        assert_int_equal((unsigned char)out.ptr[0], 0x81);
        assert_int_equal((unsigned char)out.ptr[1], rows[i].second);
        uint64_t len = 0;
        for (size_t at = 2; at < rows[i].head; at++) len = len << 8 | (unsigned char)out.ptr[at];
        if (rows[i].head > 2) assert_int_equal(len, rows[i].payload);
        buffer_done(&out);
    }
}

#define TEST(name) cmocka_unit_test(name)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(each_form_is_built_once),
        TEST(each_kind_of_client_gets_its_form),
        TEST(who_asked_for_a_recovery_gets_the_offset_behind_the_arguments),
        TEST(a_raw_endpoint_gets_messages_as_is_and_events_as_json),
        TEST(a_frames_head_has_the_shortest_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
