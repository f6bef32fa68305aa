/* SPDX-License-Identifier: Apache-2.0 */
/* Engine.IO and Socket.IO packets, read and written as the reference parsers do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "wire/engineio.h"
#include "wire/socketio.h"

static struct buffer scratch, out;

static int tear_down(void **state) {
    buffer_done(&scratch);
    buffer_done(&out);
    return 0;
}

static void assert_written(const char *expected) {
    if (!slice_is(buffer_slice(&out), expected)) fail_msg("%.*s", (int)out.len, out.ptr);
    buffer_clear(&out);
}

/* Engine.IO. */

static void a_message_is_its_type_and_its_body(void **state) {
    struct engineio_packet packet;
    assert_true(engineio_decode(SLICE("4hello"), false, &scratch, &packet));
    assert_true(packet.type == ENGINEIO_MESSAGE && !packet.binary && slice_is(packet.body, "hello"));
    assert_true(engineio_decode(SLICE("2probe"), false, &scratch, &packet));
    assert_true(packet.type == ENGINEIO_PING && slice_is(packet.body, "probe"));
    assert_true(engineio_decode(SLICE("\x01\xFF"), true, &scratch, &packet));
    assert_true(packet.type == ENGINEIO_MESSAGE && packet.binary && packet.body.len == 2);
    assert_true(engineio_decode(SLICE("bAf8="), false, &scratch, &packet));
    assert_true(packet.type == ENGINEIO_MESSAGE && packet.binary && slice_is(packet.body, "\x01\xFF"));
    assert_false(engineio_decode(SLICE(""), false, &scratch, &packet));
    assert_false(engineio_decode(SLICE("7"), false, &scratch, &packet));
    assert_false(engineio_decode(SLICE("abc"), false, &scratch, &packet));
}

static void a_payload_is_read_packet_by_packet_until_the_first_bad_one(void **state) {
    static const struct {
        struct slice body;
        unsigned good;
        bool ends; /* else it fails */
    } rows[] = {
        {SLICE("4a"), 1, true},
        {SLICE("4a\x1e"
               "2\x1e"
               "bAQI="),
         3, true},
        {SLICE("4"), 1, true},
        {SLICE("bAAAAAAAAAAAAAA==\n\x1e"
               "bAQI\x1e"
               "b-_8"),
         3, true},
        {SLICE(""), 0, false},
        {SLICE("\x1e"), 0, false},
        {SLICE("4a\x1e"), 1, false},
        {SLICE("4a\x1e"
               "x\x1e"
               "4b"),
         1, false},
        {SLICE("4a\x1e"
               "b*"),
         1, false},
        {SLICE("4\xFF"), 0, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct engineio_payload payload;
        struct engineio_packet packet;
        enum engineio_step step;
        unsigned good = 0;
        engineio_payload_init(&payload, rows[i].body);
        while ((step = engineio_payload_next(&payload, &scratch, &packet)) == ENGINEIO_PACKET) good++;
        assert_int_equal(good, rows[i].good);
        assert_int_equal(step, rows[i].ends ? ENGINEIO_END : ENGINEIO_ERROR);
        assert_int_equal(engineio_payload_next(&payload, &scratch, &packet), ENGINEIO_END);
    }
}

static void packets_of_a_payload_are_limited(void **state) {
    struct engineio_payload payload;
    struct engineio_packet packet;
    enum engineio_step step;
    unsigned good = 0;
    for (int i = 0; i <= ENGINEIO_PACKETS_MAX; i++) engineio_payload_add(&out, SLICE("4"));
    engineio_payload_init(&payload, buffer_slice(&out));
    while ((step = engineio_payload_next(&payload, &scratch, &packet)) == ENGINEIO_PACKET) good++;
    assert_int_equal(good, ENGINEIO_PACKETS_MAX);
    assert_int_equal(step, ENGINEIO_ERROR);
}

static void a_payload_is_written_as_it_is_read(void **state) {
    engineio_payload_add(&out, SLICE("4a"));
    engineio_payload_add_binary(&out, SLICE("\x01\x02"));
    assert_written(
        "4a\x1e"
        "bAQI=");
}

static void the_open_packet_has_its_five_keys(void **state) {
    struct engineio_open open = {SLICE("abc"), true, 300, 200, 1000000};
    engineio_write_open(&out, &open);
    assert_written(
        "0{\"sid\":\"abc\",\"upgrades\":[\"websocket\"],\"pingInterval\":300,\"pingTimeout\":200,"
        "\"maxPayload\":1000000}");
    open.upgrade_to_websocket = false;
    engineio_write_open(&out, &open);
    assert_written(
        "0{\"sid\":\"abc\",\"upgrades\":[],\"pingInterval\":300,\"pingTimeout\":200,\"maxPayload\":1000000}");
    engineio_write_error(&out, ENGINEIO_UNKNOWN_SID);
    assert_written("{\"code\":1,\"message\":\"Session ID unknown\"}");
}

/* Socket.IO. */

static void what_a_client_says_is_read_and_written_back_unchanged(void **state) {
    static const struct {
        const char *text;
        enum socketio_type type;
        const char *namespace_name, *json;
        int id; /* -1: none */
        unsigned attachments;
    } rows[] = {
        {"0", SOCKETIO_CONNECT, "/", "", -1, 0},
        {"0{\"token\":\"x\"}", SOCKETIO_CONNECT, "/", "{\"token\":\"x\"}", -1, 0},
        {"0/admin,", SOCKETIO_CONNECT, "/admin", "", -1, 0},
        {"0/admin?a=b,{}", SOCKETIO_CONNECT, "/admin?a=b", "{}", -1, 0},
        {"1", SOCKETIO_DISCONNECT, "/", "", -1, 0},
        {"1/admin,", SOCKETIO_DISCONNECT, "/admin", "", -1, 0},
        {"2[\"hey\",\"Jude\"]", SOCKETIO_EVENT, "/", "[\"hey\",\"Jude\"]", -1, 0},
        {"20[\"hey\"]", SOCKETIO_EVENT, "/", "[\"hey\"]", 0, 0},
        {"2/admin,456[\"project:delete\",123]", SOCKETIO_EVENT, "/admin", "[\"project:delete\",123]", 456, 0},
        {"2[1,2]", SOCKETIO_EVENT, "/", "[1,2]", -1, 0},
        {"3/admin,456[]", SOCKETIO_ACK, "/admin", "[]", 456, 0},
        {"51-[\"hello\",{\"_placeholder\":true,\"num\":0}]", SOCKETIO_BINARY_EVENT, "/",
         "[\"hello\",{\"_placeholder\":true,\"num\":0}]", -1, 1},
        {"62-/admin,7[{\"_placeholder\":true,\"num\":1},[{\"_placeholder\":true,\"num\":0}]]", SOCKETIO_BINARY_ACK,
         "/admin", "[{\"_placeholder\":true,\"num\":1},[{\"_placeholder\":true,\"num\":0}]]", 7, 2},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct socketio_packet packet;
        if (!socketio_decode(slice_of(rows[i].text), &packet)) fail_msg("%s", rows[i].text);
        assert_int_equal(packet.type, rows[i].type);
        assert_true(slice_is(packet.namespace_name, rows[i].namespace_name));
        assert_true(slice_is(packet.json, rows[i].json));
        assert_int_equal(packet.has_id, rows[i].id >= 0);
        if (packet.has_id) assert_int_equal(packet.id, rows[i].id);
        assert_int_equal(packet.attachments, rows[i].attachments);
        socketio_encode(&out, &packet);
        assert_written(rows[i].text);
    }
    struct socketio_packet packet;
    assert_true(socketio_decode(SLICE("0/admin"), &packet)); /* the comma may be left out at the end */
    assert_true(slice_is(packet.namespace_name, "/admin"));
}

static void assert_parse_errors(const char *const *rows, size_t len) {
    for (size_t i = 0; i < len; i++) {
        struct socketio_packet packet;
        if (socketio_decode(slice_of(rows[i]), &packet)) fail_msg("%s", rows[i]);
    }
}
#define PARSE_ERRORS(rows) assert_parse_errors(rows, sizeof rows / sizeof *rows)

static void payloads_have_the_form_of_their_type(void **state) {
    static const char *const rows[] = {
        "",
        "7",
        "abc",
        "x[\"a\"]",
        "0[]",
        "0\"x\"",
        "1{}",
        "4[]",
        "2",
        "2{}",
        "2[]",
        "2[null]",
        "2[{}]",
        "2[{\"toString\":1}]",
        "2[[\"a\"]]",
        "2[true]",
        "3{}",
        "2[\"a\"",
        "2[\"a\"]x",
        "2abc[\"a\"]",
        "2-1[\"a\"]",
        "242",
        "218446744073709551616[\"a\"]",
        "24299999999999999999999[\"a\"]",
    };
    PARSE_ERRORS(rows);
}

/* Some clients leave the list out of an empty acknowledgement. */
static void an_acknowledgement_without_a_list_acknowledges_with_nothing(void **state) {
    struct socketio_packet packet;
    assert_true(socketio_decode(SLICE("3/admin,7"), &packet));
    assert_true(packet.type == SOCKETIO_ACK && packet.id == 7 && slice_is(packet.json, "[]"));
    assert_false(socketio_decode(SLICE("61-7"), &packet));
}

/* In any spelling. */
static void names_that_are_socket_ios_own_are_refused(void **state) {
    static const char *const rows[] = {
        "2[\"connect\"]",       "2[\"connect_error\"]",
        "2[\"disconnect\"]",    "2[\"disconnecting\"]",
        "2[\"newListener\"]",   "2[\"removeListener\"]",
        "2[\"\\u0063onnect\"]", "51-[\"connect\",{\"_placeholder\":true,\"num\":0}]",
    };
    PARSE_ERRORS(rows);
}

static void placeholders_are_those_that_were_announced(void **state) {
    static const char *const rows[] = {
        "5[\"a\"]",
        "5-[\"a\"]",
        "50-[\"a\"]",
        "511-[\"a\"]",
        "54294967297-[\"a\",{\"_placeholder\":true,\"num\":0}]",
        "51[\"a\",{\"_placeholder\":true,\"num\":0}]",
        "51-[\"a\"]",
        "51-[\"a\",{\"_placeholder\":true}]",
        "51-[\"a\",{\"_placeholder\":true,\"num\":1}]",
        "51-[\"a\",{\"_placeholder\":true,\"num\":-1}]",
        "51-[\"a\",{\"_placeholder\":true,\"num\":0.0}]",
        "51-[\"a\",{\"_placeholder\":true,\"num\":\"0\"}]",
        "51-[\"a\",{\"_placeholder\":true,\"num\":1e9}]",
        "52-[\"a\",{\"_placeholder\":true,\"num\":0},{\"_placeholder\":true,\"num\":0}]",
        "52-[\"a\",{\"_placeholder\":true,\"num\":1}]",
    };
    PARSE_ERRORS(rows);
}

static void names_are_bounded(void **state) {
    struct socketio_packet packet;
    for (int over = 0; over < 2; over++) {
        buffer_clear(&out);
        buffer_append_str(&out, "0/");
        for (int i = 1; i < SOCKETIO_NAMESPACE_MAX + over; i++) buffer_append_char(&out, 'n');
        assert_int_equal(socketio_decode(buffer_slice(&out), &packet), !over);
        buffer_clear(&out);
        buffer_append_str(&out, "2[\"");
        for (int i = 0; i < SOCKETIO_EVENT_NAME_MAX + over; i++) buffer_append_char(&out, 'e');
        buffer_append_str(&out, "\"]");
        assert_int_equal(socketio_decode(buffer_slice(&out), &packet), !over);
    }
}

#define TEST(name) cmocka_unit_test_teardown(name, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_message_is_its_type_and_its_body),
        TEST(a_payload_is_read_packet_by_packet_until_the_first_bad_one),
        TEST(packets_of_a_payload_are_limited),
        TEST(a_payload_is_written_as_it_is_read),
        TEST(the_open_packet_has_its_five_keys),
        TEST(what_a_client_says_is_read_and_written_back_unchanged),
        TEST(payloads_have_the_form_of_their_type),
        TEST(an_acknowledgement_without_a_list_acknowledges_with_nothing),
        TEST(names_that_are_socket_ios_own_are_refused),
        TEST(placeholders_are_those_that_were_announced),
        TEST(names_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
