/* SPDX-License-Identifier: Apache-2.0 */
/* Static files: those below the folder, and nothing else. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "net/static_files.h"
#include "support/net_rig.h"
#include "support/net_tls.h"
/* behind it, for the order of headers */
#include <dirent.h>
#include <signal.h>
#include <sys/stat.h>

enum { LARGE_BYTES = 7000000, CROWD = 20 };

struct pages {
    struct rig rig;
    struct raw alice;
    struct static_files *files;
    char outside[32], folder[64];
};

static void put(const char *folder, const char *name, const char *text) {
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void serve(void *owner, struct http_request *request) {
    static_files_serve(owner, request);
}

static void pages_begin_with(struct pages *pages, const struct net_settings *settings) {
    char path[128], target[128];
    strcpy(pages->outside, "/tmp/stoa-pages-XXXXXX");
    assert_non_null(mkdtemp(pages->outside));
    snprintf(pages->folder, sizeof pages->folder, "%s/public", pages->outside);
    mkdir(pages->folder, 0700);
    snprintf(path, sizeof path, "%s/sub", pages->folder);
    mkdir(path, 0700);
    put(pages->outside, "secret.txt", "secret");
    put(pages->folder, "index.html", "<!doctype html>");
    put(pages->folder, "app.js", "export {};");
    put(pages->folder, "a b.txt", "spaced");
    put(pages->folder, ".hidden", "secret");
    put(pages->folder, "sub/style.css", "body {}");
    snprintf(path, sizeof path, "%s/link.txt", pages->folder);
    snprintf(target, sizeof target, "%s/secret.txt", pages->outside);
    assert_int_equal(symlink(target, path), 0);
    snprintf(path, sizeof path, "%s/up", pages->folder);
    assert_int_equal(symlink("..", path), 0);
    snprintf(path, sizeof path, "%s/pipe", pages->folder);
    assert_int_equal(mkfifo(path, 0600), 0);
    rig_start(&pages->rig, settings);
    pages->files = static_files_new(pages->folder);
    pages->rig.serve = serve;
    pages->rig.serve_owner = pages->files;
    if (settings->tls_certificate)
        raw_connect_tls(&pages->alice, &pages->rig);
    else
        raw_connect(&pages->alice, &pages->rig);
}

static void pages_begin(struct pages *pages) {
    pages_begin_with(pages, &rig_settings);
}

static void pages_end(struct pages *pages) {
    static const char *const names[] = {"public/index.html", "public/app.js",        "public/a b.txt",
                                        "public/.hidden",    "public/link.txt",      "public/up",
                                        "public/pipe",       "public/sub/style.css", "secret.txt"};
    char path[128];
    raw_close(&pages->alice);
    static_files_free(&pages->files);
    rig_stop(&pages->rig);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", pages->outside, names[i]);
        assert_int_equal(unlink(path), 0);
    }
    snprintf(path, sizeof path, "%s/sub", pages->folder);
    rmdir(path);
    rmdir(pages->folder);
    assert_int_equal(rmdir(pages->outside), 0);
}

static char large_byte(size_t at) {
    return (char)('a' + (at * 2654435761u >> 16) % 26);
}

/* large.txt, which is to be removed before pages_end. */
static void put_large(struct pages *pages, char path_r[128]) {
    snprintf(path_r, 128, "%s/large.txt", pages->folder);
    FILE *file = fopen(path_r, "w");
    assert_non_null(file);
    for (size_t i = 0; i < LARGE_BYTES; i++) putc(large_byte(i), file);
    fclose(file);
}

static const struct net_settings *patient(struct net_settings settings) {
    static struct net_settings kept;
    kept = settings;
    kept.body_timeout_ms = kept.header_timeout_ms = 2 * RIG_PATIENCE_MS;
    return &kept;
}

static int get(struct pages *pages, const char *method, const char *path, const char *more) {
    char request[512];
    snprintf(request, sizeof request, "%s %s HTTP/1.1\r\nHost: a\r\n%s\r\n", method, path, more);
    return raw_ask(&pages->alice, request);
}

static void files_are_served_with_their_types(void **state) {
    struct pages pages;
    pages_begin(&pages);
    assert_int_equal(get(&pages, "GET", "/", ""), 200);
    assert_non_null(strstr(pages.alice.in.ptr, "content-type: text/html; charset=utf-8\r\n"));
    assert_non_null(strstr(pages.alice.in.ptr, "x-content-type-options: nosniff\r\n"));
    assert_non_null(strstr(pages.alice.in.ptr, "content-security-policy: default-src 'self'"));
    assert_non_null(strstr(pages.alice.in.ptr, "\r\n\r\n<!doctype html>"));
    assert_int_equal(get(&pages, "GET", "/app.js", ""), 200);
    assert_non_null(strstr(pages.alice.in.ptr, "content-type: text/javascript"));
    assert_int_equal(get(&pages, "GET", "/sub/style.css", ""), 200);
    assert_int_equal(get(&pages, "GET", "/a%20b.txt", ""), 200);
    assert_non_null(strstr(pages.alice.in.ptr, "\r\n\r\nspaced"));
    assert_int_equal(get(&pages, "GET", "/none.txt", ""), 404);
    assert_int_equal(get(&pages, "DELETE", "/app.js", ""), 405);
    pages_end(&pages);
}

static void a_known_file_is_not_sent_again(void **state) {
    struct pages pages;
    char more[128];
    pages_begin(&pages);
    assert_int_equal(get(&pages, "GET", "/app.js", ""), 200);
    const char *etag = strstr(pages.alice.in.ptr, "etag: ") + 6;
    snprintf(more, sizeof more, "If-None-Match: %.*s\r\n", (int)(strchr(etag, '\r') - etag), etag);
    assert_int_equal(get(&pages, "GET", "/app.js", more), 304);
    assert_null(strstr(pages.alice.in.ptr, "export"));
    put(pages.folder, "app.js", "export { changed };");
    assert_int_equal(get(&pages, "GET", "/app.js", more), 200);
    pages_end(&pages);
}

static void head_tells_the_length_without_the_bytes(void **state) {
    struct pages pages;
    pages_begin(&pages);
    raw_send_str(&pages.alice, "HEAD /app.js HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    RAW_UNTIL(&pages.alice, pages.alice.eof);
    buffer_append_char(&pages.alice.in, '\0');
    assert_non_null(strstr(pages.alice.in.ptr, "content-length: 10\r\n"));
    assert_null(strstr(pages.alice.in.ptr, "export"));
    pages_end(&pages);
}

static void nothing_outside_the_folder_is_reachable(void **state) {
    static const char *const paths[] = {
        "/../secret.txt",
        "/sub/../../secret.txt",
        "/%2e%2e/secret.txt",
        "/%2e%2e%2fsecret.txt",
        "/..%2fsecret.txt",
        "/..%5csecret.txt",
        "/.%2e/secret.txt",
        "/sub/%2e%2e/%2e%2e/secret.txt",
        "//../secret.txt",
        "//etc/passwd",
        "/%2fetc/passwd",
        "/./../secret.txt",
        "/link.txt",
        "/up/secret.txt",
        "/up/public/app.js",
        "/.hidden",
        "/sub/../.hidden",
        "/pipe",
        "/sub",
        "/sub/",
        "/%252e%252e/secret.txt",
    };
    struct pages pages;
    pages_begin(&pages);
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        int64_t rejected = metric_get(METRIC_REJECTED, NULL);
        int status = get(&pages, "GET", paths[i], "");
        assert_int_equal(metric_get(METRIC_REJECTED, NULL), rejected + 1);
        if (status != 404) fail_msg("%s: %d", paths[i], status);
        if (strstr(pages.alice.in.ptr, "secret\n") || strstr(pages.alice.in.ptr, "root:")) fail_msg("%s", paths[i]);
    }
    pages_end(&pages);
}

static void expect_large(struct pages *pages, struct net_settings settings) {
    char path[128];
    pages_begin_with(pages, patient(settings));
    put_large(pages, path);
    for (int round = 0; round < 2; round++) {
        assert_int_equal(get(pages, "GET", "/large.txt", ""), 200);
        assert_non_null(strstr(pages->alice.in.ptr, "content-length: 7000000\r\n"));
        const char *body = strstr(pages->alice.in.ptr, "\r\n\r\n") + 4;
        assert_int_equal(pages->alice.in.len, (size_t)(body - pages->alice.in.ptr) + LARGE_BYTES);
        for (size_t i = 0; i < LARGE_BYTES; i++)
            if (body[i] != large_byte(i)) fail_msg("byte %zu", i);
    }
    assert_int_equal(get(pages, "GET", "/app.js", ""), 200);
    unlink(path);
    pages_end(pages);
}

static void a_large_file_arrives_as_it_is_also_over_tls(void **state) {
    struct pages pages;
    struct rig_tls tls;
    expect_large(&pages, rig_settings);
    rig_tls_init(&tls, "pages.test");
    expect_large(&pages, tls.settings);
    rig_tls_done(&tls);
}

static size_t resident_bytes(void) {
    size_t pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    assert_int_equal(fscanf(file, "%*u %zu", &pages), 1);
    fclose(file);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static unsigned open_descriptors(void) {
    unsigned len = 0;
    DIR *folder = opendir("/proc/self/fd");
    while (readdir(folder)) len++;
    closedir(folder);
    return len;
}

static void a_crowd_asks_and_does_not_read(struct pages *pages, const struct net_settings *settings) {
    struct raw crowd[CROWD];
    char path[128];
    pages_begin_with(pages, settings);
    put_large(pages, path);
    for (int i = 0; i < CROWD; i++)
        settings->tls_certificate ? raw_connect_tls(&crowd[i], &pages->rig) : raw_connect(&crowd[i], &pages->rig);
    RIG_UNTIL(&pages->rig, net_server_connections(pages->rig.server) == CROWD + 1);
    size_t before = resident_bytes();
    unsigned descriptors = open_descriptors();
    for (int i = 0; i < CROWD; i++) raw_send_str(&crowd[i], "GET /large.txt HTTP/1.1\r\nHost: a\r\n\r\n");
    for (int i = 0; i < CROWD; i++) RAW_UNTIL(&crowd[i], crowd[i].in.len > 0);
    while (loop_turn(pages->rig.loop)) continue;
    assert_int_equal(open_descriptors(), descriptors + 1);
    assert_true(resident_bytes() < before + (size_t)CROWD * LARGE_BYTES / 4);
    for (int i = 0; i < CROWD; i++) raw_close(&crowd[i]);
    RIG_UNTIL(&pages->rig, net_server_connections(pages->rig.server) == 1);
    assert_int_equal(open_descriptors(), descriptors - 2 * CROWD);
    unlink(path);
    pages_end(pages);
}

static void a_file_requested_by_many_takes_one_descriptor_and_no_memory(void **state) {
    struct pages pages;
    struct rig_tls tls;
    a_crowd_asks_and_does_not_read(&pages, patient(rig_settings));
    rig_tls_init(&tls, "pages.test");
    a_crowd_asks_and_does_not_read(&pages, patient(tls.settings));
    rig_tls_done(&tls);
}

static void a_large_file_begins_to_come(struct pages *pages, char *path) {
    pages_begin_with(pages, patient(rig_settings));
    put_large(pages, path);
    raw_send_str(&pages->alice, "GET /large.txt HTTP/1.1\r\nHost: a\r\n\r\n");
    RAW_UNTIL(&pages->alice, pages->alice.in.len > 0);
}

static void a_file_that_is_cut_while_it_is_sent_ends_the_connection(void **state) {
    struct pages pages;
    char path[128];
    a_large_file_begins_to_come(&pages, path);
    assert_int_equal(truncate(path, 1), 0);
    RAW_UNTIL(&pages.alice, pages.alice.eof);
    assert_true(pages.alice.in.len < LARGE_BYTES);
    unlink(path);
    pages_end(&pages);
}

static void files_of_a_replaced_folder_are_still_sent(void **state) {
    struct pages pages;
    char path[128];
    a_large_file_begins_to_come(&pages, path);
    static_files_free(&pages.files);
    RAW_UNTIL(&pages.alice, raw_answered(&pages.alice));
    assert_true(pages.alice.in.len > LARGE_BYTES);
    unlink(path);
    pages_end(&pages);
}

int main(void) {
    signal(SIGPIPE, SIG_IGN); /* as the server does */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_are_served_with_their_types),
        cmocka_unit_test(a_known_file_is_not_sent_again),
        cmocka_unit_test(head_tells_the_length_without_the_bytes),
        cmocka_unit_test(nothing_outside_the_folder_is_reachable),
        cmocka_unit_test(a_large_file_arrives_as_it_is_also_over_tls),
        cmocka_unit_test(a_file_requested_by_many_takes_one_descriptor_and_no_memory),
        cmocka_unit_test(a_file_that_is_cut_while_it_is_sent_ends_the_connection),
        cmocka_unit_test(files_of_a_replaced_folder_are_still_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
