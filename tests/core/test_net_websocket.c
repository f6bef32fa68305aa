/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "limit/memory_budget.h"
#include "net/net_internal.h"
#include "net/websocket.h"
#include "support/net_rig.h"

#define SLICE_INIT(literal) \
    { literal, sizeof(literal) - 1 }

static void messages_of_all_sizes_and_cuts_arrive_whole(void **state) {
    struct rig rig;
    struct raw alice;
    static char big[90000];
    rig_start(&rig, &rig_settings);
    raw_connect(&alice, &rig);
    raw_upgrade(&alice, "");
    memset(big, 'x', sizeof big);
    size_t sizes[] = {0, 1, 125, 126, 1023, 1024, 1025, 4096, 65535, 65536, sizeof big};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct slice payload = {big, sizes[i]};
        raw_frame(&alice, 0x81, true, payload);
        expect_echo(&alice, 0x81, payload);
    }
    raw_frame(&alice, 0x82, true, SLICE("\xff\xfe"));
    expect_echo(&alice, 0x82, SLICE("\xff\xfe"));
    raw_frame(&alice, 0x01, true, SLICE("fragm"));
    raw_frame(&alice, 0x89, true, SLICE("between"));
    raw_frame(&alice, 0x00, true, SLICE(""));
    expect_echo(&alice, 0x8a, SLICE("between"));
    raw_frame(&alice, 0x80, true, SLICE("ents"));
    expect_echo(&alice, 0x81, SLICE("fragments"));
    assert_int_equal(rig.opened, 1);
    raw_close(&alice);
    RIG_UNTIL(&rig, rig.closed == 1);
    assert_int_equal(rig.close_code, 1006);
    rig_stop(&rig);
}

static unsigned messages_before_bob;

static void work_on_it(struct rig *rig, struct slice message) {
    uint64_t end_us = loop_clock_us(rig->loop) + 1000;
    if (slice_is(message, "bob")) messages_before_bob = rig->messages - 1;
    while (loop_clock_us(rig->loop) < end_us) continue;
}

/* A turn's slice is 10 ms, and each message takes one. */
static void a_client_with_much_input_does_not_block_others(void **state) {
    enum { MANY = 100 };
    struct rig rig;
    struct raw alice, bob;
    struct buffer frames = {0};
    rig_start(&rig, &rig_settings);
    rig.echo = false;
    raw_connect(&alice, &rig);
    raw_upgrade(&alice, "");
    raw_connect(&bob, &rig);
    raw_upgrade(&bob, "");
    rig.heard = work_on_it;
    for (int i = 0; i < MANY; i++) buffer_append(&frames, "\x81\x85\0\0\0\0alice", 11);
    raw_send(&alice, frames.ptr, frames.len);
    raw_frame(&bob, 0x81, true, SLICE("bob"));
    RIG_UNTIL(&rig, rig.messages == MANY + 1);
    assert_in_range(messages_before_bob, 0, MANY / 2);
    buffer_done(&frames);
    raw_close(&alice);
    raw_close(&bob);
    rig_stop(&rig);
}

static void a_refused_upgrade_gets_the_owners_answer(void **state) {
    struct rig rig;
    struct raw alice;
    rig_start(&rig, &rig_settings);
    rig.refuse_upgrades = true;
    raw_connect(&alice, &rig);
    assert_int_equal(raw_ask(&alice, UPGRADE_HEAD "\r\n"), 403);
    assert_non_null(strstr(alice.in.ptr, "\r\n\r\nForbidden"));
    RAW_UNTIL(&alice, alice.eof);
    assert_int_equal(rig.opened, 0);
    raw_close(&alice);
    rig_stop(&rig);
}

static const struct attack {
    const char *name;
    uint8_t first;
    bool masked;
    struct slice payload, then; /* then: a second frame's payload, first byte its head */
    int code;
} attacks[] = {
    {"no mask", 0x81, false, SLICE_INIT("a"), {0}, 1002},
    {"a ping without mask", 0x89, false, SLICE_INIT("a"), {0}, 1002},
    {"RSV1 without extension", 0xc1, true, SLICE_INIT("a"), {0}, 1002},
    {"RSV2", 0xa1, true, SLICE_INIT("a"), {0}, 1002},
    {"reserved opcode 3", 0x83, true, SLICE_INIT("a"), {0}, 1002},
    {"reserved opcode 11", 0x8b, true, SLICE_INIT("a"), {0}, 1002},
    {"fragmented ping", 0x09, true, SLICE_INIT("a"), {0}, 1002},
    {"ping of 126 bytes",
     0x89,
     true,
     SLICE_INIT("0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
                "01234567890123456789012345"),
     {0},
     1002},
    {"continuation of nothing", 0x80, true, SLICE_INIT("a"), {0}, 1002},
    {"text within a message", 0x01, true, SLICE_INIT("a"), SLICE_INIT("\x81z"), 1002},
    {"overlong UTF-8", 0x81, true, SLICE_INIT("\xc0\xaf"), {0}, 1007},
    {"surrogate", 0x81, true, SLICE_INIT("\xed\xa0\x80"), {0}, 1007},
    {"UTF-8 cut at the end", 0x81, true, SLICE_INIT("\xe2\x82"), {0}, 1007},
    {"UTF-8 broken over fragments", 0x01, true, SLICE_INIT("\xe2\x82"), SLICE_INIT("\x80z"), 1007},
    {"close code 1005", 0x88, true, SLICE_INIT("\x03\xed"), {0}, 1002},
    {"close code 999", 0x88, true, SLICE_INIT("\x03\xe7"), {0}, 1002},
    {"close with one byte", 0x88, true, SLICE_INIT("\x03"), {0}, 1002},
    {"close code 65535", 0x88, true, SLICE_INIT("\xff\xff"), {0}, 1002},
    {"close reason of 124 bytes",
     0x88,
     true,
     SLICE_INIT("\x03\xe8"
                "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
                "012345678901234567890123"),
     {0},
     1002},
    {"close reason that is no UTF-8", 0x88, true, SLICE_INIT("\x03\xe8\xc0\xaf"), {0}, 1002},
};

static int run_attack(const struct attack *attack, struct rig *rig) {
    struct raw mallory;
    print_message("%s\n", attack->name);
    raw_connect(&mallory, rig);
    raw_upgrade(&mallory, "");
    raw_frame(&mallory, attack->first, attack->masked, attack->payload);
    if (attack->then.len) raw_frame(&mallory, (uint8_t)attack->then.ptr[0], true, slice_from(attack->then, 1));
    int code = raw_close_code(&mallory);
    raw_close(&mallory);
    return code;
}

static void malformed_frames_close_with_their_code_and_reach_nobody(void **state) {
    for (size_t i = 0; i < sizeof attacks / sizeof *attacks; i++) {
        struct rig rig;
        rig_start(&rig, &rig_settings);
        int code = run_attack(&attacks[i], &rig);
        if (code != attacks[i].code)
            print_message("%s: closed with %d, not %d\n", attacks[i].name, code, attacks[i].code);
        if (rig.messages) fail_msg("%s: became a message", attacks[i].name);
        RIG_UNTIL(&rig, rig.closed == 1);
        rig_stop(&rig);
        assert_int_equal(code, attacks[i].code);
    }
}

static void a_message_over_the_limit_is_closed_before_it_is_held(void **state) {
    struct rig rig;
    struct raw alice;
    static char big[100001];
    rig_start(&rig, &rig_settings);
    raw_connect(&alice, &rig);
    raw_upgrade(&alice, "");
    raw_frame(&alice, 0x82, true, (struct slice){big, sizeof big});
    assert_int_equal(raw_close_code(&alice), 1009);
    assert_int_equal(rig.messages, 0);
    raw_close(&alice);
    /* a length of 2^62 announced */
    raw_connect(&alice, &rig);
    raw_upgrade(&alice, "");
    raw_send(&alice, "\x82\xff\x40\0\0\0\0\0\0\0\x12\x34\x56\x78zz", 16);
    assert_int_equal(raw_close_code(&alice), 1009);
    raw_close(&alice);
    /* and one that is negative */
    raw_connect(&alice, &rig);
    raw_upgrade(&alice, "");
    raw_send(&alice, "\x82\xff\x80\0\0\0\0\0\0\0\x12\x34\x56\x78zz", 16);
    RAW_UNTIL(&alice, alice.eof);
    assert_int_equal(rig.messages, 0);
    raw_close(&alice);
    rig_stop(&rig);
}

static void a_server_close_is_the_last_frame_and_tells_code_and_reason(void **state) {
    struct rig rig;
    struct raw alice;
    rig_start(&rig, &rig_settings);
    raw_connect(&alice, &rig);
    raw_upgrade(&alice, "");
    struct buffer frame = {0};
    websocket_writer_write(&frame, FRAME_TEXT, false, SLICE("last words"));
    websocket_write(rig.conn, buffer_slice(&frame));
    websocket_close(rig.conn, 1012, SLICE("restart"));
    websocket_write(rig.conn, buffer_slice(&frame)); /* too late: not sent */
    expect_echo(&alice, 0x81, SLICE("last words"));
    struct raw_frame close = raw_next_frame(&alice);
    assert_int_equal(close.first, 0x88);
    assert_memory_equal(close.payload.ptr, "\x03\xf4restart", 9);
    raw_next(&alice, &close);
    raw_frame(&alice, 0x88, true, SLICE("\x03\xf4"));
    RIG_UNTIL(&rig, rig.closed == 1);
    assert_int_equal(rig.close_code, 1012);
    RAW_UNTIL(&alice, alice.eof); /* our side ends first, with nothing after the Close frame */
    assert_int_equal(alice.in.len, 0);
    buffer_done(&frame);
    raw_close(&alice);
    rig_stop(&rig);
}

static void a_clients_close_is_echoed_and_told(void **state) {
    struct rig rig;
    struct raw alice;
    rig_start(&rig, &rig_settings);
    raw_connect(&alice, &rig);
    raw_upgrade(&alice, "");
    raw_frame(&alice, 0x88, true,
              SLICE("\x03\xe8"
                    "done"));
    assert_int_equal(raw_close_code(&alice), 1000);
    RIG_UNTIL(&rig, rig.closed == 1);
    assert_int_equal(rig.close_code, 1000);
    raw_close(&alice);
    rig_stop(&rig);
}

/* Numbered frames, each whole; the reader starts late and answers nothing. */
static void a_slow_reader_gets_every_byte_in_order(void **state) {
    enum { FRAMES = 50000, SIZE = 1000 };
    struct rig rig;
    struct raw alice;
    static char payload[SIZE];
    int small = 65536;
    rig_start(&rig, &rig_settings);
    raw_connect(&alice, &rig);
    setsockopt(alice.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    raw_upgrade(&alice, "");
    unsigned sent = 0, got = 0;
    int64_t deadline = rig_now_ms() + 60000;
    while (got < FRAMES && rig_now_ms() < deadline) {
        while (sent < FRAMES && !websocket_blocked(rig.conn)) {
            struct buffer frame = {0};
            memcpy(payload, &sent, sizeof sent);
            websocket_writer_write(&frame, FRAME_BINARY, false, (struct slice){payload, SIZE});
            websocket_write(rig.conn, buffer_slice(&frame));
            buffer_done(&frame);
            if (++sent % 5000 == 0) raw_frame(&alice, 0x89, true, SLICE("ping"));
        }
        loop_turn(rig.loop);
        raw_read(&alice);
        for (struct raw_frame frame; raw_peek_frame(&alice, &frame); raw_next(&alice, &frame)) {
            if (frame.first == 0x8a) continue;
            assert_int_equal(frame.first, 0x82);
            assert_int_equal(frame.payload.len, SIZE);
            assert_memory_equal(frame.payload.ptr, &got, sizeof got);
            got++;
        }
        assert_false(alice.eof);
    }
    assert_int_equal(got, FRAMES);
    assert_true(rig.drained > 0);
    raw_close(&alice);
    rig_stop(&rig);
}

static void fill(struct rig *rig) {
    static char payload[60000];
    struct buffer frame = {0};
    websocket_writer_write(&frame, FRAME_BINARY, false, (struct slice){payload, sizeof payload});
    while (websocket_write(rig->conn, buffer_slice(&frame))) continue;
    buffer_done(&frame);
}

static void a_reader_that_never_reads_is_cut(void **state) {
    struct rig rig;
    struct raw alice;
    rig_start(&rig, &rig_settings);
    raw_connect(&alice, &rig);
    raw_upgrade(&alice, "");
    fill(&rig);
    int64_t start = rig_now_ms();
    websocket_close(rig.conn, 1013, SLICE("slow"));
    RIG_UNTIL(&rig, rig.closed == 1);
    assert_true(rig_now_ms() - start < WEBSOCKET_CLOSE_MS + 2000);
    raw_close(&alice);
    rig_stop(&rig);
}

static void a_close_behind_a_backlog_comes_after_it(void **state) {
    struct rig rig;
    struct raw alice;
    rig_start(&rig, &rig_settings);
    raw_connect(&alice, &rig);
    raw_upgrade(&alice, "");
    fill(&rig);
    websocket_close(rig.conn, 1001, SLICE_NONE);
    assert_int_equal(raw_close_code(&alice), 1001);
    raw_close(&alice);
    rig_stop(&rig);
}

static void reading_pauses_and_goes_on(void **state) {
    struct rig rig;
    struct raw alice;
    rig_start(&rig, &rig_settings);
    raw_connect(&alice, &rig);
    raw_upgrade(&alice, "");
    websocket_pause(rig.conn, true);
    raw_frame(&alice, 0x81, true, SLICE("patience"));
    int64_t until = rig_now_ms() + 100;
    RIG_UNTIL(&rig, rig_now_ms() > until);
    assert_int_equal(rig.messages, 0);
    websocket_pause(rig.conn, false);
    expect_echo(&alice, 0x81, SLICE("patience"));
    raw_close(&alice);
    rig_stop(&rig);
}

static void settings_of_a_reload_hold_for_new_connections(void **state) {
    struct rig rig;
    struct raw alice, bob;
    struct error error;
    struct net_settings smaller = rig_settings;
    smaller.max_message_bytes = 10;
    rig_start(&rig, &rig_settings);
    raw_connect(&alice, &rig);
    raw_upgrade(&alice, "");
    assert_true(rig_reload(&rig, &smaller, &error));
    struct conn *conn = rig.conn;
    raw_frame(&alice, 0x81, true, SLICE("longer than ten"));
    expect_echo(&alice, 0x81, SLICE("longer than ten"));
    raw_connect(&bob, &rig);
    raw_upgrade(&bob, "");
    raw_frame(&bob, 0x81, true, SLICE("longer than ten"));
    assert_int_equal(raw_close_code(&bob), 1009);
    raw_close(&bob);
    RIG_UNTIL(&rig, rig.closed == 1);
    rig.conn = conn;
    raw_frame(&alice, 0x81, true, SLICE("still here, as before"));
    expect_echo(&alice, 0x81, SLICE("still here, as before"));
    raw_close(&alice);
    rig_stop(&rig);
}

static void who_came_before_a_reload_takes_nobody_along(void **state) {
    struct rig rig;
    struct raw people[4];
    struct error error;
    rig_start(&rig, &rig_settings);
    for (unsigned i = 0; i < 4; i++) {
        raw_connect(&people[i], &rig);
        raw_upgrade(&people[i], "");
        assert_true(rig_reload(&rig, &rig_settings, &error));
    }
    static const unsigned order[] = {1, 0, 2};
    for (unsigned i = 0; i < 3; i++) {
        struct raw late;
        raw_close(&people[order[i]]);
        RIG_UNTIL(&rig, rig.closed == 2 * i + 1);
        raw_connect(&late, &rig);
        raw_upgrade(&late, "");
        raw_frame(&late, 0x81, true, SLICE("late"));
        expect_echo(&late, 0x81, SLICE("late"));
        raw_close(&late);
        RIG_UNTIL(&rig, rig.closed == 2 * i + 2);
    }
    RIG_UNTIL(&rig, net_server_connections(rig.server) == 1);
    raw_frame(&people[3], 0x89, true, SLICE("?"));
    struct raw_frame pong = raw_next_frame(&people[3]);
    assert_int_equal(pong.first, 0x8a);
    raw_close(&people[3]);
    rig_stop(&rig);
}

static void messages_that_never_end_hold_no_more_than_the_budget(void **state) {
    enum { CLIENTS = 20, HALF = 50000 };
    static char half[HALF];
    struct rig rig;
    struct raw mallory[CLIENTS], bob;
    struct net_settings settings = rig_settings;
    settings.inbound = memory_budget_new(4 * HALF);
    rig_start(&rig, &settings);
    rig.echo = false;
    raw_connect(&bob, &rig);
    raw_upgrade(&bob, "");
    int64_t rejected = metric_get(METRIC_REJECTED, "inbound_budget");
    for (int i = 0; i < CLIENTS; i++) {
        raw_connect(&mallory[i], &rig);
        raw_upgrade(&mallory[i], "");
        raw_frame(&mallory[i], 0x02, true, (struct slice){half, sizeof half});
    }
    assert_int_equal(raw_close_code(&mallory[CLIENTS - 1]), 1013);
    RIG_UNTIL(&rig, rig.closed >= CLIENTS - 4);
    assert_int_equal(metric_get(METRIC_REJECTED, "inbound_budget"), rejected + rig.closed);
    /* while the others still hold what they may, the rest is served */
    raw_frame(&mallory[0], 0x80, true, (struct slice){half, 100});
    RIG_UNTIL(&rig, rig.messages == 1);
    raw_frame(&bob, 0x01, true, SLICE("in "));
    raw_frame(&bob, 0x80, true, SLICE("pieces"));
    RIG_UNTIL(&rig, rig.messages == 2);
    assert_true(slice_is(buffer_slice(&rig.received), "in pieces"));
    for (int i = 0; i < CLIENTS; i++) raw_close(&mallory[i]);
    raw_close(&bob);
    rig_stop(&rig);
    memory_budget_free(&settings.inbound);
}

/* Mallory reads nothing; the kernel takes a part of it. */
static void what_is_not_taken_holds_no_more_than_the_budget(void **state) {
    enum { BIG = 32 << 20 };
    struct rig rig;
    struct raw mallory, bob;
    struct net_settings settings = rig_settings;
    char *big = memory_new(BIG);
    settings.outbound = memory_budget_new(BIG);
    rig_start(&rig, &settings);
    raw_connect(&mallory, &rig);
    raw_upgrade(&mallory, "");
    int64_t rejected = metric_get(METRIC_REJECTED, "outbound_budget");
    struct buffer frame = {0};
    websocket_writer_write(&frame, FRAME_BINARY, false, (struct slice){big, BIG});
    assert_false(websocket_write(rig.conn, buffer_slice(&frame))); /* less than all of it is left */
    memory_budget_set_max(settings.outbound, 100000);
    RIG_UNTIL(&rig, rig.closed == 1);
    assert_int_equal(metric_get(METRIC_REJECTED, "outbound_budget"), rejected + 1);
    raw_connect(&bob, &rig);
    raw_upgrade(&bob, "");
    raw_frame(&bob, 0x81, true, SLICE("still here"));
    expect_echo(&bob, 0x81, SLICE("still here"));
    raw_close(&mallory);
    raw_close(&bob);
    rig_stop(&rig);
    memory_budget_free(&settings.outbound);
    buffer_done(&frame);
    free(big);
}

/* Also compressed messages of which only a few bytes have arrived: an inflater takes memory, too. */
static void compressed_messages_that_never_end_hold_no_more_than_the_budget(void **state) {
    enum { CLIENTS = 20 };
    struct rig rig;
    struct raw mallory[CLIENTS];
    struct net_settings settings = rig_settings;
    settings.inbound = memory_budget_new(200000);
    rig_start(&rig, &settings);
    for (int i = 0; i < CLIENTS; i++) {
        raw_connect(&mallory[i], &rig);
        raw_upgrade(&mallory[i], "Sec-WebSocket-Extensions: permessage-deflate\r\n");
        raw_frame(&mallory[i], 0x42, true, SLICE("\x4a"));
    }
    assert_int_equal(raw_close_code(&mallory[CLIENTS - 1]), 1013);
    RIG_UNTIL(&rig, rig.closed >= CLIENTS - 5);
    for (int i = 0; i < CLIENTS; i++) raw_close(&mallory[i]);
    rig_stop(&rig);
    memory_budget_free(&settings.inbound);
}

static void a_connection_at_rest_keeps_nothing_of_what_it_said(void **state) {
    static char big[90000];
    struct rig rig;
    struct raw alice;
    rig_start(&rig, &rig_settings);
    raw_connect(&alice, &rig);
    raw_upgrade(&alice, "Sec-WebSocket-Extensions: permessage-deflate\r\n");
    for (int compressed = 0; compressed < 2; compressed++) {
        unsigned before = rig.messages;
        raw_frame(&alice, compressed ? 0x42 : 0x02, true, compressed ? SLICE("\x4a") : (struct slice){big, sizeof big});
        raw_frame(&alice, 0x80, true, compressed ? SLICE("\x04\x00") : SLICE("end"));
        RIG_UNTIL(&rig, rig.messages == before + 1);
        while (loop_turn(rig.loop)) continue;
        assert_null(rig.conn->in.inbound.message);
        assert_null(rig.conn->unfinished);
    }
    raw_close(&alice);
    rig_stop(&rig);
}

static void fragments_without_end_are_too_many(void **state) {
    struct rig rig;
    struct raw mallory;
    rig_start(&rig, &rig_settings);
    raw_connect(&mallory, &rig);
    raw_upgrade(&mallory, "");
    raw_frame(&mallory, 0x01, true, SLICE(""));
    for (int i = 0; i < 3000 && !rig.closed; i++) raw_frame(&mallory, 0x00, true, SLICE(""));
    assert_int_equal(raw_close_code(&mallory), 1009);
    raw_close(&mallory);
    rig_stop(&rig);
}

static void a_flood_of_pings_is_answered_up_to_its_rate_then_closed(void **state) {
    struct rig rig;
    struct raw mallory;
    rig_start(&rig, &rig_settings);
    raw_connect(&mallory, &rig);
    raw_upgrade(&mallory, "");
    unsigned pongs = 0;
    int code = 0;
    while (!code && pongs < 5000) {
        raw_frame(&mallory, 0x89, true, SLICE("p"));
        struct raw_frame frame = raw_next_frame(&mallory);
        if (frame.len == 0) break;
        if (frame.first == 0x8a) pongs++;
        if (frame.first == 0x88) code = (uint8_t)frame.payload.ptr[0] << 8 | (uint8_t)frame.payload.ptr[1];
        raw_next(&mallory, &frame);
    }
    assert_int_equal(code, 1008);
    assert_in_range(pongs, 50, 1000);
    raw_close(&mallory);
    rig_stop(&rig);
}

static void a_clients_close_while_it_is_behind_is_echoed_after_the_backlog(void **state) {
    struct rig rig;
    struct raw alice;
    rig_start(&rig, &rig_settings);
    raw_connect(&alice, &rig);
    raw_upgrade(&alice, "");
    fill(&rig);
    raw_frame(&alice, 0x88, true,
              SLICE("\x03\xe8"
                    "done"));
    int64_t until = rig_now_ms() + 100;
    RIG_UNTIL(&rig, rig_now_ms() > until);
    struct raw_frame frame;
    while ((frame = raw_next_frame(&alice)).first == 0x82) raw_next(&alice, &frame);
    assert_int_equal(frame.first, 0x88);
    assert_int_equal(frame.payload.len, 6);
    assert_memory_equal(frame.payload.ptr,
                        "\x03\xe8"
                        "done",
                        6);
    raw_next(&alice, &frame);
    assert_int_equal(alice.in.len, 0);
    RIG_UNTIL(&rig, rig.closed == 1);
    assert_int_equal(rig.close_code, 1000);
    raw_close(&alice);
    rig_stop(&rig);
}

static void a_peer_that_misbehaves_after_our_close_is_not_awaited(void **state) {
    struct rig rig;
    struct raw mallory;
    rig_start(&rig, &rig_settings);
    raw_connect(&mallory, &rig);
    raw_upgrade(&mallory, "");
    websocket_close(rig.conn, 1000, SLICE_NONE);
    assert_int_equal(raw_close_code(&mallory), 1000);
    int64_t began_ms = rig_now_ms();
    raw_frame(&mallory, 0x81, false, SLICE("no mask"));
    RAW_UNTIL(&mallory, mallory.eof);
    assert_true(rig_now_ms() - began_ms < WEBSOCKET_CLOSE_MS / 2);
    assert_int_equal(rig.close_code, 1000);
    raw_close(&mallory);
    rig_stop(&rig);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_of_all_sizes_and_cuts_arrive_whole),
        cmocka_unit_test(a_client_with_much_input_does_not_block_others),
        cmocka_unit_test(a_refused_upgrade_gets_the_owners_answer),
        cmocka_unit_test(malformed_frames_close_with_their_code_and_reach_nobody),
        cmocka_unit_test(a_message_over_the_limit_is_closed_before_it_is_held),
        cmocka_unit_test(a_server_close_is_the_last_frame_and_tells_code_and_reason),
        cmocka_unit_test(a_clients_close_is_echoed_and_told),
        cmocka_unit_test(a_slow_reader_gets_every_byte_in_order),
        cmocka_unit_test(a_reader_that_never_reads_is_cut),
        cmocka_unit_test(a_close_behind_a_backlog_comes_after_it),
        cmocka_unit_test(reading_pauses_and_goes_on),
        cmocka_unit_test(messages_that_never_end_hold_no_more_than_the_budget),
        cmocka_unit_test(what_is_not_taken_holds_no_more_than_the_budget),
        cmocka_unit_test(compressed_messages_that_never_end_hold_no_more_than_the_budget),
        cmocka_unit_test(a_connection_at_rest_keeps_nothing_of_what_it_said),
        cmocka_unit_test(a_peer_that_misbehaves_after_our_close_is_not_awaited),
        cmocka_unit_test(fragments_without_end_are_too_many),
        cmocka_unit_test(a_flood_of_pings_is_answered_up_to_its_rate_then_closed),
        cmocka_unit_test(a_clients_close_while_it_is_behind_is_echoed_after_the_backlog),
        cmocka_unit_test(settings_of_a_reload_hold_for_new_connections),
        cmocka_unit_test(who_came_before_a_reload_takes_nobody_along),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
