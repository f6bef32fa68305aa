/* Static files: those below the folder, and nothing else. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "support/net_rig.h"
/* behind it, for the order of headers */
#include <sys/stat.h>

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

static void pages_begin(struct pages *pages) {
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
    rig_start(&pages->rig, &rig_settings);
    pages->files = static_files_new(pages->folder);
    pages->rig.serve = serve;
    pages->rig.serve_owner = pages->files;
    raw_connect(&pages->alice, &pages->rig);
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

/* Row 22. */
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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_are_served_with_their_types),
        cmocka_unit_test(a_known_file_is_not_sent_again),
        cmocka_unit_test(head_tells_the_length_without_the_bytes),
        cmocka_unit_test(nothing_outside_the_folder_is_reachable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
