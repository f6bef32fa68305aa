#include "server/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* Splits "HOST:PORT" and "[HOST]:PORT"; the caller frees host. */
static bool split(const char *address, char **host_r, const char **port_r, struct error *error_r) {
    const char *colon = strrchr(address, ':');
    if (!colon || colon == address || !colon[1] || strlen(colon + 1) > 5 ||
        strspn(colon + 1, "0123456789") != strlen(colon + 1) || atoi(colon + 1) > 65535)
        return error_set(error_r, "\"%s\" is no ADDRESS:PORT", address), false;
    bool bracketed = address[0] == '[' && colon[-1] == ']';
    if (!bracketed && memchr(address, ':', (size_t)(colon - address)))
        return error_set(error_r, "\"%s\": an IPv6 address stands in brackets", address), false;
    *host_r = memory_copy(address + bracketed, (size_t)(colon - address) - 2 * bracketed);
    *port_r = colon + 1;
    return true;
}

static int keep_reason(int fd) {
    int reason = errno;
    close(fd);
    errno = reason;
    return -1;
}

static int bind_first(const struct addrinfo *found, bool shared) {
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    int on = 1, off = 0;
    bool good = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0;
    if (good && found->ai_family == AF_INET6) good = setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off) == 0;
    if (good && shared) good = setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0;
    return good && bind(fd, found->ai_addr, found->ai_addrlen) == 0 ? fd : keep_reason(fd);
}

bool listen_check(const char *address, struct error *error_r) {
    char *host;
    const char *port;
    if (!split(address, &host, &port, error_r)) return false;
    free(host);
    return true;
}

/* Bound, not listening yet. */
static int bind_tcp(const char *address, bool shared, struct error *error_r) {
    char *host;
    const char *port;
    if (!split(address, &host, &port, error_r)) return -1;
    struct addrinfo wanted = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM}, *found = NULL;
    int failed = getaddrinfo(host, port, &wanted, &found), fd = -1;
    if (failed)
        error_set(error_r, "%s: %s", address, gai_strerror(failed));
    else if ((fd = bind_first(found, shared)) < 0)
        error_set(error_r, "%s: %s", address, strerror(errno));
    if (!failed) freeaddrinfo(found);
    free(host);
    return fd;
}

int listen_tcp(const char *address, int backlog, bool shared, struct error *error_r) {
    int fd = bind_tcp(address, shared, error_r);
    if (fd < 0 || listen(fd, backlog) == 0) return fd;
    error_set(error_r, "%s: %s", address, strerror(errno));
    return keep_reason(fd);
}

bool listen_is_free(const char *address, struct error *error_r) {
    int fd = bind_tcp(address, false, error_r);
    if (fd >= 0) close(fd);
    return fd >= 0;
}

void listen_address(int fd, char address_r[LISTEN_ADDRESS_MAX]) {
    struct sockaddr_storage name = {0};
    socklen_t len = sizeof name;
    char host[INET6_ADDRSTRLEN + 1] = "?", port[8] = "0";
    if (getsockname(fd, (struct sockaddr *)&name, &len) == 0)
        getnameinfo((struct sockaddr *)&name, len, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV);
    snprintf(address_r, LISTEN_ADDRESS_MAX, strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, port);
}

static bool unix_name(const char *path, struct sockaddr_un *name_r, struct error *error_r) {
    *name_r = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof name_r->sun_path) {
        error_set(error_r, "%s: longer than %zu bytes", path, sizeof name_r->sun_path - 1);
        return false;
    }
    strcpy(name_r->sun_path, path);
    return true;
}

int listen_connect_unix(const char *path, struct error *error_r) {
    struct sockaddr_un name;
    if (!unix_name(path, &name, error_r)) return -1;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&name, sizeof name) == 0) return fd;
    error_set(error_r, "%s: %s", path, strerror(errno));
    if (fd >= 0) close(fd);
    return -1;
}

int listen_unix(const char *path, struct error *error_r) {
    struct sockaddr_un name;
    if (!unix_name(path, &name, error_r)) return -1;
    int other = listen_connect_unix(path, NULL);
    if (other >= 0) {
        close(other);
        error_set(error_r, "%s: another server listens there", path);
        return -1;
    }
    struct stat old;
    if (lstat(path, &old) == 0 && S_ISSOCK(old.st_mode)) unlink(path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    mode_t mask = umask(0177);
    bool bound = fd >= 0 && bind(fd, (struct sockaddr *)&name, sizeof name) == 0 && listen(fd, 8) == 0;
    int reason = errno;
    umask(mask);
    if (bound) return fd;
    error_set(error_r, "%s: %s", path, strerror(reason));
    if (fd >= 0) close(fd);
    return -1;
}
