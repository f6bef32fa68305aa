/* SPDX-License-Identifier: Apache-2.0 */
/* Metrics: counting, bounded labels, and a text that Prometheus reads. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/metrics.h"

static void expect_rendered(const char *lines) {
    struct buffer out = {0};
    metrics_render(&out);
    char *text = buffer_take(&out, NULL);
    if (!strstr(text, lines)) fail_msg("%s\nis not in:\n%s", lines, text);
    free(text);
}

static void counters_and_gauges_are_rendered(void **state) {
    metric_add(METRIC_ACCEPTED, 3);
    metric_add(METRIC_ACCEPTED, 4);
    metric_set(METRIC_CONNECTIONS, 12);
    metric_add(METRIC_CONNECTIONS, -2);
    assert_int_equal(metric_get(METRIC_ACCEPTED, NULL), 7);
    expect_rendered(
        "# HELP stoa_accepted_total Connections accepted.\n# TYPE stoa_accepted_total counter\nstoa_accepted_total "
        "7\n");
    expect_rendered("# TYPE stoa_connections gauge\nstoa_connections 10\n");
}

static void histograms_count_what_is_at_most_each_edge(void **state) {
    metric_observe_us(METRIC_LOOP_TURN, 0);
    metric_observe_us(METRIC_LOOP_TURN, 7);
    metric_observe_us(METRIC_LOOP_TURN, 479); /* steps are 32 µs wide there: 480 to 511 hold the edge of 500 */
    metric_observe_us(METRIC_LOOP_TURN, 512);
    metric_observe_us(METRIC_LOOP_TURN, 3000000);
    metric_observe_us(METRIC_LOOP_TURN, UINT64_C(3600) * 1000000);
    assert_int_equal(metric_get(METRIC_LOOP_TURN, NULL), 6);
    expect_rendered(
        "# TYPE stoa_loop_turn_seconds histogram\nstoa_loop_turn_seconds_bucket{le=\"0.0005\"} 3\n"
        "stoa_loop_turn_seconds_bucket{le=\"0.001\"} 4\n");
    expect_rendered("_bucket{le=\"2.5\"} 4\nstoa_loop_turn_seconds_bucket{le=\"5\"} 5\n");
    expect_rendered(
        "_bucket{le=\"10\"} 5\nstoa_loop_turn_seconds_bucket{le=\"+Inf\"} 6\n"
        "stoa_loop_turn_seconds_sum 3603.000998\nstoa_loop_turn_seconds_count 6\n");
}

static void label_values_are_copied_and_escaped(void **state) {
    char reason[] = "too_slow";
    metric_add_labelled(METRIC_CLOSED, reason, 2);
    reason[0] = '?';
    metric_add_labelled(METRIC_CLOSED, "too_slow", 1);
    metric_add_labelled(METRIC_CLOSED, "a\"b\\c\nd", 1);
    assert_int_equal(metric_get(METRIC_CLOSED, "too_slow"), 3);
    assert_int_equal(metric_get(METRIC_CLOSED, "never"), 0);
    assert_int_equal(metric_get(METRIC_CLOSED, NULL), 4);
    expect_rendered("stoa_closed_total{reason=\"too_slow\"} 3\nstoa_closed_total{reason=\"a\\\"b\\\\c\\nd\"} 1\n");
}

static void too_many_label_values_are_one(void **state) {
    for (int i = 0; i < 100; i++) {
        char code[16];
        snprintf(code, sizeof(code), "code-%d", i);
        metric_add_labelled(METRIC_STORE_ERRORS, code, 1);
    }
    assert_int_equal(metric_get(METRIC_STORE_ERRORS, "code-63"), 1);
    assert_int_equal(metric_get(METRIC_STORE_ERRORS, "code-64"), 0);
    assert_int_equal(metric_get(METRIC_STORE_ERRORS, "other"), 36);
    assert_int_equal(metric_get(METRIC_STORE_ERRORS, NULL), 100);
}

static void scripts_have_metrics_within_limits(void **state) {
    assert_true(metric_script("sent_total", false, 1));
    assert_true(metric_script("sent_total", false, 0.5));
    assert_true(metric_script("depth", true, 7));
    assert_true(metric_script("depth", true, 5));
    assert_false(metric_script("depth", false, 1));
    assert_false(metric_script("sent_total", false, -1));
    assert_false(metric_script("depth", true, NAN));
    assert_false(metric_script("9lives", true, 1));
    assert_false(metric_script("Upper", true, 1));
    assert_false(metric_script("a b", true, 1));
    assert_false(metric_script("", true, 1));
    expect_rendered("# TYPE stoa_script_sent_total counter\nstoa_script_sent_total 1.5\n");
    expect_rendered("# TYPE stoa_script_depth gauge\nstoa_script_depth 5\n");
    int accepted = 2;
    for (int i = 0; i < 400; i++) {
        char name[16];
        snprintf(name, sizeof(name), "m%d", i);
        accepted += metric_script(name, true, i);
    }
    assert_int_equal(accepted, 256);
    assert_true(metric_script("depth", true, 6));
}

static void in_place(unsigned place, void (*count)(void)) {
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        metrics_take_place(place);
        count();
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void count_some(void) {
    metric_add(METRIC_WRITES, 5);
    metric_set(METRIC_SESSIONS, 3);
    metric_set(METRIC_GENERATION, 4);
    metric_add_labelled(METRIC_LIMITED, "connects", 1);
    metric_set_labelled(METRIC_APPEND_WINDOW, "0", 9);
    metric_set_labelled(METRIC_APPEND_WINDOW, "0", 4);
    metric_script("paid_total", false, 2);
    metric_script("queue", true, 6);
}

static void processes_count_together_and_their_successors_go_on(void **state) {
    metric_add(METRIC_WRITES, 1);
    metric_add_labelled(METRIC_LIMITED, "sends", 7);
    metrics_share(3);
    in_place(1, count_some);
    in_place(2, count_some);
    assert_int_equal(metric_total(METRIC_WRITES), 11);
    assert_int_equal(metric_get(METRIC_WRITES, NULL), 1);
    expect_rendered("stoa_sessions 6\n");
    expect_rendered("stoa_generation 4\n");
    expect_rendered("stoa_limited_total{limit=\"sends\"} 7\nstoa_limited_total{limit=\"connects\"} 2\n");
    expect_rendered("stoa_script_paid_total 4\n");
    expect_rendered("stoa_script_queue 12\n");
    expect_rendered("stoa_append_window_ms{shard=\"0\"} 4\n");
    metrics_left(2);
    expect_rendered("stoa_sessions 3\n");
    expect_rendered("stoa_writes_total 11\n");
    expect_rendered("stoa_script_queue 6\n");
    in_place(2, count_some);
    expect_rendered("stoa_writes_total 16\n");
    expect_rendered("stoa_limited_total{limit=\"connects\"} 3\n");
    expect_rendered("stoa_script_paid_total 6\n");
    metrics_left(1);
    metrics_left(2);
    expect_rendered("stoa_append_window_ms{shard=\"0\"} 0\n");
    metrics_take_place(0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counters_and_gauges_are_rendered),
        cmocka_unit_test(histograms_count_what_is_at_most_each_edge),
        cmocka_unit_test(label_values_are_copied_and_escaped),
        cmocka_unit_test(too_many_label_values_are_one),
        cmocka_unit_test(processes_count_together_and_their_successors_go_on),
        cmocka_unit_test(scripts_have_metrics_within_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
