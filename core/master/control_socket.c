/* SPDX-License-Identifier: Apache-2.0 */
#include "master/control_socket.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "process/listen.h"

enum { LINE_MAX_LEN = 64 };

struct control_client {
    int fd; /* -1: free */
    bool waits;
    size_t len;
    char line[LINE_MAX_LEN];
};

struct control_socket {
    int fd;
    char *path;
    control_socket_command *command;
    void *owner;
    struct control_client clients[CONTROL_SOCKET_CLIENTS_MAX];
};

struct control_socket *control_socket_new(const char *path, control_socket_command *command, void *owner,
                                          struct error *error_r) {
    int fd = listen_unix(path, error_r);
    if (fd < 0) return NULL;
    struct control_socket *control = NEW(struct control_socket);
    control->fd = fd;
    control->path = memory_copy(path, strlen(path));
    control->command = command;
    control->owner = owner;
    for (size_t i = 0; i < CONTROL_SOCKET_CLIENTS_MAX; i++) control->clients[i].fd = -1;
    return control;
}

static void client_close(struct control_client *client) {
    if (client->fd >= 0) close(client->fd);
    *client = (struct control_client){.fd = -1};
}

void control_socket_abandon(struct control_socket **control) {
    struct control_socket *at = *control;
    *control = NULL;
    if (!at) return;
    for (size_t i = 0; i < CONTROL_SOCKET_CLIENTS_MAX; i++) client_close(&at->clients[i]);
    close(at->fd);
    free(at->path);
    free(at);
}

void control_socket_free(struct control_socket **control) {
    if (*control) unlink((*control)->path);
    control_socket_abandon(control);
}

size_t control_socket_poll(const struct control_socket *control, struct pollfd *polls) {
    size_t len = 0;
    if (!control) return 0;
    polls[len++] = (struct pollfd){.fd = control->fd, .events = POLLIN};
    for (size_t i = 0; i < CONTROL_SOCKET_CLIENTS_MAX; i++)
        if (control->clients[i].fd >= 0) polls[len++] = (struct pollfd){.fd = control->clients[i].fd, .events = POLLIN};
    return len;
}

static bool is_trusted(int fd) {
    struct ucred peer;
    socklen_t len = sizeof peer;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 && (peer.uid == geteuid() || peer.uid == 0);
}

static void accept_client(struct control_socket *control) {
    int fd = accept4(control->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    for (size_t i = 0; i < CONTROL_SOCKET_CLIENTS_MAX && is_trusted(fd); i++) {
        if (control->clients[i].fd >= 0) continue;
        control->clients[i].fd = fd;
        return;
    }
    close(fd);
}

static void answer(struct control_client *client, struct slice text) {
    ssize_t sent = send(client->fd, text.ptr, text.len, MSG_NOSIGNAL);
    (void)sent; /* a client that does not read has left */
    client_close(client);
}

static void client_read(struct control_socket *control, struct control_client *client) {
    ssize_t len = recv(client->fd, client->line + client->len, sizeof client->line - client->len, 0);
    if (len < 0 && (errno == EAGAIN || errno == EINTR)) return;
    size_t before = client->len;
    client->len += len > 0 ? (size_t)len : 0;
    const char *end = memchr(client->line + before, '\n', client->len - before);
    if (len <= 0 || client->waits || (!end && client->len == sizeof client->line)) {
        client_close(client);
        return;
    }
    if (!end) return;
    struct buffer text = {0};
    client->waits = true;
    client->len = 0;
    control->command(control->owner, (struct slice){client->line, (size_t)(end - client->line)}, &text);
    if (text.len > 0) answer(client, buffer_slice(&text));
    buffer_done(&text);
}

void control_socket_step(struct control_socket *control, const struct pollfd *polls, size_t len) {
    for (size_t i = 0; i < len; i++) {
        if (polls[i].revents == 0) continue;
        if (polls[i].fd == control->fd) accept_client(control);
        for (size_t j = 0; j < CONTROL_SOCKET_CLIENTS_MAX; j++)
            if (i > 0 && control->clients[j].fd == polls[i].fd) client_read(control, &control->clients[j]);
    }
}

void control_socket_answer(struct control_socket *control, struct slice text) {
    for (size_t i = 0; control && i < CONTROL_SOCKET_CLIENTS_MAX; i++)
        if (control->clients[i].waits) answer(&control->clients[i], text);
}

int control_socket_connect(const char *path, struct error *error_r) {
    return listen_connect_unix(path, error_r);
}

bool control_socket_ask(int fd, const char *command, struct buffer *text, struct error *error_r) {
    struct timeval patience = {.tv_sec = CONTROL_SOCKET_ASK_S};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    struct buffer line = {0};
    buffer_printf(&line, "%s\n", command);
    ssize_t len = send(fd, line.ptr, line.len, MSG_NOSIGNAL);
    buffer_done(&line);
    for (bool sent = len > 0; sent && len > 0;) {
        len = recv(fd, buffer_reserve(text, 4096), 4096, 0);
        if (len > 0) text->len += (size_t)len;
    }
    close(fd);
    if (len == 0 && text->len > 0) return true;
    error_set(error_r, "the server does not answer");
    return false;
}
