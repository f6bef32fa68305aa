/* SPDX-License-Identifier: Apache-2.0 */
/* A machine whose clock differs from the fleet's; a scripted Redis tells the time. */
#include "support/redis_stage.h"

#include <string.h>

#include "base/log.h"
#include "redis/redis_clock.h"

static struct fake_server server;
static struct redis *redis;
static struct redis_clock *wall_clock;
static struct buffer lines;
static long long ahead_ms; /* of Redis */

static void tell_time(struct fake_client *client, const char *command) {
    char seconds[32], reply[128];
    if (strcmp(command, "TIME") != 0) {
        fake_default(client, command);
        return;
    }
    long long now_ms = (long long)loop_wall_ms(stage_loop) + ahead_ms;
    snprintf(seconds, sizeof seconds, "%lld", now_ms / 1000);
    snprintf(reply, sizeof reply, "*2\r\n$%zu\r\n%s\r\n$6\r\n%06lld\r\n", strlen(seconds), seconds,
             now_ms % 1000 * 1000);
    fake_say(client, reply);
}

static void remember(void *owner, struct slice line) {
    buffer_append_slice(owner, line);
}

static bool is_told(const char *text) {
    buffer_append_char(&lines, '\0');
    bool found = strstr(lines.ptr, text);
    lines.len--;
    return found;
}

static int set_up(void **state) {
    stage_set_up_in_haste(state);
    ahead_ms = 0;
    server = (struct fake_server){.on_command = tell_time};
    fake_start(&server);
    redis = REDIS_TO(REDIS_STANDALONE, server.address);
    wall_clock = redis_clock_new(stage_loop, redis);
    log_set_sink(remember, &lines);
    return 0;
}

static int tear_down(void **state) {
    redis_clock_free(&wall_clock);
    redis_free(&redis);
    fake_stop(&server);
    log_set_sink(NULL, NULL);
    buffer_done(&lines);
    return stage_tear_down(state);
}

static void a_clock_an_hour_off_is_logged_once_until_it_agrees(void **state) {
    ahead_ms = 3600000;
    stage_until(is_told("clock.differs"));
    assert_true(is_told("warning clock.differs from=redis ahead_ms=-3"));
    buffer_clear(&lines);
    unsigned commands = server.commands;
    stage_pass(REDIS_CLOCK_ASK_MS); /* the interval between its questions */
    stage_until(server.commands > commands);
    assert_false(is_told("clock."));
    ahead_ms = 0;
    stage_until(is_told("info clock.agrees"));
    ahead_ms = -3600000;
    stage_until(is_told("clock.differs from=redis ahead_ms=36"));
}

static void clocks_that_agree_are_not_told(void **state) {
    ahead_ms = REDIS_CLOCK_DIFFERS_MS / 2;
    stage_until(server.commands >= 2);
    assert_false(is_told("clock."));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_clock_an_hour_off_is_logged_once_until_it_agrees, set_up, tear_down),
        cmocka_unit_test_setup_teardown(clocks_that_agree_are_not_told, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
