/* SPDX-License-Identifier: Apache-2.0 */
/* Log lines: what they look like, what no peer can put into them, and that writing them never waits. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "base/log.h"
#include "base/metrics.h"

static void collect(void *owner, struct slice line) {
    buffer_append_slice(owner, line);
}

/* One line of LOG_ALWAYS(level, event, fields…), without its time. */
static char *line_of(enum log_level level, const char *event, const struct log_field *fields) {
    struct buffer lines = {0};
    log_set_sink(collect, &lines);
    log_write(level, NULL, event, fields);
    log_set_sink(NULL, NULL);
    char *text = buffer_take(&lines, NULL), *rest = strchr(text, ' ');
    assert_non_null(rest);
    memmove(text, rest + 1, strlen(rest));
    return text;
}

#define EXPECT_LINE(expected, ...)                                                       \
    do {                                                                                 \
        char *line = line_of(LOG_INFO, "event", (struct log_field[]){__VA_ARGS__, {0}}); \
        assert_string_equal(line, "info event " expected "\n");                          \
        free(line);                                                                      \
    } while (0)

static void line_is_time_level_event_and_pairs(void **state) {
    struct buffer lines = {0};
    log_set_sink(collect, &lines);
    LOG(LOG_INFO, "server.ready", LOG_TEXT("listen", "127.0.0.1:3000"), LOG_NUMBER("pid", 42));
    LOG(LOG_WARNING, "bare");
    log_set_sink(NULL, NULL);
    char *text = buffer_take(&lines, NULL);
    int year, month, day, hour, minute, second, ms, end = 0;
    sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ %n", &year, &month, &day, &hour, &minute, &second, &ms, &end);
    assert_int_equal(end, strlen("2026-01-01T00:00:00.000Z "));
    char *second_line = strchr(text, '\n') + 1;
    assert_memory_equal(text + end, "info server.ready listen=127.0.0.1:3000 pid=42\n", second_line - text - end);
    assert_string_equal(second_line + end, "warning bare\n");
    free(text);
}

static void values_are_quoted_and_escaped(void **state) {
    EXPECT_LINE("who=alice n=-7", LOG_TEXT("who", "alice"), LOG_NUMBER("n", -7));
    EXPECT_LINE("a=\"two words\" b=\"\" c=\"k=v\"", LOG_TEXT("a", "two words"), LOG_TEXT("b", NULL),
                LOG_TEXT("c", "k=v"));
    EXPECT_LINE("a=\"say \\\"hi\\\" \\\\o/\"", LOG_TEXT("a", "say \"hi\" \\o/"));
    EXPECT_LINE("a=\"x\\ny\\tz\\x0d\"", LOG_TEXT("a", "x\ny\tz\r"));
    EXPECT_LINE("a=\"\\x1b[31mred\\x7f\\x00\"", LOG_SLICE("a", SLICE("\x1b[31mred\x7f\0")));
    EXPECT_LINE("a=Привет b=€😀", LOG_TEXT("a", "Привет"), LOG_TEXT("b", "€😀"));
    /* C1 as UTF-8 and as a raw byte; a line separator; a right-to-left override. */
    EXPECT_LINE("a=\"\\xc2\\x9b1m\" b=\"\\x9b\"",
                LOG_TEXT("a",
                         "\xc2\x9b"
                         "1m"),
                LOG_TEXT("b", "\x9b"));
    EXPECT_LINE("a=\"\\xe2\\x80\\xa8\" b=\"\\xe2\\x80\\xae\"", LOG_TEXT("a", "\u2028"), LOG_TEXT("b", "\u202e"));
    /* Not UTF-8: overlong, surrogate, cut off, beyond U+10FFFF. */
    EXPECT_LINE("a=\"\\xc0\\xaf\" b=\"\\xed\\xa0\\x80\"", LOG_TEXT("a", "\xc0\xaf"), LOG_TEXT("b", "\xed\xa0\x80"));
    EXPECT_LINE("a=\"\\xe2\\x82\" b=\"\\xf4\\x90\\x80\\x80\"", LOG_TEXT("a", "\xe2\x82"),
                LOG_TEXT("b", "\xf4\x90\x80\x80"));
}

static void long_line_is_cut_and_stays_one_line(void **state) {
    char text[9000];
    memset(text, '\x1b', sizeof(text));
    struct slice all = {text, sizeof(text)};
    char *line = line_of(LOG_ERROR, "event",
                         (struct log_field[]){LOG_SLICE("a", all), LOG_SLICE("b", all), LOG_SLICE("c", all), {0}});
    assert_true(strlen(line) < 4096);
    assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
    assert_non_null(strstr(line, "…\" b=\""));
    assert_non_null(strstr(line, "…\" cut=true\n"));
    assert_null(strstr(line, " c="));
    assert_null(strchr(line, '\x1b'));
    free(line);
}

static void level_decides_what_is_written(void **state) {
    enum log_level level = LOG_INFO;
    assert_true(log_level_of("error", &level));
    assert_int_equal(level, LOG_ERROR);
    assert_false(log_level_of("loud", &level));
    struct buffer lines = {0};
    log_set_sink(collect, &lines);
    log_set_level(LOG_WARNING);
    LOG(LOG_INFO, "quiet");
    assert_int_equal(lines.len, 0);
    LOG(LOG_WARNING, "heard");
    assert_true(lines.len > 0);
    log_set_level(LOG_INFO);
    log_set_sink(NULL, NULL);
    buffer_done(&lines);
}

static size_t lines_in(const char *text) {
    size_t n = 0;
    for (; *text; text++) n += *text == '\n';
    return n;
}

static void site_is_limited_and_tells_what_it_held_back(void **state) {
    struct buffer lines = {0};
    struct log_site site = {0};
    struct log_field none = {0};
    log_set_sink(collect, &lines);
    /* At most two seconds' worth, should the clock's second turn meanwhile. */
    for (int i = 0; i < 1000; i++) log_write(LOG_WARNING, &site, "storm", &none);
    char *text = buffer_take(&lines, NULL);
    size_t written = lines_in(text);
    assert_in_range(written, LOG_BURST, 2 * LOG_BURST);
    free(text);
    assert_in_range(site.held_back, 1, 1000 - LOG_BURST);
    unsigned held_back = site.held_back;
    site.second--; /* a second passes */
    log_write(LOG_WARNING, &site, "storm", &none);
    text = buffer_take(&lines, NULL);
    char expected[64];
    snprintf(expected, sizeof(expected), "warning storm held_back=%u\n", held_back);
    assert_non_null(strstr(text, expected));
    assert_int_equal(site.held_back, 0);
    free(text);
    for (int i = 0; i < 100; i++) log_write(LOG_ERROR, &site, "error", &none);
    for (int i = 0; i < 100; i++) LOG_ALWAYS(LOG_INFO, "always");
    text = buffer_take(&lines, NULL);
    assert_int_equal(lines_in(text), 200);
    free(text);
    log_set_sink(NULL, NULL);
}

/* Replaces stderr with fd. Returns the previous descriptor. */
static int swap_stderr(int fd) {
    int saved = dup(STDERR_FILENO);
    assert_true(dup2(fd, STDERR_FILENO) >= 0);
    return saved;
}

static void restore_stderr(int saved) {
    assert_true(dup2(saved, STDERR_FILENO) >= 0);
    close(saved);
}

static void full_stderr_drops_lines_whole_and_counts_them(int ends[2]) {
    uint64_t dropped = log_dropped();
    int saved = swap_stderr(ends[1]);
    close(ends[1]);
    for (int i = 0; i < 5000; i++) LOG_ALWAYS(LOG_INFO, "filling.the.pipe", LOG_NUMBER("i", i));
    restore_stderr(saved);
    dropped = log_dropped() - dropped;
    static char text[1 << 20];
    size_t len = 0;
    for (ssize_t n; (n = read(ends[0], text + len, sizeof(text) - 1 - len)) > 0;) len += (size_t)n;
    text[len] = '\0';
    close(ends[0]);
    assert_in_range(dropped, 1, 4999);
    assert_int_equal(lines_in(text), 5000 - dropped);
    assert_int_equal(text[len - 1], '\n');
}

static void full_pipe_drops_lines_whole_and_counts_them(void **state) {
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    full_stderr_drops_lines_whole_and_counts_them(ends);
}

static void full_socket_drops_lines_whole_and_counts_them(void **state) {
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    full_stderr_drops_lines_whole_and_counts_them(ends);
}

static void broken_stderr_drops_and_counts(void **state) {
    uint64_t dropped = log_dropped();
    int ends[2], full = open("/dev/full", O_WRONLY);
    assert_true(full >= 0);
    assert_int_equal(pipe(ends), 0);
    close(ends[0]);
    int saved = swap_stderr(full);
    LOG_ALWAYS(LOG_INFO, "no.space");
    restore_stderr(saved);
    saved = swap_stderr(ends[1]);
    LOG_ALWAYS(LOG_INFO, "no.reader");
    restore_stderr(saved);
    close(ends[1]);
    close(full);
    assert_int_equal(log_dropped() - dropped, 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(line_is_time_level_event_and_pairs),
        cmocka_unit_test(values_are_quoted_and_escaped),
        cmocka_unit_test(long_line_is_cut_and_stays_one_line),
        cmocka_unit_test(level_decides_what_is_written),
        cmocka_unit_test(site_is_limited_and_tells_what_it_held_back),
        cmocka_unit_test(full_pipe_drops_lines_whole_and_counts_them),
        cmocka_unit_test(full_socket_drops_lines_whole_and_counts_them),
        cmocka_unit_test(broken_stderr_drops_and_counts),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
