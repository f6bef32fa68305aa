/* SPDX-License-Identifier: Apache-2.0 */
/* Configuration files: what they may contain, and the line of each error. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "config/config.h"
#include "lua/config_reader.h"

static char folder[] = "/tmp/stoa-config-XXXXXX";
static char path[64];

static const char *write_file(const char *text) {
    FILE *file = fopen(path, "w");
    fputs(text, file);
    fclose(file);
    return path;
}

static struct config *good(const char *text, const char *const *sets, size_t sets_len) {
    struct error error = {""};
    struct config *config = config_reader_read(write_file(text), sets, sets_len, &error);
    assert_string_equal(error.text, "");
    assert_non_null(config);
    return config;
}

/* The error without the file's name. */
static const char *refused(const char *text) {
    static struct error error;
    assert_null(config_reader_read(write_file(text), NULL, 0, &error));
    assert_memory_equal(error.text, path, strlen(path));
    return error.text + strlen(path);
}

static void a_file_is_lua_that_returns_a_table(void **state) {
    struct config *config =
        good("local port = 3000 + 1\nreturn { listen = '127.0.0.1:' .. port, ping_timeout_ms = 200 }", NULL, 0);
    assert_string_equal(config->listen.items[0], "127.0.0.1:3001");
    assert_int_equal(config->ping_timeout_ms, 200);
    config_unref(&config);
}

static void env_reads_the_environment(void **state) {
    setenv("STOA_TEST_LISTEN", "127.0.0.1:4000", 1);
    struct config *config =
        good("return { listen = env 'STOA_TEST_LISTEN', log_file = env 'STOA_TEST_UNSET' }", NULL, 0);
    assert_string_equal(config->listen.items[0], "127.0.0.1:4000");
    assert_null(config->log_file);
    config_unref(&config);
}

static void sets_override_the_file(void **state) {
    const char *sets[] = {"listen=10.0.0.1:80", "ping_timeout_ms=300",       "limits.user_messages={5, 10}",
                          "deflate=true",       "drain.message='back soon'", "limits.uploads=false"};
    struct config *config = good("return { listen = '127.0.0.1:1', drain = { timeout_s = 3 } }", sets, 6);
    assert_string_equal(config->listen.items[0], "10.0.0.1:80");
    assert_int_equal(config->ping_timeout_ms, 300);
    assert_int_equal(config->limits.user_messages.count, 5);
    assert_int_equal(config->limits.uploads.count, 0);
    assert_true(config->deflate);
    assert_string_equal(config->drain.message, "back soon");
    assert_int_equal(config->drain.timeout_s, 3);
    config_unref(&config);
}

static void a_set_that_is_none_is_refused(void **state) {
    static const char *const sets[] = {"listen", "=x", ".a=1", "a..b=1", "a.=1", "nonsense=1", "listen.port=1"};
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        struct error error = {""};
        assert_null(config_reader_read(write_file("return { listen = '127.0.0.1:1' }"), &sets[i], 1, &error));
        assert_string_not_equal(error.text, "");
    }
}

static void an_error_names_its_line(void **state) {
    static const struct {
        const char *text, *expected;
    } rows[] = {
        {"return {\n  listen = }", ":2: unexpected symbol near '}'"},
        {"local a = nil\nreturn { listen = a.b }", ":2: attempt to index local 'a' (a nil value)"},
        {"return {\n\n  ping_timeout_ms = 0,\n}", ":3: ping_timeout_ms: "},
        {"return {\n  ping_timeout_ms = 1e18 }", ":2: ping_timeout_ms: "},
        {"return {\n  ping_timeout_ms = -1 }", ":2: ping_timeout_ms: "},
        {"return {\n  ping_timeout_ms = '5 s' }", ":2: ping_timeout_ms: "},
        {"return {\n  -- a comment = 1\n  [[x]],\n  listn = 'a' }", ":"},
        {"return {\n  path = '/a/', --[[ listn =\n ]]\n  ['listn'] = 'a' }", ":4: listn: unknown key"},
        {"local t = { listn = 1 }\nreturn {\n  limits = {\n    user_messages = { 1, 2 },\n    uplods = 3 } }",
         ":5: limits.uplods: unknown key"},
        {"return {\n  drain = {\n    timeout_s = (function(a, b) return 2, {a, b} end)(1, 2), message = 'x' },\n  "
         "listn = 1 }",
         ":4: listn: unknown key"},
        {"return {\n  zzz = 1,\n  yyy = 1,\n  aaa = 1 }", ":2: zzz: unknown key"},
        {"return 7", ":1: "},
        {"", ":1: "},
        {"return { listen = function() end }", ":1: "},
        {"return { scripts = { 'a.lua', nil, 'b.lua' } }", ":1: "},
        {"while true do end", ":1: ran over its budget"},
        {"local t = {} for i = 1, 1e9 do t[i] = ('x'):rep(2^20) .. i end", ":"},
        {"return { listen = os.execute('true') }", ":1: attempt to call field 'execute' (a nil value)"},
        {"return { listen = io.open('/etc/passwd') }", ":1: attempt to index global 'io' (a nil value)"},
        {"return { listen = require 'ffi' }", ":1: '"},
        {"local t = {} t.app = t return t", ":"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *message = refused(rows[i].text);
        if (strncmp(message, rows[i].expected, strlen(rows[i].expected)) != 0)
            fail_msg("%s\ngives   %s\ninstead %s", rows[i].text, message, rows[i].expected);
    }
}

static void bytecode_and_odd_files_are_refused(void **state) {
    struct error error;
    assert_non_null(strstr(refused("\33LJ\2"), "bytecode is refused"));
    char other[80];
    snprintf(other, sizeof other, "%s/fifo", folder);
    assert_int_equal(mkfifo(other, 0600), 0);
    assert_null(config_reader_read(other, NULL, 0, &error));
    assert_non_null(strstr(error.text, "is no regular file"));
    assert_null(config_reader_read(folder, NULL, 0, &error));
    snprintf(other, sizeof other, "%s/absent", folder);
    assert_null(config_reader_read(other, NULL, 0, &error));
    FILE *large = fopen(path, "w");
    assert_int_equal(ftruncate(fileno(large), 1 << 30), 0);
    fclose(large);
    assert_null(config_reader_read(path, NULL, 0, &error));
    assert_non_null(strstr(error.text, "larger than"));
}

static void scripts_stay_in_their_folder(void **state) {
    char script[80];
    struct error error;
    snprintf(script, sizeof script, "%s/link.lua", folder);
    assert_int_equal(symlink("/etc/passwd", script), 0);
    assert_null(config_reader_read(write_file("return {\n  scripts = { 'link.lua' } }"), NULL, 0, &error));
    assert_non_null(strstr(error.text, "is a link out of its folder"));
    assert_int_equal(unlink(script), 0);
}

static int set_up(void **state) {
    log_set_level(LOG_ERROR);
    if (!mkdtemp(folder)) return -1;
    snprintf(path, sizeof path, "%s/stoa.lua", folder);
    return 0;
}

static int tear_down(void **state) {
    char fifo[80];
    snprintf(fifo, sizeof fifo, "%s/fifo", folder);
    unlink(fifo);
    unlink(path);
    return rmdir(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_lua_that_returns_a_table),
        cmocka_unit_test(env_reads_the_environment),
        cmocka_unit_test(sets_override_the_file),
        cmocka_unit_test(a_set_that_is_none_is_refused),
        cmocka_unit_test(an_error_names_its_line),
        cmocka_unit_test(bytecode_and_odd_files_are_refused),
        cmocka_unit_test(scripts_stay_in_their_folder),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
