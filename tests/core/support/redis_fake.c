/* SPDX-License-Identifier: Apache-2.0 */
/* The scripted server of redis_stage.h. */
#include <arpa/inet.h>
#include <errno.h>
#include <unistd.h>

#include "loop/loop_fd.h"
#include "redis/resp.h"
#include "support/redis_stage.h"

struct fake_client {
    struct list link;
    struct fake_server *server;
    int fd;
    struct loop_fd *io;
    struct resp_reader *reader; /* a command is an array of strings, so the reader of replies can parse it */
    struct loop_task reap;
};

struct fake_state {
    int fd;
    struct loop_fd *io;
    struct list clients;
};

struct fake_server *fake_of(struct fake_client *client) {
    return client->server;
}

static void free_client(struct loop_task *task) {
    struct fake_client *client = CONTAINER(task, struct fake_client, reap);
    loop_task_cancel(&client->reap);
    list_remove(&client->link);
    resp_reader_free(&client->reader);
    free(client);
}

void fake_hang_up(struct fake_client *client) {
    if (client->fd < 0) return;
    client->server->open--;
    loop_fd_free(&client->io);
    close(client->fd);
    client->fd = -1;
    loop_reap(stage_loop, &client->reap);
}

void fake_say_bytes(struct fake_client *client, const char *bytes, size_t len) {
    for (size_t at = 0; at < len && client->fd >= 0;) {
        ssize_t taken = send(client->fd, bytes + at, len - at, MSG_NOSIGNAL);
        if (taken < 0 && errno == EAGAIN) return; /* answers in tests fit into a socket's buffer */
        if (taken < 0) return;
        at += (size_t)taken;
    }
}

void fake_say(struct fake_client *client, const char *bytes) {
    fake_say_bytes(client, bytes, strlen(bytes));
}

bool fake_greets(struct fake_client *client, const char *command) {
    if (strncmp(command, "PING", 4) == 0)
        fake_say(client, "+PONG\r\n");
    else if (strncmp(command, "AUTH", 4) == 0)
        fake_say(client, "+OK\r\n");
    else if (strcmp(command, "ROLE") == 0)
        fake_say(client, "*1\r\n$6\r\nmaster\r\n");
    else
        return false;
    return true;
}

void fake_default(struct fake_client *client, const char *command) {
    if (!fake_greets(client, command)) fake_say(client, "+OK\r\n");
}

static void command_came(struct fake_client *client, const struct redis_value *value) {
    struct fake_server *server = client->server;
    char words[1024];
    size_t len = 0;
    words[0] = '\0';
    for (size_t i = 0; i < value->items_len && len < sizeof(words) - 1; i++)
        len +=
            (size_t)snprintf(words + len, sizeof(words) - len, i ? " %.*s" : "%.*s", SLICE_ARG(value->items[i].text));
    bool greeting = strncmp(words, "PING", 4) == 0 || strncmp(words, "AUTH", 4) == 0 || strcmp(words, "ROLE") == 0;
    if (strcmp(words, "CLUSTER SLOTS") == 0) {
        server->lookups++;
    } else if (!greeting) {
        server->commands++;
        snprintf(server->last, sizeof(server->last), "%.*s", 255, words);
    }
    (server->on_command ? server->on_command : fake_default)(client, words);
}

static void readable(void *owner, int fd, int what) {
    struct fake_client *client = owner;
    char bytes[65536];
    const struct redis_value *value;
    ssize_t len = recv(fd, bytes, sizeof(bytes), 0);
    if (len <= 0) {
        if (len == 0 || errno != EAGAIN) fake_hang_up(client);
        return;
    }
    client->server->reads++;
    if (client->server->swallows) return;
    resp_reader_feed(client->reader, bytes, (size_t)len);
    while (client->fd >= 0 && resp_reader_next(client->reader, &value) == RESP_WHOLE) command_came(client, value);
}

static void accepted(void *owner, int fd, int what) {
    struct fake_server *server = owner;
    int client_fd = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (client_fd < 0) return;
    struct fake_client *client = NEW(struct fake_client);
    client->server = server;
    client->fd = client_fd;
    client->reader = resp_reader_new(64 << 20);
    client->io = loop_fd_new(stage_loop, client_fd, LOOP_READ, readable, client);
    loop_task_init(&client->reap, free_client);
    list_append(&server->state->clients, &client->link);
    server->connections++;
    server->open++;
}

void fake_restart(struct fake_server *server) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)server->port)};
    socklen_t len = sizeof(address);
    int yes = 1;
    server->state = NEW(struct fake_state);
    list_init(&server->state->clients);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = server->state->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(fd, 64), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    server->port = ntohs(address.sin_port);
    snprintf(server->address, sizeof(server->address), "127.0.0.1:%d", server->port);
    server->state->io = loop_fd_new(stage_loop, fd, LOOP_READ, accepted, server);
}

void fake_start(struct fake_server *server) {
    server->port = 0;
    fake_restart(server);
}

void fake_stop(struct fake_server *server) {
    if (!server->state) return;
    LIST_EACH(&server->state->clients, link) {
        struct fake_client *client = CONTAINER(link, struct fake_client, link);
        fake_hang_up(client);
        free_client(&client->reap);
    }
    loop_fd_free(&server->state->io);
    close(server->state->fd);
    free(server->state);
    server->state = NULL;
}
