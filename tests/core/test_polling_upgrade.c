/* SPDX-License-Identifier: Apache-2.0 */
/* From polling to WebSocket over real sockets. */
#include "support/polling_rig.h"

static void an_upgrade_loses_and_reorders_nothing(void **state) {
    struct buffer in = {0};
    char query[160];
    open_session();
    snprintf(query, sizeof query, "EIO=4&transport=websocket&sid=%s", sid);
    int get = polling_ask("GET", polling, "", "");
    int fd = upgraded(query, &in);
    send_frame(fd, "2probe");
    assert_frame(fd, &in, "3probe");
    assert_answer(answer_of(get), 200, "6");
    assert_answer(polling_fetch("POST", polling,
                                "4one\x1e"
                                "4two"),
                  200, "ok"); /* polling is still in use */
    send_frame(fd, "5");
    send_frame(fd, "4three");
    assert_frame(fd, &in, "4one");
    assert_frame(fd, &in, "4two");
    assert_frame(fd, &in, "4three");
    assert_answer(polling_fetch("GET", polling, ""), 400, "{\"code\":3,\"message\":\"Bad request\"}");
    struct buffer second_in = {0};
    assert_closes(upgraded(query, &second_in), &second_in); /* and harms nothing */
    send_frame(fd, "4four");
    assert_frame(fd, &in, "4four");
    assert_closes(fd, &in);
}

/* A client that skips or repeats the probe can upgrade, too. */
static void an_upgrade_may_skip_or_repeat_its_probe(void **state) {
    for (int probes = 0; probes <= 2; probes += 2) {
        struct buffer in = {0};
        char query[160];
        open_session();
        snprintf(query, sizeof query, "EIO=4&transport=websocket&sid=%s", sid);
        int fd = upgraded(query, &in);
        for (int i = 0; i < probes; i++) {
            send_frame(fd, "2probe");
            assert_frame(fd, &in, "3probe");
        }
        assert_answer(polling_fetch("POST", polling, "4one"), 200, "ok");
        send_frame(fd, "5");
        send_frame(fd, "4two");
        assert_frame(fd, &in, "4one");
        assert_frame(fd, &in, "4two");
        assert_int_equal(polling_fetch("GET", polling, "").status, 400);
        close(fd);
        buffer_done(&in);
    }
}

static void a_poll_that_comes_while_an_upgrade_is_probed_is_released(void **state) {
    struct buffer in = {0};
    char query[160];
    open_session();
    snprintf(query, sizeof query, "EIO=4&transport=websocket&sid=%s", sid);
    int fd = upgraded(query, &in);
    send_frame(fd, "2probe");
    assert_frame(fd, &in, "3probe");
    assert_answer(polling_fetch("GET", polling, ""), 200, "6");
    close(fd);
    buffer_done(&in);
}

static void anything_else_on_the_probe_closes_it_and_polling_goes_on(void **state) {
    struct buffer in = {0};
    char query[160];
    open_session();
    snprintf(query, sizeof query, "EIO=4&transport=websocket&sid=%s", sid);
    int fd = upgraded(query, &in);
    send_frame(fd, "2");
    assert_closes(fd, &in);
    assert_answer(polling_fetch("POST", polling, "4still"), 200, "ok");
    assert_answer(polling_fetch("GET", polling, ""), 200, "4still");
}

static void a_probe_that_goes_no_further_is_closed_and_polling_goes_on(void **state) {
    struct buffer in = {0};
    char query[160];
    settings.upgrade_timeout_ms = 20;
    hub_set(hub, &settings);
    open_session();
    snprintf(query, sizeof query, "EIO=4&transport=websocket&sid=%s", sid);
    assert_closes(upgraded(query, &in), &in);
    assert_answer(polling_fetch("POST", polling, "4still"), 200, "ok");
    assert_answer(polling_fetch("GET", polling, ""), 200, "4still");
}

static void a_session_opened_as_websocket_cannot_be_taken_over_by_its_id(void **state) {
    struct buffer in = {0};
    char query[160], open[256];
    int fd = upgraded("EIO=4&transport=websocket", &in);
    assert_true(frame_whole(&in) || read_until(fd, &in, frame_whole));
    size_t len = (size_t)(in.ptr[1] & 0x7f);
    size_t head = 2;
    if (len == 126) {
        len = (size_t)((unsigned char)in.ptr[2] << 8 | (unsigned char)in.ptr[3]);
        head = 4;
    }
    snprintf(open, sizeof open, "%.*s", (int)len, in.ptr + head);
    take_id(open, "sid", sid);
    snprintf(query, sizeof query, "EIO=4&transport=websocket&sid=%s", sid);
    assert_answer(answer_of(open_websocket(query)), 400, "Bad request");
    buffer_consume(&in, head + len);
    send_frame(fd, "4mine");
    assert_frame(fd, &in, "4mine");
    close(fd);
    buffer_done(&in);
}

#define SCENE(name) cmocka_unit_test_setup_teardown(name, serve_polling, stop_polling)

int main(void) {
    const struct CMUnitTest tests[] = {
        SCENE(an_upgrade_loses_and_reorders_nothing),
        SCENE(an_upgrade_may_skip_or_repeat_its_probe),
        SCENE(a_poll_that_comes_while_an_upgrade_is_probed_is_released),
        SCENE(anything_else_on_the_probe_closes_it_and_polling_goes_on),
        SCENE(a_probe_that_goes_no_further_is_closed_and_polling_goes_on),
        SCENE(a_session_opened_as_websocket_cannot_be_taken_over_by_its_id),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
