/* SPDX-License-Identifier: Apache-2.0 */
#include "load/client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "load/crew.h"
#include "load/dialect.h"
#include "load/wire.h"

enum {
    SOURCES = 50,               /* addresses 127.0.0.1 to .50, so that none runs out of ports */
    SLOW_RECEIVE_BYTES = 4096,  /* of a slow reader's socket, so that the server notices it soon */
    RECEIVE_BYTES = 256 * 1024, /* per read */
};

static void die(const char *what) {
    perror(what);
    exit(1);
}

static void watch(struct client *client, int operation, uint32_t events) {
    struct epoll_event event = {.events = events, .data.ptr = client};
    if (epoll_ctl(client->crew->epoll, operation, client->fd, &event) < 0) die("bench_load: epoll_ctl");
}

static int open_socket(const struct client *client) {
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) die("bench_load: socket");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    int small = SLOW_RECEIVE_BYTES;
    if (plan_is_slow(client->crew->plan, client->id)) setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK + client->id % SOURCES)};
    if (bind(fd, (struct sockaddr *)&from, sizeof from) < 0) die("bench_load: bind");
    return fd;
}

void client_connect(struct client *client) {
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(client->crew->plan->port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    client->fd = open_socket(client);
    client->state = CLIENT_CONNECTING;
    client->started_ns = client->crew->now_ns;
    watch(client, EPOLL_CTL_ADD, EPOLLIN | EPOLLOUT);
    client->waits_to_write = true;
    if (client->crew->tls) {
        client->ssl = SSL_new(client->crew->tls);
        SSL_set_fd(client->ssl, client->fd);
        SSL_set_connect_state(client->ssl);
    }
    if (connect(client->fd, (struct sockaddr *)&to, sizeof to) < 0 && errno != EINPROGRESS) client_close(client, false);
}

/* The number of bytes; 0: not now; -1: the connection has ended. */
static ssize_t transfer(struct client *client, bool write, char *bytes, size_t len) {
    if (client->ssl) {
        int n = write ? SSL_write(client->ssl, bytes, (int)len) : SSL_read(client->ssl, bytes, (int)len);
        if (n > 0) return n;
        int error = SSL_get_error(client->ssl, n);
        return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? 0 : -1;
    }
    ssize_t n = write ? send(client->fd, bytes, len, MSG_NOSIGNAL) : recv(client->fd, bytes, len, 0);
    if (n > 0) return n;
    return n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
}

void client_flush(struct client *client) {
    size_t done = 0;
    while (client->state != CLIENT_CLOSED && done < client->out.len) {
        ssize_t n = transfer(client, true, client->out.ptr + done, client->out.len - done);
        if (n < 0) {
            client_close(client, false);
            return;
        }
        if (n == 0) break;
        done += (size_t)n;
    }
    buffer_consume(&client->out, done);
    bool waits = client->out.len > 0;
    if (client->state == CLIENT_CLOSED || waits == client->waits_to_write) return;
    watch(client, EPOLL_CTL_MOD, waits ? EPOLLIN | EPOLLOUT : EPOLLIN);
    client->waits_to_write = waits;
}

void client_queue_text(struct client *client, struct slice text) {
    wire_write_frame(&client->out, WIRE_TEXT, text);
}

static void ask_upgrade(struct client *client) {
    const struct plan *plan = client->crew->plan;
    client->state = CLIENT_UPGRADING;
    buffer_append_str(&client->out, "GET ");
    const char *number = strstr(plan->path, "%u");
    buffer_append(&client->out, plan->path, number ? (size_t)(number - plan->path) : strlen(plan->path));
    if (number) buffer_printf(&client->out, "%u%s", plan_channel_of(plan, client->id), number + 2);
    buffer_printf(&client->out,
                  " HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                  "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
                  plan->port);
    client_flush(client);
}

/* Goes on with TCP, then TLS; then sends the request. */
static void go_on_connecting(struct client *client) {
    int error = 0;
    socklen_t len = sizeof error;
    getsockopt(client->fd, SOL_SOCKET, SO_ERROR, &error, &len);
    if (error) {
        client_close(client, false);
        return;
    }
    int done = client->ssl ? SSL_do_handshake(client->ssl) : 1;
    if (done == 1) {
        ask_upgrade(client);
        return;
    }
    int reason = SSL_get_error(client->ssl, done);
    if (reason != SSL_ERROR_WANT_READ && reason != SSL_ERROR_WANT_WRITE) {
        client_close(client, false);
    } else if (client->waits_to_write != (reason == SSL_ERROR_WANT_WRITE)) {
        client->waits_to_write = !client->waits_to_write;
        watch(client, EPOLL_CTL_MOD, client->waits_to_write ? EPOLLIN | EPOLLOUT : EPOLLIN);
    }
}

/* Reads the response's head: how many bytes it took; 0: more are needed. */
static size_t take_head(struct client *client, struct slice bytes) {
    const char *end = memmem(bytes.ptr, bytes.len, "\r\n\r\n", 4);
    if (!end) return 0;
    if (memcmp(bytes.ptr, "HTTP/1.1 101 ", 13) != 0) {
        client_broken(client, bytes);
        return 0;
    }
    client->state = CLIENT_JOINING;
    client->crew->plan->dialect->opened(client);
    return (size_t)(end - bytes.ptr) + 4;
}

static void take_frame(struct client *client, uint8_t first_byte, struct slice body) {
    if (first_byte == WIRE_TEXT) {
        client->crew->plan->dialect->take(client, body);
    } else if (first_byte == WIRE_PING) {
        wire_write_frame(&client->out, WIRE_PONG, body);
    } else if (first_byte == WIRE_CLOSE) {
        client_close(client, false);
    } else if (first_byte != WIRE_PONG) {
        client_broken(client, body);
    }
}

/* Reads all whole frames: how many bytes they took. */
static size_t take(struct client *client, struct slice bytes) {
    size_t taken = 0;
    if (client->state == CLIENT_UPGRADING) {
        taken = take_head(client, bytes);
        if (taken == 0) return 0;
    }
    uint8_t first_byte;
    struct slice body;
    while (client->state != CLIENT_CLOSED) {
        size_t len = wire_read_frame(slice_from(bytes, taken), &first_byte, &body);
        if (len == 0) break;
        taken += len;
        take_frame(client, first_byte, body);
    }
    return taken;
}

static void read_all(struct client *client) {
    for (;;) {
        struct buffer *scratch = &client->crew->scratch;
        buffer_clear(scratch);
        buffer_append_slice(scratch, buffer_slice(&client->in));
        char *at = buffer_reserve(scratch, RECEIVE_BYTES);
        ssize_t n = transfer(client, false, at, RECEIVE_BYTES);
        if (n < 0) client_close(client, false);
        if (n <= 0) return;
        scratch->len += (size_t)n;
        size_t taken = take(client, buffer_slice(scratch));
        if (client->state == CLIENT_CLOSED) return;
        buffer_clear(&client->in);
        buffer_append_slice(&client->in, slice_from(buffer_slice(scratch), taken));
        if (client->in.len == 0) buffer_done(&client->in);
        if (!client->ssl && n < RECEIVE_BYTES) return;
    }
}

void client_step(struct client *client) {
    if (client->state == CLIENT_CONNECTING) go_on_connecting(client);
    if (client->state == CLIENT_CONNECTING || client->state == CLIENT_CLOSED) return;
    read_all(client);
    if (client->state != CLIENT_CLOSED) client_flush(client);
}

void client_joined(struct client *client) {
    client->state = CLIENT_READY;
    if (plan_is_slow(client->crew->plan, client->id)) epoll_ctl(client->crew->epoll, EPOLL_CTL_DEL, client->fd, NULL);
    crew_settled(client, NULL);
}

void client_broken(struct client *client, struct slice text) {
    if (tally_add(client->crew->tally, COUNT_BROKEN, 1) == 1)
        fprintf(stderr, "bench_load: unexpected of client %u: %.*s\n", client->id,
                (int)(text.len < 300 ? text.len : 300), text.ptr);
    client_close(client, false);
}

void client_close(struct client *client, bool wished) {
    if (client->state == CLIENT_CLOSED || client->state == CLIENT_NEW) return;
    static const char *const stages[] = {"", "connecting", "upgrading", "joining"};
    bool was_ready = client->state == CLIENT_READY;
    if (!was_ready) crew_settled(client, stages[client->state]);
    client->state = CLIENT_CLOSED;
    if (client->ssl) SSL_free(client->ssl);
    client->ssl = NULL;
    close(client->fd);
    buffer_done(&client->in);
    buffer_done(&client->out);
    if (was_ready) crew_lost(client, wished);
}
