/* SPDX-License-Identifier: Apache-2.0 */
#include "net/http_client.h"

#include <ctype.h>
#include <curl/curl.h>
#include <stdlib.h>
#include <strings.h>

#include "loop/loop.h"
#include "loop/loop_fd.h"

enum { HEADERS_MAX_BYTES = 65536, CONNECT_TIMEOUT_MS = 5000 };

struct http_client {
    struct loop *loop;
    CURLM *multi;
    struct loop_timer timer;
    struct loop_task check;
    struct list fetches;
    unsigned len;
};

struct fetch {
    struct list link;
    struct http_client *client;
    CURL *easy;
    struct curl_slist *headers;
    struct buffer response_headers, body;
    size_t max_bytes;
    bool too_large;
    http_fetch_done *done;
    void *owner;
};

static void fetch_end(struct fetch *fetch, enum http_fetch_status status) {
    struct http_fetched fetched = {
        .status = status, .headers = buffer_slice(&fetch->response_headers), .body = buffer_slice(&fetch->body)};
    long code = 0;
    curl_easy_getinfo(fetch->easy, CURLINFO_RESPONSE_CODE, &code);
    fetched.code = (unsigned)code;
    list_remove(&fetch->link);
    fetch->client->len--;
    curl_multi_remove_handle(fetch->client->multi, fetch->easy);
    fetch->done(fetch->owner, &fetched);
    curl_easy_cleanup(fetch->easy);
    curl_slist_free_all(fetch->headers);
    buffer_done(&fetch->response_headers);
    buffer_done(&fetch->body);
    free(fetch);
}

static enum http_fetch_status status_of(const struct fetch *fetch, CURLcode code) {
    if (fetch->too_large) return HTTP_FETCH_TOO_LARGE;
    if (code == CURLE_OPERATION_TIMEDOUT) return HTTP_FETCH_TIMEOUT;
    if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE) return HTTP_FETCH_UNTRUSTED;
    return code == CURLE_OK ? HTTP_FETCH_OK : HTTP_FETCH_UNAVAILABLE;
}

static void end_finished(struct loop_task *task) {
    struct http_client *client = CONTAINER(task, struct http_client, check);
    int left;
    for (CURLMsg *message; (message = curl_multi_info_read(client->multi, &left));) {
        if (message->msg != CURLMSG_DONE) continue;
        char *fetch = NULL;
        CURLcode code = message->data.result;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &fetch);
        fetch_end((struct fetch *)(void *)fetch, status_of((struct fetch *)(void *)fetch, code));
    }
}

/* libcurl forbids ending a request within its callbacks: the next turn does. */
static void act(struct http_client *client, curl_socket_t fd, int ready) {
    int running;
    curl_multi_socket_action(client->multi, fd, ready, &running);
    loop_post(client->loop, &client->check);
}

static void ready(void *owner, int fd, int what) {
    act(owner, fd, (what & LOOP_READ ? CURL_CSELECT_IN : 0) | (what & LOOP_WRITE ? CURL_CSELECT_OUT : 0));
}

static void timer_fired(struct loop_timer *timer) {
    act(CONTAINER(timer, struct http_client, timer), CURL_SOCKET_TIMEOUT, 0);
}

static int watch(CURL *easy, curl_socket_t fd, int what, void *owner, void *watched) {
    struct http_client *client = owner;
    struct loop_fd *loop_fd = watched;
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (loop_fd) loop_fd_free(&loop_fd);
        curl_multi_assign(client->multi, fd, NULL);
        return 0;
    }
    int interest = (what & CURL_POLL_IN ? LOOP_READ : 0) | (what & CURL_POLL_OUT ? LOOP_WRITE : 0);
    if (loop_fd)
        loop_fd_set(loop_fd, interest);
    else
        curl_multi_assign(client->multi, fd, loop_fd_new(client->loop, fd, interest, ready, client));
    return 0;
}

static int set_timer(CURLM *multi, long delay_ms, void *owner) {
    struct http_client *client = owner;
    (void)multi;
    if (delay_ms < 0)
        loop_timer_cancel(&client->timer);
    else
        loop_timer_set(&client->timer, delay_ms > 0 ? (uint64_t)delay_ms : 1);
    return 0;
}

struct http_client *http_client_new(struct loop *loop) {
    struct http_client *client = NEW(struct http_client);
    client->loop = loop;
    client->multi = curl_multi_init();
    list_init(&client->fetches);
    loop_timer_init(&client->timer, loop, timer_fired);
    loop_task_init(&client->check, end_finished);
    curl_multi_setopt(client->multi, CURLMOPT_SOCKETFUNCTION, watch);
    curl_multi_setopt(client->multi, CURLMOPT_SOCKETDATA, client);
    curl_multi_setopt(client->multi, CURLMOPT_TIMERFUNCTION, set_timer);
    curl_multi_setopt(client->multi, CURLMOPT_TIMERDATA, client);
    return client;
}

void http_client_free(struct http_client **client_ref) {
    struct http_client *client = *client_ref;
    *client_ref = NULL;
    if (!client) return;
    LIST_EACH(&client->fetches, link) fetch_end(CONTAINER(link, struct fetch, link), HTTP_FETCH_UNAVAILABLE);
    curl_multi_cleanup(client->multi);
    loop_timer_cancel(&client->timer);
    loop_task_cancel(&client->check);
    free(client);
}

static size_t take_body(char *bytes, size_t size, size_t count, void *owner) {
    struct fetch *fetch = owner;
    size_t len = size * count;
    fetch->too_large = fetch->too_large || fetch->body.len + len > fetch->max_bytes;
    if (fetch->too_large) return 0;
    buffer_append(&fetch->body, bytes, len);
    return len;
}

/* A new status line resets the headers (100 Continue). */
static size_t take_header(char *bytes, size_t size, size_t count, void *owner) {
    struct fetch *fetch = owner;
    struct buffer *out = &fetch->response_headers;
    size_t len = size * count;
    const char *colon = memchr(bytes, ':', len);
    if (len > 5 && strncasecmp(bytes, "HTTP/", 5) == 0) buffer_clear(out);
    if (!colon || out->len + len > HEADERS_MAX_BYTES) return len;
    size_t end = len;
    while (end > 0 && isspace((unsigned char)bytes[end - 1])) end--;
    for (const char *at = bytes; at < colon; at++) buffer_append_char(out, (char)tolower((unsigned char)*at));
    buffer_append(out, colon, (size_t)(bytes + end - colon));
    buffer_append_char(out, '\n');
    return len;
}

static void set_options(struct fetch *fetch, const struct http_fetch *from) {
    CURL *easy = fetch->easy;
    for (size_t i = 0; i < from->headers_len; i++) fetch->headers = curl_slist_append(fetch->headers, from->headers[i]);
    curl_easy_setopt(easy, CURLOPT_URL, from->url);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    if (from->ca) curl_easy_setopt(easy, CURLOPT_CAINFO, from->ca);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)from->timeout_ms);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                     (long)(from->timeout_ms < CONNECT_TIMEOUT_MS ? from->timeout_ms : CONNECT_TIMEOUT_MS));
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, fetch->headers);
    if (from->body.len > 0) {
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long)from->body.len);
        curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, from->body.ptr);
    }
    if (strcmp(from->method, "HEAD") == 0) curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, from->method);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, fetch);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, fetch);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, fetch);
}

bool http_client_fetch(struct http_client *client, const struct http_fetch *from, http_fetch_done *done, void *owner) {
    if (client->len >= HTTP_CLIENT_MAX) return false;
    if (strncasecmp(from->url, "http://", 7) != 0 && strncasecmp(from->url, "https://", 8) != 0) return false;
    struct fetch *fetch = NEW(struct fetch);
    fetch->client = client;
    fetch->easy = curl_easy_init();
    fetch->max_bytes = from->max_bytes;
    fetch->done = done;
    fetch->owner = owner;
    set_options(fetch, from);
    list_append(&client->fetches, &fetch->link);
    client->len++;
    curl_multi_add_handle(client->multi, fetch->easy);
    loop_post(client->loop, &client->check);
    return true;
}
