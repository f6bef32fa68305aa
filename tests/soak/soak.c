/* SPDX-License-Identifier: Apache-2.0 */
/* soak STOA CONFIG peak: many polling sessions connect at once and leave: the worker must return memory to the system.
 * soak STOA CONFIG CYCLES [PEM]: starts a server, connects Socket.IO clients and lets them leave, in each of the ways
 * in which clients leave, CYCLES times; over TLS, with a full handshake each, if PEM has a certificate and its key.
 * Fails if the worker's resident memory grows in each of ROUNDS runs of CYCLES by more than the scripts' garbage
 * collector makes it vary: a leak grows in each run, a heap that met a busier moment than before grows only once. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    CROWD = 50,
    PEOPLE = 500,
    ADDRESSES = 50,
    WARM_UP = 30000,
    SETTLE_S = 20,
    ROUNDS = 3,
    PEAK = 9000,
    PEAK_PATIENCE_S = 60,
    GROWTH_MAX = 3 << 19,
    PROGRESS = 50000
};

struct server {
    pid_t master, worker;
    unsigned short port;
    FILE *log;
    SSL_CTX *tls; /* NULL: none */
};

struct client {
    int fd;
    SSL *ssl; /* NULL: plain */
};

static void fail(const char *what) {
    fprintf(stderr, "soak: %s: %s\n", what, errno ? strerror(errno) : "failed");
    exit(1);
}

static struct server server_start(const char *stoa, const char *config, const char *pem) {
    struct server server = {0};
    int pipe_fds[2];
    char line[512], certificate[300], key[300];
    const char *found;
    snprintf(certificate, sizeof certificate, "tls.certificate=%s", pem ? pem : "");
    snprintf(key, sizeof key, "tls.key=%s", pem ? pem : "");
    if (pem) server.tls = SSL_CTX_new(TLS_client_method());
    if (pipe(pipe_fds) != 0) fail("pipe");
    server.master = fork();
    if (server.master == 0) {
        dup2(pipe_fds[1], STDERR_FILENO);
        execl(stoa, stoa, "serve", "--config", config, "--set", "log_level=\"info\"", pem ? "--set" : NULL, certificate,
              "--set", key, (char *)NULL);
        _exit(127);
    }
    close(pipe_fds[1]);
    server.log = fdopen(pipe_fds[0], "r");
    while (!server.port && fgets(line, sizeof line, server.log)) {
        if ((found = strstr(line, "worker.started pid="))) server.worker = atoi(found + 19);
        if (strstr(line, "server.ready") && (found = strrchr(strstr(line, "listen="), ':')))
            server.port = (unsigned short)atoi(found + 1);
        if ((found = strstr(line, "listen=127.0.0.1:"))) server.port = (unsigned short)atoi(found + 17);
    }
    if (!server.port || !server.worker) fail("the server does not start");
    if (fork() == 0) { /* reads its log to the end, so that it does not block */
        while (fgets(line, sizeof line, server.log)) continue;
        _exit(0);
    }
    return server;
}

static long resident_bytes(pid_t pid) {
    char path[64];
    long pages = 0;
    snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
    FILE *file = fopen(path, "r");
    if (!file || fscanf(file, "%*d %ld", &pages) != 1) fail("the worker has gone");
    fclose(file);
    return pages * sysconf(_SC_PAGESIZE);
}

static void put(const struct client *client, const void *bytes, size_t len) {
    ssize_t n = client->ssl ? SSL_write(client->ssl, bytes, (int)len) : send(client->fd, bytes, len, MSG_NOSIGNAL);
    if (n != (ssize_t)len) fail("send");
}

static void say(const struct client *client, unsigned char opcode, const char *text) {
    unsigned char frame[128];
    size_t len = strlen(text);
    frame[0] = 0x80 | opcode;
    frame[1] = (unsigned char)(0x80 | len);
    memset(frame + 2, 0, 4);
    memcpy(frame + 6, text, len);
    put(client, frame, len + 6);
}

/* Reads until the server has sent the text. */
static void hear(const struct client *client, const char *text) {
    char bytes[4096];
    size_t len = 0;
    while (!memmem(bytes, len, text, strlen(text))) {
        ssize_t n = client->ssl ? SSL_read(client->ssl, bytes + len, (int)(sizeof bytes - len))
                                : recv(client->fd, bytes + len, sizeof bytes - len, 0);
        if (n <= 0) fail("the server closed a connection");
        len += (size_t)n;
    }
}

/* Uses several addresses, because one has too few ports. */
static struct client tcp(const struct server *server, unsigned i) {
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK + i % ADDRESSES)};
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(server->port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval patience = {.tv_sec = SETTLE_S};
    struct client client = {.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    int fd = client.fd, on = 1;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&from, sizeof from) != 0) fail("bind");
    if (connect(fd, (struct sockaddr *)&to, sizeof to) != 0) fail("connect");
    return client;
}

static struct client dial(const struct server *server, unsigned i) {
    static const char request[] =
        "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    struct client client = tcp(server, i);
    if (server->tls) {
        client.ssl = SSL_new(server->tls);
        SSL_set_fd(client.ssl, client.fd);
        if (SSL_connect(client.ssl) != 1) fail("TLS");
    }
    put(&client, request, sizeof request - 1);
    return client;
}

/* Leaves the namespace and closes; or closes; or only drops the connection. */
static void leave(const struct client *client, unsigned i) {
    struct linger at_once = {.l_onoff = 1};
    if (i % 3 == 0) say(client, 1, "41");
    if (i % 3 < 2)
        say(client, 8, "\x03\xe8");
    else
        setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    SSL_free(client->ssl);
    close(client->fd);
}

static void crowd_comes_and_goes(const struct server *server, unsigned first) {
    struct client crowd[CROWD];
    for (unsigned i = 0; i < CROWD; i++) crowd[i] = dial(server, first + i);
    for (unsigned i = 0; i < CROWD; i++) {
        char hello[64];
        snprintf(hello, sizeof hello, "40{\"user\":\"soak-%u\"}", (first + i) % PEOPLE);
        hear(&crowd[i], "\"maxPayload\"");
        say(&crowd[i], 1, hello);
    }
    for (unsigned i = 0; i < CROWD; i++) {
        hear(&crowd[i], "40{\"sid\"");
        leave(&crowd[i], first + i);
    }
}

/* Reads the server's output up to the given text, at most 4096 bytes. */
static void hear_all(const struct client *client, const char *text, char *bytes) {
    size_t len = 0;
    do {
        ssize_t n = recv(client->fd, bytes + len, 4095 - len, 0);
        if (n <= 0) fail("the server closed a connection");
        bytes[len += (size_t)n] = '\0';
    } while (!strstr(bytes, text));
}

static void poll_opens(const struct client *client, char *sid) {
    static const char request[] = "GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
    char bytes[4096];
    put(client, request, sizeof request - 1);
    hear_all(client, "\"maxPayload\"", bytes);
    const char *at = strstr(bytes, "\"sid\":\"");
    if (!at || sscanf(at + 7, "%63[^\"]", sid) != 1) fail("no session");
}

static void poll_closes(const struct client *client, const char *sid) {
    char request[256], bytes[4096];
    snprintf(
        request, sizeof request,
        "POST /socket.io/?EIO=4&transport=polling&sid=%.63s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1\r\n\r\n1",
        sid);
    put(client, request, strlen(request));
    hear_all(client, "\r\n\r\nok", bytes);
}

/* At least three quarters must be returned. */
static bool peak_is_given_back(const struct server *server) {
    static char sids[PEAK][64];
    struct client clients[ADDRESSES];
    long before = resident_bytes(server->worker), peak, after;
    for (unsigned i = 0; i < ADDRESSES; i++) clients[i] = tcp(server, i);
    for (unsigned i = 0; i < PEAK; i++) poll_opens(&clients[i % ADDRESSES], sids[i]);
    after = peak = resident_bytes(server->worker);
    for (unsigned i = 0; i < PEAK; i++) poll_closes(&clients[i % ADDRESSES], sids[i]);
    for (unsigned i = 0; i < PEAK_PATIENCE_S * 10 && after - before > (peak - before) / 4; i++) {
        nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL); /* between two looks */
        after = resident_bytes(server->worker);
    }
    printf("%u sessions: resident memory %ld KiB before, %ld KiB with them, %ld KiB after\n", PEAK, before >> 10,
           peak >> 10, after >> 10);
    return after - before <= (peak - before) / 4;
}

/* Waits until the sessions that are kept for recovery have expired. */
static long settled_bytes(const struct server *server, long at_most) {
    long bytes = 0;
    for (unsigned i = 0; i < SETTLE_S * 10; i++) {
        bytes = resident_bytes(server->worker);
        if (bytes <= at_most) break;
        nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL); /* between two looks */
    }
    return bytes;
}

static long growth_of_a_round(const struct server *server, unsigned cycles) {
    long before = resident_bytes(server->worker);
    for (unsigned i = 0; i < cycles; i += CROWD) {
        if (i % PROGRESS == 0) printf("%u: %ld KiB\n", i, resident_bytes(server->worker) >> 10);
        crowd_comes_and_goes(server, i);
    }
    long after = settled_bytes(server, before + GROWTH_MAX / 2);
    printf("%u cycles: resident memory %ld KiB before, %ld KiB after\n", cycles, before >> 10, after >> 10);
    return after - before;
}

static bool grows_no_more(const struct server *server, unsigned cycles) {
    unsigned warm_up = cycles / 10 > WARM_UP ? cycles / 10 : WARM_UP;
    for (unsigned i = 0; i < warm_up; i += CROWD) crowd_comes_and_goes(server, i);
    for (unsigned round = 0; round < ROUNDS; round++)
        if (growth_of_a_round(server, cycles) <= GROWTH_MAX) return true;
    return false;
}

int main(int argc, char **argv) {
    if (argc < 4) return 64;
    unsigned cycles = (unsigned)strtoul(argv[3], NULL, 10);
    struct server server = server_start(argv[1], argv[2], argc > 4 ? argv[4] : NULL);
    bool holds = strcmp(argv[3], "peak") == 0 ? peak_is_given_back(&server) : grows_no_more(&server, cycles);
    kill(server.master, SIGTERM);
    waitpid(server.master, NULL, 0);
    return !holds;
}
