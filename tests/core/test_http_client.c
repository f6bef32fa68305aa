/* SPDX-License-Identifier: Apache-2.0 */
/* Requests to a server in the same loop. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "loop/loop.h"
#include "loop/loop_fd.h"
#include "net/http_client.h"

enum { CONNECTIONS_MAX = 8, DEADLINE_MS = 5000 };

struct rig {
    struct loop *loop;
    struct http_client *client;
    struct loop_fd *listener, *connections[CONNECTIONS_MAX];
    int listen_fd, fds[CONNECTIONS_MAX], connections_len;
    unsigned port;
    char request[4096];
    unsigned answers;
    struct http_fetched last;
    char headers[1024], body[1024];
};

static const char *reply_to(const char *request) {
    static char large[20000];
    if (strncmp(request, "GET /silent", 11) == 0) return NULL;
    if (strncmp(request, "GET /large", 10) == 0) {
        int head = snprintf(large, sizeof large, "HTTP/1.1 200 OK\r\nContent-Length: 15000\r\n\r\n");
        memset(large + head, 'x', 15000);
        return large;
    }
    if (strncmp(request, "GET /moved", 10) == 0)
        return "HTTP/1.1 302 Found\r\nLocation: /ok\r\nContent-Length: 0\r\n\r\n";
    return "HTTP/1.1 201 Created\r\nX-One: 1\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello";
}

static void readable(void *owner, int fd, int ready) {
    struct rig *rig = owner;
    size_t len = strlen(rig->request);
    ssize_t got = read(fd, rig->request + len, sizeof rig->request - len - 1);
    (void)ready;
    if (got <= 0) {
        for (int i = 0; i < rig->connections_len; i++)
            if (rig->fds[i] == fd) loop_fd_set(rig->connections[i], 0);
        return;
    }
    rig->request[len + (size_t)got] = '\0';
    const char *reply = reply_to(rig->request);
    if (!strstr(rig->request, "\r\n\r\n") || !reply) return;
    assert_true(write(fd, reply, strlen(reply)) > 0);
}

static void accept_one(void *owner, int fd, int ready) {
    struct rig *rig = owner;
    (void)ready;
    int accepted = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    assert_true(accepted >= 0 && rig->connections_len < CONNECTIONS_MAX);
    rig->fds[rig->connections_len] = accepted;
    rig->connections[rig->connections_len++] = loop_fd_new(rig->loop, accepted, LOOP_READ, readable, rig);
}

static struct rig *rig_new(void) {
    struct rig *rig = NEW(struct rig);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    rig->loop = loop_new();
    rig->client = http_client_new(rig->loop);
    rig->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(rig->listen_fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(rig->listen_fd, 8), 0);
    assert_int_equal(getsockname(rig->listen_fd, (struct sockaddr *)&address, &len), 0);
    rig->port = ntohs(address.sin_port);
    rig->listener = loop_fd_new(rig->loop, rig->listen_fd, LOOP_READ, accept_one, rig);
    return rig;
}

static void rig_free(struct rig *rig) {
    http_client_free(&rig->client);
    loop_fd_free(&rig->listener);
    close(rig->listen_fd);
    for (int i = 0; i < rig->connections_len; i++) {
        loop_fd_free(&rig->connections[i]);
        close(rig->fds[i]);
    }
    loop_free(&rig->loop);
    free(rig);
}

static void done(void *owner, const struct http_fetched *fetched) {
    struct rig *rig = owner;
    rig->answers++;
    rig->last = *fetched;
    snprintf(rig->headers, sizeof rig->headers, "%.*s", SLICE_ARG(fetched->headers));
    snprintf(rig->body, sizeof rig->body, "%.*s", SLICE_ARG(fetched->body));
}

static void fetch(struct rig *rig, struct http_fetch fetch, const char *path) {
    char url[128];
    snprintf(url, sizeof url, "http://127.0.0.1:%u%s", rig->port, path);
    fetch.url = url;
    if (!fetch.method) fetch.method = "GET";
    if (!fetch.timeout_ms) fetch.timeout_ms = 3000;
    if (!fetch.max_bytes) fetch.max_bytes = 10000;
    rig->answers = 0;
    assert_true(http_client_fetch(rig->client, &fetch, done, rig));
    assert_int_equal(rig->answers, 0);
    uint64_t end_us = loop_clock_us(rig->loop) + DEADLINE_MS * 1000;
    while (rig->answers == 0 && loop_clock_us(rig->loop) < end_us)
        if (!loop_turn(rig->loop)) usleep(1000); /* between two turns */
    assert_int_equal(rig->answers, 1);
}

static void an_answer_has_status_headers_and_body(void **state) {
    struct rig *rig = rig_new();
    const char *const headers[] = {"x-two: 2"};
    fetch(rig, (struct http_fetch){.method = "POST", .headers = headers, .headers_len = 1, .body = SLICE("payload")},
          "/ok?q=1");
    assert_int_equal(rig->last.status, HTTP_FETCH_OK);
    assert_int_equal(rig->last.code, 201);
    assert_string_equal(rig->body, "hello");
    assert_non_null(strstr(rig->headers, "x-one: 1\n"));
    assert_non_null(strstr(rig->request, "POST /ok?q=1 HTTP/1.1\r\n"));
    assert_non_null(strstr(rig->request, "x-two: 2\r\n"));
    assert_non_null(strstr(rig->request, "\r\n\r\npayload"));
    rig_free(rig);
}

static void too_large_an_answer_is_cut_off(void **state) {
    struct rig *rig = rig_new();
    fetch(rig, (struct http_fetch){.method = NULL}, "/large");
    assert_int_equal(rig->last.status, HTTP_FETCH_TOO_LARGE);
    rig_free(rig);
}

static void a_silent_server_is_left_in_time(void **state) {
    struct rig *rig = rig_new();
    fetch(rig, (struct http_fetch){.timeout_ms = 50}, "/silent");
    assert_int_equal(rig->last.status, HTTP_FETCH_TIMEOUT);
    rig_free(rig);
}

static void a_redirect_is_reported_not_followed(void **state) {
    struct rig *rig = rig_new();
    fetch(rig, (struct http_fetch){.method = NULL}, "/moved");
    assert_int_equal(rig->last.code, 302);
    rig_free(rig);
}

static void a_server_that_is_not_there_is_unavailable(void **state) {
    struct rig *rig = rig_new();
    loop_fd_free(&rig->listener);
    close(rig->listen_fd);
    fetch(rig, (struct http_fetch){.method = NULL}, "/");
    assert_int_equal(rig->last.status, HTTP_FETCH_UNAVAILABLE);
    rig->listen_fd = open("/dev/null", O_RDONLY);
    rig_free(rig);
}

static void other_schemes_are_refused(void **state) {
    static const char *const urls[] = {"file:///etc/passwd", "ftp://127.0.0.1/", "gopher://x", "//x", "", "127.0.0.1"};
    struct rig *rig = rig_new();
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        struct http_fetch fetch = {.method = "GET", .url = urls[i], .timeout_ms = 100, .max_bytes = 10};
        assert_false(http_client_fetch(rig->client, &fetch, done, rig));
    }
    rig_free(rig);
}

static void freeing_the_client_ends_pending_requests(void **state) {
    struct rig *rig = rig_new();
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%u/silent", rig->port);
    struct http_fetch fetch = {.method = "GET", .url = url, .timeout_ms = 5000, .max_bytes = 10};
    assert_true(http_client_fetch(rig->client, &fetch, done, rig));
    loop_turn(rig->loop);
    http_client_free(&rig->client);
    assert_int_equal(rig->answers, 1);
    assert_int_equal(rig->last.status, HTTP_FETCH_UNAVAILABLE);
    rig_free(rig);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_has_status_headers_and_body),
        cmocka_unit_test(too_large_an_answer_is_cut_off),
        cmocka_unit_test(a_silent_server_is_left_in_time),
        cmocka_unit_test(a_redirect_is_reported_not_followed),
        cmocka_unit_test(a_server_that_is_not_there_is_unavailable),
        cmocka_unit_test(other_schemes_are_refused),
        cmocka_unit_test(freeing_the_client_ends_pending_requests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
