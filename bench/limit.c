/* SPDX-License-Identifier: Apache-2.0 */
/* limit [drop=N] [processes=N]: the best that this machine can do. A bare loop of epoll and send: one room, each
 * message encoded once into one ring from which all members are sent, one send per member and pass, nothing else. It
 * speaks just enough of WebSocket and of Socket.IO for bench_load to drive it; a Socket.IO client gets frames as long
 * as Stoa's. Prints "listening PORT". drop=N leaves out every Nth send to the first member: the load must notice that.
 * processes=N share the port, for more connections than one process may hold; each has its own room. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buffer.h"
#include "wire/websocket_writer.h"

enum { RING_BYTES = 64 << 20, EVENTS = 512, RECEIVE_BYTES = 64 * 1024, MEMBERS_MAX = 1 << 20 };

struct member {
    int fd;
    bool upgraded, socketio, blocked;
    int place;         /* in the room; -1: not there */
    uint64_t taken;    /* bytes of the ring that the socket took */
    struct buffer in;  /* first part of a request or a frame */
    struct buffer out; /* bytes for this member alone */
};

struct server {
    int epoll, listener;
    unsigned drop_each, sends; /* to the first member */
    char *ring;                /* mapped twice in a row, so that data that wraps is one span too */
    uint64_t written;
    struct member **room;
    int room_len;
    uint64_t messages;
    struct buffer received, text, frame;
};

static void die(const char *what) {
    perror(what);
    exit(1);
}

static char *map_ring(void) {
    int fd = memfd_create("ring", MFD_CLOEXEC);
    char *at = mmap(NULL, 2UL * RING_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (fd < 0 || ftruncate(fd, RING_BYTES) < 0 || at == MAP_FAILED) die("limit: ring");
    for (int i = 0; i < 2; i++)
        if (mmap(at + (size_t)i * RING_BYTES, RING_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) ==
            MAP_FAILED)
            die("limit: ring");
    close(fd);
    return at;
}

/* Members */

static void watch(struct server *server, struct member *member, int operation, uint32_t events) {
    struct epoll_event event = {.events = events, .data.ptr = member};
    if (epoll_ctl(server->epoll, operation, member->fd, &event) < 0) die("limit: epoll_ctl");
}

static void leave(struct server *server, struct member *member) {
    if (member->place < 0) return;
    struct member *last = server->room[--server->room_len];
    server->room[member->place] = last;
    last->place = member->place;
    member->place = -1;
}

static void join(struct server *server, struct member *member) {
    if (member->place >= 0) return;
    member->place = server->room_len;
    member->taken = server->written;
    server->room[server->room_len++] = member;
}

static void end(struct server *server, struct member *member) {
    leave(server, member);
    close(member->fd);
    buffer_done(&member->in);
    buffer_done(&member->out);
    free(member);
}

/* -1: the connection has ended. */
static ssize_t try_send(struct member *member, const char *bytes, size_t len) {
    ssize_t n = send(member->fd, bytes, len, MSG_NOSIGNAL);
    return n < 0 && errno == EAGAIN ? 0 : n;
}

/* Sends the member's own bytes, then what is due from the ring. False: the connection ended, or it is too far behind.
 */
static bool flush(struct server *server, struct member *member) {
    if (member->out.len > 0) {
        ssize_t n = try_send(member, member->out.ptr, member->out.len);
        if (n < 0) return false;
        buffer_consume(&member->out, (size_t)n);
    }
    uint64_t due = member->place >= 0 ? server->written - member->taken : 0;
    if (due > RING_BYTES) return false;
    if (due > 0 && member->out.len == 0) {
        ssize_t n = try_send(member, server->ring + member->taken % RING_BYTES, due);
        if (n < 0) return false;
        member->taken += (uint64_t)n;
        due -= (uint64_t)n;
    }
    bool blocked = member->out.len > 0 || due > 0;
    if (blocked != member->blocked) {
        watch(server, member, EPOLL_CTL_MOD, blocked ? EPOLLIN | EPOLLOUT : EPOLLIN);
        member->blocked = blocked;
    }
    return true;
}

/* At the end of a pass of the loop: one send for each member. */
static void fan_out(struct server *server) {
    if (server->drop_each && server->room_len > 0 && server->room[0]->taken != server->written &&
        ++server->sends % server->drop_each == 0)
        server->room[0]->taken = server->written;
    for (int i = server->room_len - 1; i >= 0; i--) {
        struct member *member = server->room[i];
        if (member->blocked || member->taken == server->written || flush(server, member)) continue;
        end(server, member);
    }
}

/* What members send */

static void say(struct member *member, const char *text) {
    websocket_writer_write(&member->out, FRAME_TEXT, false, slice_of(text));
}

static void publish(struct server *server, const struct member *member, struct slice payload) {
    struct buffer *text = &server->text, *frame = &server->frame;
    buffer_clear(text);
    buffer_clear(frame);
    if (member->socketio) {
        buffer_printf(text, "42[\"message\",\"%.*s\",\"limit...", SLICE_ARG(payload));
        buffer_printf(text, ".%04x\"]", (unsigned)(++server->messages & 0xffff));
    } else {
        buffer_append_slice(text, payload);
    }
    websocket_writer_write(frame, FRAME_TEXT, false, buffer_slice(text));
    memcpy(server->ring + server->written % RING_BYTES, frame->ptr, frame->len);
    server->written += frame->len;
}

/* 42["publish","ROOM","PAYLOAD"]: the payload, which has no quotes in it. */
static struct slice payload_of(struct slice text) {
    const char *end = memrchr(text.ptr, '"', text.len);
    const char *start = end ? memrchr(text.ptr, '"', (size_t)(end - text.ptr)) : NULL;
    return start ? (struct slice){start + 1, (size_t)(end - start) - 1} : SLICE_NONE;
}

static bool starts(struct slice text, const char *with) {
    return text.len >= strlen(with) && memcmp(text.ptr, with, strlen(with)) == 0;
}

static void take_text(struct server *server, struct member *member, struct slice text) {
    if (!member->socketio) {
        publish(server, member, text);
    } else if (starts(text, "42[")) {
        publish(server, member, payload_of(text));
    } else if (starts(text, "420")) {
        join(server, member);
        say(member, "430[{\"ok\":true}]");
    } else if (starts(text, "40")) {
        say(member, "40{\"sid\":\"limit\"}");
    }
}

/* The length of the masked frame at the head, or 0. */
static size_t take_frame(struct server *server, struct member *member, char *bytes, size_t len) {
    uint8_t *at = (uint8_t *)bytes;
    size_t head = 6, body = len < 2 ? 0 : at[1] & 127U;
    if (body == 126) head = 8;
    if (body == 127) head = 14;
    if (len < head) return 0;
    if (body >= 126) {
        body = 0;
        for (size_t i = 2; i < head - 4; i++) body = body << 8 | at[i];
    }
    if (len - head < body) return 0;
    for (size_t i = 0; i < body; i++) at[head + i] ^= at[head - 4 + i % 4];
    if ((at[0] & 15) == FRAME_TEXT) take_text(server, member, (struct slice){bytes + head, body});
    return head + body;
}

static size_t take_request(struct server *server, struct member *member, char *bytes, size_t len) {
    const char *end = memmem(bytes, len, "\r\n\r\n", 4);
    if (!end) return 0;
    member->upgraded = true;
    member->socketio = starts((struct slice){bytes, len}, "GET /socket.io/");
    /* bench_load always sends the same key: this is its answer. */
    buffer_append_str(&member->out,
                      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                      "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n");
    if (member->socketio) {
        say(member,
            "0{\"sid\":\"limit\",\"upgrades\":[],\"pingInterval\":25000,\"pingTimeout\":20000,\"maxPayload\":1000000}");
    } else {
        join(server, member);
    }
    return (size_t)(end - bytes) + 4;
}

/* False: the connection has ended. */
static bool receive(struct server *server, struct member *member) {
    struct buffer *bytes = &server->received;
    buffer_clear(bytes);
    buffer_append_slice(bytes, buffer_slice(&member->in));
    ssize_t n = recv(member->fd, buffer_reserve(bytes, RECEIVE_BYTES), RECEIVE_BYTES, 0);
    if (n < 0 && errno == EAGAIN) return true;
    if (n <= 0) return false;
    bytes->len += (size_t)n;
    size_t taken = member->upgraded ? 0 : take_request(server, member, bytes->ptr, bytes->len);
    while (member->upgraded) {
        size_t len = take_frame(server, member, bytes->ptr + taken, bytes->len - taken);
        if (len == 0) break;
        taken += len;
    }
    buffer_clear(&member->in);
    buffer_append_slice(&member->in, slice_from(buffer_slice(bytes), taken));
    if (member->in.len == 0) buffer_done(&member->in);
    return true;
}

/* Work */

static void accept_all(struct server *server) {
    int on = 1, fd;
    while ((fd = accept4(server->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct member *member = NEW(struct member);
        *member = (struct member){.fd = fd, .place = -1};
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        watch(server, member, EPOLL_CTL_ADD, EPOLLIN);
    }
}

/* Returns the port; 0 picks a free one. */
static uint16_t listen_on(struct server *server, uint16_t port) {
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int on = 1;
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(server->listener, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    if (bind(server->listener, (struct sockaddr *)&address, len) < 0 || listen(server->listener, 4096) < 0 ||
        getsockname(server->listener, (struct sockaddr *)&address, &len) < 0)
        die("limit: listen");
    return ntohs(address.sin_port);
}

/* This process and the others, which end with it, all listen. */
static void listen_all(struct server *server, unsigned processes) {
    uint16_t port = listen_on(server, 0);
    printf("listening %d\n", port);
    fflush(stdout);
    for (unsigned i = 1; i < processes; i++) {
        pid_t pid = fork();
        if (pid < 0) die("limit: fork");
        if (pid > 0) continue;
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(server->listener);
        listen_on(server, port);
        return;
    }
}

static void turn(struct server *server) {
    struct epoll_event events[EVENTS];
    int n = epoll_wait(server->epoll, events, EVENTS, -1);
    for (int i = 0; i < n; i++) {
        struct member *member = events[i].data.ptr;
        if (!member) {
            accept_all(server);
            continue;
        }
        bool alive = !(events[i].events & ~(uint32_t)EPOLLOUT) || receive(server, member);
        if (alive && (member->out.len > 0 || events[i].events & EPOLLOUT)) alive = flush(server, member);
        if (!alive) end(server, member);
    }
    fan_out(server);
}

int main(int argc, char **argv) {
    struct server server = {0};
    struct rlimit limit;
    unsigned processes = 1;
    for (int i = 1; i < argc; i++)
        if (sscanf(argv[i], "drop=%u", &server.drop_each) != 1 && sscanf(argv[i], "processes=%u", &processes) != 1)
            return 64;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    listen_all(&server, processes);
    server.epoll = epoll_create1(EPOLL_CLOEXEC);
    server.ring = map_ring();
    server.room = NEW_ARRAY(struct member *, MEMBERS_MAX);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    if (epoll_ctl(server.epoll, EPOLL_CTL_ADD, server.listener, &event) < 0) die("limit: epoll_ctl");
    for (;;) turn(&server);
}
