/* SPDX-License-Identifier: Apache-2.0 */
#include "redis/redis_link.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/entropy.h"
#include "base/log.h"
#include "base/metrics.h"
#include "loop/loop_fd.h"
#include "redis/resp.h"

enum {
    REDIAL_FIRST_MS = 50,
    REDIAL_MOST_MS = 2000,
    READ_BYTES = 65536,
    READS_A_TURN = 16, /* lets other descriptors run */
    PORT_MAX = 65535
};

bool redis_address_split(struct slice address, char **host_r, uint16_t *port_r) {
    const char *colon = address.len ? memrchr(address.ptr, ':', address.len) : NULL;
    if (!colon || colon == address.ptr) return false;
    unsigned port = 0;
    struct slice host = {address.ptr, (size_t)(colon - address.ptr)};
    for (const char *digit = colon + 1; digit < address.ptr + address.len; digit++) {
        if (*digit < '0' || *digit > '9') return false;
        port = port * 10 + (unsigned)(*digit - '0');
        if (port > PORT_MAX) return false;
    }
    if (port == 0 || memchr(host.ptr, '\0', host.len)) return false;
    if (host.len > 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']')
        host = (struct slice){host.ptr + 1, host.len - 2};
    *host_r = memory_copy(host.ptr, host.len);
    *port_r = (uint16_t)port;
    return true;
}

static void set_state(struct redis_link *link, enum redis_link_state state) {
    static const char *const names[] = {"off", "waiting", "resolving", "connecting", "greeting", "ready"};
    LOG(LOG_DEBUG, "redis.link", LOG_TEXT("host", link->host), LOG_NUMBER("port", link->port),
        LOG_TEXT("from", names[link->state]), LOG_TEXT("to", names[state]));
    link->state = state;
}

static void close_socket(struct redis_link *link) {
    resolver_forget(&link->dial.question);
    loop_fd_free(&link->io);
    if (link->fd >= 0) close(link->fd);
    link->fd = -1;
    buffer_clear(&link->out);
    link->out_at = 0;
    loop_task_cancel(&link->flush);
}

void redis_link_hang_up(struct redis_link *link, const char *reason) {
    if (link->state <= LINK_WAITING) return;
    bool was_ready = link->state == LINK_READY;
    close_socket(link);
    if (was_ready || link->failures == 0)
        LOG(LOG_WARNING, was_ready ? "redis.lost" : "redis.unreachable", LOG_TEXT("host", link->host),
            LOG_NUMBER("port", link->port), LOG_TEXT("reason", reason));
    if (was_ready) metric_add(METRIC_REDIS_LOST, 1);
    link->failures = was_ready ? 0 : link->failures + 1;
    set_state(link, LINK_WAITING);
    loop_timer_set(&link->timer, redis_link_backoff_ms(link->failures, REDIAL_FIRST_MS, REDIAL_MOST_MS));
    link->events->closed(link, was_ready);
}

/* --- out --- */

static void watch(struct redis_link *link) {
    loop_fd_set(link->io, LOOP_READ | (link->out.len > link->out_at ? LOOP_WRITE : 0));
}

static void write_out(struct redis_link *link) {
    while (link->out.len > link->out_at) {
        ssize_t taken = send(link->fd, link->out.ptr + link->out_at, link->out.len - link->out_at, MSG_NOSIGNAL);
        if (taken < 0 && errno == EINTR) continue;
        if (taken < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) break;
        if (taken < 0) {
            redis_link_hang_up(link, strerror(errno));
            return;
        }
        link->out_at += (size_t)taken;
        link->sent_bytes += (uint64_t)taken;
        metric_add(METRIC_REDIS_SENT, taken);
    }
    if (link->out_at == link->out.len || link->out_at > READ_BYTES) {
        buffer_consume(&link->out, link->out_at);
        link->out_at = 0;
    }
    watch(link);
}

static void flush(struct loop_task *task) {
    write_out(CONTAINER(task, struct redis_link, flush));
}

void redis_link_write(struct redis_link *link, struct slice bytes) {
    buffer_append_slice(&link->out, bytes);
    link->queued_bytes += bytes.len;
    loop_flush(link->loop, &link->flush);
}

/* --- greeting: AUTH, and ROLE if the server must be a primary --- */

static void become_ready(struct redis_link *link) {
    LOG(LOG_INFO, "redis.connected", LOG_TEXT("host", link->host), LOG_NUMBER("port", link->port));
    metric_add(METRIC_REDIS_CONNECTS, 1);
    link->failures = 0;
    link->queued_bytes = link->sent_bytes = 0;
    set_state(link, LINK_READY);
    loop_timer_set(&link->timer, LINK_IDLE_MS);
    link->events->ready(link);
}

static void greet(struct redis_link *link) {
    const struct redis_link_settings *settings = link->settings;
    struct slice user = slice_of(settings->user), password = slice_of(settings->password);
    link->dial.greetings = 0;
    set_state(link, LINK_GREETING);
    if (settings->password) {
        if (settings->user)
            resp_append_command(&link->out, REDIS_ARGS(SLICE("AUTH"), user, password));
        else
            resp_append_command(&link->out, REDIS_ARGS(SLICE("AUTH"), password));
        link->dial.greetings++;
    }
    /* The last question is always sent: a server that is loading or refuses commands says so here. */
    resp_append_command(&link->out, REDIS_ARGS(settings->primary ? SLICE("ROLE") : SLICE("PING")));
    link->dial.greetings++;
    write_out(link);
}

static void greeted(struct redis_link *link, const struct redis_value *value) {
    if (value->type == REDIS_ERROR) {
        LOG(LOG_WARNING, "redis.refused", LOG_TEXT("host", link->host), LOG_NUMBER("port", link->port),
            LOG_SLICE("error", value->text));
        redis_link_hang_up(link, "refused");
        return;
    }
    if (--link->dial.greetings > 0) return;
    if (link->settings->primary && !resp_is(resp_item(value, 0), "master"))
        redis_link_hang_up(link, "not a primary");
    else
        become_ready(link);
}

/* --- in --- */

static void take_replies(struct redis_link *link) {
    const struct redis_value *value;
    while (link->state >= LINK_GREETING) {
        switch (resp_reader_next(link->reader, &value)) {
            case RESP_INCOMPLETE:
                return;
            case RESP_BROKEN:
                metric_add_labelled(METRIC_REDIS_ERRORS, "broken reply", 1);
                redis_link_hang_up(link, "broken reply");
                return;
            case RESP_WHOLE:
                if (link->state == LINK_GREETING)
                    greeted(link, value);
                else
                    link->events->reply(link, value);
        }
    }
}

static void read_in(struct redis_link *link) {
    char bytes[READ_BYTES];
    for (int i = 0; i < READS_A_TURN && link->state >= LINK_GREETING; i++) {
        ssize_t len = recv(link->fd, bytes, sizeof(bytes), 0);
        if (len < 0 && errno == EINTR) continue;
        if (len < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
        if (len <= 0) {
            redis_link_hang_up(link, len == 0 ? "closed by the server" : strerror(errno));
            return;
        }
        metric_add(METRIC_REDIS_RECEIVED, len);
        link->heard_ms = loop_now_ms(link->loop);
        link->asked = false;
        resp_reader_feed(link->reader, bytes, (size_t)len);
        take_replies(link);
        if ((size_t)len < sizeof(bytes)) return;
    }
}

/* --- the dial --- */

static void try_address(struct redis_link *link);

static void connected(struct redis_link *link) {
    int error = 0;
    socklen_t len = sizeof(error);
    if (getsockopt(link->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0) error = errno;
    if (error) {
        try_address(link);
        return;
    }
    resp_reader_free(&link->reader);
    link->reader = resp_reader_new(link->settings->reply_bytes);
    link->heard_ms = loop_now_ms(link->loop);
    link->asked = false;
    greet(link);
}

static void ready(void *owner, int fd, int what) {
    struct redis_link *link = owner;
    if (link->state == LINK_CONNECTING) {
        connected(link);
        return;
    }
    if (what & LOOP_READ) read_in(link);
    if (what & LOOP_WRITE && link->state >= LINK_GREETING) write_out(link);
}

static void set_options(int fd) {
    static const struct {
        int level, name, value;
    } options[] = {
        {IPPROTO_TCP, TCP_NODELAY, 1},   {SOL_SOCKET, SO_KEEPALIVE, 1}, {IPPROTO_TCP, TCP_KEEPIDLE, 5},
        {IPPROTO_TCP, TCP_KEEPINTVL, 2}, {IPPROTO_TCP, TCP_KEEPCNT, 2}, {IPPROTO_TCP, TCP_USER_TIMEOUT, LINK_SILENT_MS},
    };
    for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++)
        setsockopt(fd, options[i].level, options[i].name, &options[i].value, sizeof(options[i].value));
}

/* Tries the name's addresses in order, until one accepts the connection or none is left. */
static void try_address(struct redis_link *link) {
    struct redis_dial *dial = &link->dial;
    close_socket(link);
    while (dial->at < dial->addresses_len) {
        const struct sockaddr_storage *address = &dial->addresses[dial->at++];
        link->fd = socket(address->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (link->fd < 0) continue;
        set_options(link->fd);
        if (connect(link->fd, (const struct sockaddr *)address, resolver_address_len(address)) == 0 ||
            errno == EINPROGRESS) {
            link->io = loop_fd_new(link->loop, link->fd, LOOP_WRITE, ready, link);
            return;
        }
        close_socket(link);
    }
    redis_link_hang_up(link, "no connection");
}

static void resolved(struct resolver_question *question, const struct sockaddr_storage *addresses, size_t len) {
    struct redis_link *link = CONTAINER(question, struct redis_link, dial.question);
    memcpy(link->dial.addresses, addresses, len * sizeof(*addresses));
    link->dial.addresses_len = len;
    link->dial.at = 0;
    if (len == 0) {
        redis_link_hang_up(link, "no such name");
        return;
    }
    set_state(link, LINK_CONNECTING);
    try_address(link);
}

static void dial(struct redis_link *link) {
    set_state(link, LINK_RESOLVING);
    loop_timer_set(&link->timer, link->settings->connect_ms);
    resolver_ask(link->resolver, &link->dial.question, link->host, link->port);
}

/* READY: checks whether the server still answers. */
static void look_for_silence(struct redis_link *link) {
    uint64_t silent_ms = loop_now_ms(link->loop) - link->heard_ms;
    if (silent_ms >= LINK_SILENT_MS) {
        redis_link_hang_up(link, "silent");
        return;
    }
    if (silent_ms >= LINK_IDLE_MS && !link->asked) {
        link->asked = true;
        link->events->idle(link);
    }
    if (link->state != LINK_READY) return;
    uint64_t next_ms = link->asked ? LINK_SILENT_MS : LINK_IDLE_MS;
    loop_timer_set(&link->timer, silent_ms < next_ms ? next_ms - silent_ms : LINK_IDLE_MS);
}

static void fire(struct loop_timer *timer) {
    struct redis_link *link = CONTAINER(timer, struct redis_link, timer);
    if (link->state == LINK_READY)
        look_for_silence(link);
    else if (link->state == LINK_WAITING)
        dial(link);
    else
        redis_link_hang_up(link, "no answer in time");
}

void redis_link_init(struct redis_link *link, struct loop *loop, struct resolver *resolver, const char *address,
                     const struct redis_link_settings *settings, const struct redis_link_events *events) {
    *link = (struct redis_link){
        .loop = loop, .resolver = resolver, .settings = settings, .events = events, .state = LINK_OFF, .fd = -1};
    if (!redis_address_split(slice_of(address), &link->host, &link->port)) abort();
    link->dial.question.done = resolved;
    loop_timer_init(&link->timer, loop, fire);
    loop_task_init(&link->flush, flush);
}

void redis_link_start(struct redis_link *link) {
    set_state(link, LINK_WAITING);
    loop_timer_set(&link->timer, 0);
}

void redis_link_done(struct redis_link *link) {
    close_socket(link);
    loop_timer_cancel(&link->timer);
    resp_reader_free(&link->reader);
    buffer_done(&link->out);
    free(link->host);
    link->host = NULL;
}

unsigned redis_link_backoff_ms(unsigned attempt, unsigned first_ms, unsigned most_ms) {
    uint64_t whole_ms = first_ms;
    while (attempt-- > 0 && whole_ms < most_ms) whole_ms *= 2;
    if (whole_ms > most_ms) whole_ms = most_ms;
    uint32_t random;
    entropy_fill(&random, sizeof(random));
    return (unsigned)(whole_ms / 2 + random % (whole_ms / 2 + 1));
}
