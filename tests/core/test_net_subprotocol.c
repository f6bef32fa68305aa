/* SPDX-License-Identifier: Apache-2.0 */
/* What a client negotiates for one connection: its subprotocol (RFC 6455, section 4.2.2), its limits, and how its end
 * is told. */
#include "net/websocket.h"
#include "support/net_rig.h"

static const char *const ours[] = {"v2", "v1"};

/* The subprotocol in the answer; "": none. */
static const char *chosen(struct raw *raw) {
    static char name[64];
    name[0] = '\0';
    const char *at = strstr(raw->in.ptr, "sec-websocket-protocol: ");
    if (at) sscanf(at, "sec-websocket-protocol: %63[^\r]", name);
    return name;
}

static void the_first_of_the_clients_subprotocols_that_is_listed_is_chosen(void **state) {
    static const struct {
        const char *headers, *chosen;
    } rows[] = {
        {"", ""},
        {"Sec-WebSocket-Protocol: v1\r\n", "v1"},
        {"Sec-WebSocket-Protocol: v3, v1, v2\r\n", "v1"},
        {"Sec-WebSocket-Protocol: v3,, v2 ,v1\r\n", "v2"},
        {"Sec-WebSocket-Protocol: v3\r\nSec-WebSocket-Protocol: v4,v1\r\nsec-websocket-protocol: v2\r\n", "v1"},
        {"Sec-WebSocket-Protocol: v3\r\n", ""},
        {"Sec-WebSocket-Protocol: V1, v11, v\r\n", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct rig rig;
        struct raw alice;
        char request[1024];
        rig_start(&rig, &rig_settings);
        rig.protocols = ours;
        rig.protocols_len = 2;
        raw_connect(&alice, &rig);
        snprintf(request, sizeof request, "%s%s\r\n", UPGRADE_HEAD, rows[i].headers);
        assert_int_equal(raw_ask(&alice, request), 101);
        assert_string_equal(chosen(&alice), rows[i].chosen);
        raw_close(&alice);
        rig_stop(&rig);
    }
}

static void a_subprotocol_that_is_no_token_is_refused(void **state) {
    static const char *const rows[] = {"a b", "v1, \"x\"", "v1; q=1", "v1,(v2)"};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct rig rig;
        struct raw eve;
        char request[1024];
        rig_start(&rig, &rig_settings);
        raw_connect(&eve, &rig);
        snprintf(request, sizeof request, "%sSec-WebSocket-Protocol: %s\r\n\r\n", UPGRADE_HEAD, rows[i]);
        assert_int_equal(raw_ask(&eve, request), 400);
        raw_close(&eve);
        rig_stop(&rig);
    }
}

static void a_connection_may_have_limits_of_its_own(void **state) {
    struct rig rig;
    struct raw alice;
    static char big[150000];
    rig_start(&rig, &rig_settings);
    rig.max_message_bytes = sizeof big;
    rig.never_deflates = true;
    raw_connect(&alice, &rig);
    assert_int_equal(raw_ask(&alice, UPGRADE_HEAD "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"), 101);
    assert_null(strstr(alice.in.ptr, "permessage-deflate"));
    raw_frame(&alice, 0x82, true, (struct slice){big, sizeof big});
    RIG_UNTIL(&rig, rig.messages == 1);
    assert_int_equal(rig.received.len, sizeof big);
    raw_close(&alice);
    rig.max_message_bytes = 10;
    raw_connect(&alice, &rig);
    raw_upgrade(&alice, "");
    raw_frame(&alice, 0x82, true, (struct slice){big, 11});
    assert_int_equal(raw_close_code(&alice), 1009);
    raw_close(&alice);
    rig_stop(&rig);
}

static void the_owner_of_a_connection_hears_what_closed_it(void **state) {
    static const struct {
        const char *payload;
        size_t len;
        bool ours;
        uint16_t code;
        const char *reason;
    } rows[] = {{"\x0f\xa1"
                 "bye",
                 5, false, 4001, "bye"},
                {"\x03\xe8", 2, false, 1000, ""},
                {"", 0, false, 1005, ""},
                {"\x03\xe8", 2, true, 4002, "ours"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct rig rig;
        struct raw alice;
        rig_start(&rig, &rig_settings);
        raw_connect(&alice, &rig);
        raw_upgrade(&alice, "");
        RIG_UNTIL(&rig, rig.conn != NULL);
        if (rows[i].ours) websocket_close(rig.conn, 4002, SLICE("ours"));
        raw_frame(&alice, 0x88, true, (struct slice){rows[i].payload, rows[i].len});
        RIG_UNTIL(&rig, rig.closed == 1);
        assert_int_equal(rig.close_code, rows[i].code);
        assert_string_equal(rig.close_reason, rows[i].reason);
        raw_close(&alice);
        rig_stop(&rig);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_of_the_clients_subprotocols_that_is_listed_is_chosen),
        cmocka_unit_test(a_subprotocol_that_is_no_token_is_refused),
        cmocka_unit_test(a_connection_may_have_limits_of_its_own),
        cmocka_unit_test(the_owner_of_a_connection_hears_what_closed_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
