/* SPDX-License-Identifier: Apache-2.0 */
#include "process/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "config/file.h"

static const char unix_prefix[] = "unix:";

static int keep_reason(int fd) {
    int reason = errno;
    close(fd);
    errno = reason;
    return -1;
}

/* ---- TCP */

/* Splits "HOST:PORT" and "[HOST]:PORT"; the caller frees host. Without a host it is "". */
static bool split(const char *address, char **host_r, const char **port_r, struct error *error_r) {
    const char *colon = strrchr(address, ':');
    if (!colon || !colon[1] || strlen(colon + 1) > 5 || strspn(colon + 1, "0123456789") != strlen(colon + 1) ||
        atoi(colon + 1) > 65535)
        return error_set(error_r, "\"%s\" is no ADDRESS:PORT", address), false;
    bool bracketed = address[0] == '[' && colon > address && colon[-1] == ']';
    if (!bracketed && memchr(address, ':', (size_t)(colon - address)))
        return error_set(error_r, "\"%s\": an IPv6 address stands in brackets", address), false;
    *host_r = memory_copy(address + bracketed, (size_t)(colon - address) - 2 * bracketed);
    *port_r = colon + 1;
    return true;
}

static int bind_at(const struct sockaddr *name, socklen_t len, bool shared) {
    int fd = socket(name->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
    if (fd < 0) return -1;
    bool good = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0;
    if (good && name->sa_family == AF_INET6) good = setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) == 0;
    if (good && shared) good = setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0;
    return good && bind(fd, name, len) == 0 ? fd : keep_reason(fd);
}

static int listen_at(const struct sockaddr *name, socklen_t len, int backlog, bool shared) {
    int fd = bind_at(name, len, shared);
    return fd < 0 || listen(fd, backlog) == 0 ? fd : keep_reason(fd);
}

static in_port_t *port_of(struct sockaddr_storage *name) {
    return name->ss_family == AF_INET6 ? &((struct sockaddr_in6 *)name)->sin6_port
                                       : &((struct sockaddr_in *)name)->sin_port;
}

static in_port_t picked_port(int fd) {
    struct sockaddr_storage name = {0};
    socklen_t len = sizeof name;
    return getsockname(fd, (struct sockaddr *)&name, &len) == 0 ? *port_of(&name) : 0;
}

/* A machine need not have both families: a missing one of several is not an error. */
static bool is_missing(int reason) {
    return reason == EAFNOSUPPORT || reason == EADDRNOTAVAIL || reason == EPROTONOSUPPORT;
}

static bool open_found(const struct addrinfo *found, int backlog, bool shared, struct listen_sockets *sockets) {
    unsigned before = sockets->len;
    in_port_t port = 0;
    for (; found && sockets->len < LISTEN_MAX; found = found->ai_next) {
        struct sockaddr_storage name = {0};
        memcpy(&name, found->ai_addr, found->ai_addrlen);
        if (port) *port_of(&name) = port;
        int fd = listen_at((struct sockaddr *)&name, found->ai_addrlen, backlog, shared);
        if (fd < 0 && !is_missing(errno)) return false;
        if (fd < 0) continue;
        sockets->fds[sockets->len++] = fd;
        port = picked_port(fd);
    }
    return sockets->len > before;
}

/* The caller frees it with freeaddrinfo. NULL: unknown name. */
static struct addrinfo *find_addresses(const char *address, struct error *error_r) {
    char *host;
    const char *port;
    if (!split(address, &host, &port, error_r)) return NULL;
    struct addrinfo wanted = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM}, *found = NULL;
    int failed = getaddrinfo(host[0] ? host : NULL, port, &wanted, &found);
    free(host);
    if (failed) error_set(error_r, "%s: %s", address, gai_strerror(failed));
    return failed ? NULL : found;
}

static bool open_tcp(const char *address, int backlog, bool shared, struct listen_sockets *sockets,
                     struct error *error_r) {
    struct addrinfo *found = find_addresses(address, error_r);
    if (!found) return false;
    bool good = open_found(found, backlog, shared, sockets);
    if (!good) error_set(error_r, "%s: %s", address, strerror(errno));
    freeaddrinfo(found);
    return good;
}

/* Binds and closes at once: nobody can connect, and a server that starts meanwhile gets the address. The current holder
 * may be the server being checked. */
static bool try_tcp(const char *address, struct error *error_r) {
    struct addrinfo *found = find_addresses(address, error_r);
    bool good = false;
    if (!found) return false;
    for (const struct addrinfo *one = found; one; one = one->ai_next) {
        int fd = bind_at(one->ai_addr, one->ai_addrlen, false);
        if (fd >= 0) close(fd);
        if (fd < 0 && is_missing(errno)) continue;
        good = fd >= 0 || errno == EADDRINUSE;
        if (!good) break;
        if (fd < 0) LOG_ALWAYS(LOG_WARNING, "check.address_in_use", LOG_TEXT("listen", address));
    }
    if (!good) error_set(error_r, "%s: %s", address, strerror(errno));
    freeaddrinfo(found);
    return good;
}

/* ---- Unix sockets */

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
    return fd >= 0 ? keep_reason(fd) : -1;
}

/* Removes the file of a dead socket; leaves any other file. */
static bool is_stale(const char *path) {
    struct stat old;
    int other = listen_connect_unix(path, NULL), reason = errno;
    if (other >= 0) close(other);
    return other < 0 && reason == ECONNREFUSED && lstat(path, &old) == 0 && S_ISSOCK(old.st_mode);
}

/* The reason why no socket can have that name. */
static const char *name_problem(const char *path, int reason) {
    struct stat there;
    if (lstat(path, &there) == 0 && !S_ISSOCK(there.st_mode)) return "another file has the name";
    if (reason == EADDRINUSE) return "another server listens there";
    return reason == ENOENT ? "its folder is not there" : strerror(reason);
}

static int bind_unix(const char *path, mode_t mode, int backlog, struct error *error_r) {
    struct sockaddr_un name;
    if (!unix_name(path, &name, error_r)) return -1;
    if (is_stale(path)) unlink(path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    mode_t mask = umask(~mode & 0777);
    bool bound = fd >= 0 && bind(fd, (struct sockaddr *)&name, sizeof name) == 0 && listen(fd, backlog) == 0;
    int reason = errno;
    umask(mask);
    if (bound) return fd;
    error_set(error_r, "%s: %s", path, name_problem(path, reason));
    if (fd >= 0) close(fd);
    return -1;
}

int listen_unix(const char *path, struct error *error_r) {
    enum { BACKLOG = 8 };
    return bind_unix(path, 0600, BACKLOG, error_r);
}

bool listen_try_unix(const char *path, struct error *error_r) {
    struct sockaddr_un name;
    struct stat there;
    if (!unix_name(path, &name, error_r)) return false;
    char *folder = file_folder(path);
    bool is_taken = lstat(path, &there) == 0 && !S_ISSOCK(there.st_mode), good = access(folder, W_OK | X_OK) == 0;
    if (is_taken || !good) error_set(error_r, "%s: %s", path, name_problem(path, errno));
    free(folder);
    return good && !is_taken;
}

/* The parts of "unix:PATH,mode=…,owner=…". */
struct unix_address {
    char *path, *user, *group; /* the caller's; user NULL: unchanged */
    mode_t mode;
};

static void unix_address_done(struct unix_address *address) {
    free(address->path);
    free(address->user);
    free(address->group);
}

static bool read_option(struct unix_address *address, const char *option, size_t len) {
    if (len > 5 && strncmp(option, "mode=", 5) == 0) {
        char *end;
        unsigned long mode = strtoul(option + 5, &end, 8);
        address->mode = (mode_t)mode;
        return end == option + len && mode <= 0777;
    }
    if (len <= 6 || strncmp(option, "owner=", 6) != 0 || address->user) return false;
    const char *owner = option + 6, *colon = memchr(owner, ':', len - 6);
    address->user = memory_copy(owner, colon ? (size_t)(colon - owner) : len - 6);
    if (colon) address->group = memory_copy(colon + 1, (size_t)(option + len - colon - 1));
    return true;
}

static bool read_unix(const char *text, struct unix_address *address_r, struct error *error_r) {
    const char *at = text + sizeof unix_prefix - 1;
    size_t len = strcspn(at, ",");
    struct sockaddr_un name;
    *address_r = (struct unix_address){.path = memory_copy(at, len), .mode = 0660};
    bool good = at[0] == '/' && unix_name(address_r->path, &name, error_r);
    if (at[0] != '/') error_set(error_r, "\"%s\": the path of a Unix socket begins with /", text);
    for (at += len; good && *at == ','; at += len) {
        at++;
        len = strcspn(at, ",");
        good = read_option(address_r, at, len);
        if (!good) error_set(error_r, "\"%s\": \"%.*s\" is no mode=OCTAL and no owner=USER:GROUP", text, (int)len, at);
    }
    if (!good) unix_address_done(address_r);
    return good;
}

static bool find_owner(const struct unix_address *address, uid_t *user_r, gid_t *group_r, struct error *error_r) {
    const struct passwd *user = getpwnam(address->user);
    const struct group *group = address->group ? getgrnam(address->group) : NULL;
    if (!user || (address->group && !group)) {
        error_set(error_r, "%s: there is no %s \"%s\"", address->path, user ? "group" : "user",
                  user ? address->group : address->user);
        return false;
    }
    *user_r = user->pw_uid;
    *group_r = group ? group->gr_gid : user->pw_gid;
    return true;
}

static bool give_away(const struct unix_address *address, struct error *error_r) {
    uid_t user;
    gid_t group;
    if (!address->user) return true;
    if (!find_owner(address, &user, &group, error_r)) return false;
    if (lchown(address->path, user, group) == 0) return true;
    error_set(error_r, "%s: cannot be given to %s: %s", address->path, address->user, strerror(errno));
    return false;
}

static bool open_unix(const char *text, int backlog, struct listen_sockets *sockets, struct error *error_r) {
    struct unix_address address;
    if (!read_unix(text, &address, error_r)) return false;
    int fd = bind_unix(address.path, address.mode, backlog, error_r);
    if (fd >= 0) sockets->fds[sockets->len++] = fd;
    bool good = fd >= 0 && give_away(&address, error_r);
    unix_address_done(&address);
    return good;
}

/* The errors that bind_unix and give_away would report, ignoring a server that listens there. */
static bool try_unix(const char *text, struct error *error_r) {
    struct unix_address address;
    uid_t user;
    gid_t group;
    if (!read_unix(text, &address, error_r)) return false;
    bool good =
        listen_try_unix(address.path, error_r) && (!address.user || find_owner(&address, &user, &group, error_r));
    unix_address_done(&address);
    return good;
}

/* ---- all of them */

static bool is_unix(const char *address) {
    return strncmp(address, unix_prefix, sizeof unix_prefix - 1) == 0;
}

static bool check_one(const char *address, struct error *error_r) {
    struct unix_address unix_address;
    char *host;
    const char *port;
    if (is_unix(address)) {
        if (!read_unix(address, &unix_address, error_r)) return false;
        unix_address_done(&unix_address);
        return true;
    }
    if (!split(address, &host, &port, error_r)) return false;
    free(host);
    return true;
}

bool listen_check(const char *const *addresses, size_t len, struct error *error_r) {
    if (len == 0) error_set(error_r, "names no address");
    for (size_t i = 0; i < len; i++)
        if (!check_one(addresses[i], error_r)) return false;
    return len > 0;
}

bool listen_open(const char *const *addresses, size_t len, int backlog, bool shared, struct listen_sockets *sockets_r,
                 struct error *error_r) {
    *sockets_r = (struct listen_sockets){.len = 0};
    bool good = listen_check(addresses, len, error_r);
    for (size_t i = 0; i < len && good; i++) {
        if (sockets_r->len == LISTEN_MAX)
            good = (error_set(error_r, "more than %d sockets", LISTEN_MAX), false);
        else
            good = is_unix(addresses[i]) ? open_unix(addresses[i], backlog, sockets_r, error_r)
                                         : open_tcp(addresses[i], backlog, shared, sockets_r, error_r);
    }
    if (!good) {
        listen_remove_names(sockets_r);
        listen_close(sockets_r);
    }
    return good;
}

bool listen_try(const char *const *addresses, size_t len, struct error *error_r) {
    if (!listen_check(addresses, len, error_r)) return false;
    for (size_t i = 0; i < len; i++)
        if (!(is_unix(addresses[i]) ? try_unix : try_tcp)(addresses[i], error_r)) return false;
    return true;
}

bool listen_again(const struct listen_sockets *sockets, int backlog, struct listen_sockets *sockets_r,
                  struct error *error_r) {
    *sockets_r = (struct listen_sockets){.len = 0};
    for (unsigned i = 0; i < sockets->len; i++) {
        struct sockaddr_storage name = {0};
        socklen_t len = sizeof name;
        if (getsockname(sockets->fds[i], (struct sockaddr *)&name, &len) != 0) abort();
        int fd = name.ss_family == AF_UNIX ? fcntl(sockets->fds[i], F_DUPFD_CLOEXEC, 0)
                                           : listen_at((struct sockaddr *)&name, len, backlog, true);
        if (fd >= 0) {
            sockets_r->fds[sockets_r->len++] = fd;
            continue;
        }
        char address[LISTEN_ADDRESS_MAX];
        listen_address(sockets->fds[i], address);
        error_set(error_r, "%s: %s", address, strerror(errno));
        listen_close(sockets_r);
        return false;
    }
    return true;
}

void listen_close(struct listen_sockets *sockets) {
    for (unsigned i = 0; i < sockets->len; i++) close(sockets->fds[i]);
    sockets->len = 0;
}

void listen_address(int fd, char address_r[LISTEN_ADDRESS_MAX]) {
    struct sockaddr_storage name = {0};
    socklen_t len = sizeof name;
    char host[INET6_ADDRSTRLEN + 1] = "?", port[8] = "0";
    if (getsockname(fd, (struct sockaddr *)&name, &len) == 0 && name.ss_family == AF_UNIX) {
        snprintf(address_r, LISTEN_ADDRESS_MAX, "%s%s", unix_prefix, ((struct sockaddr_un *)&name)->sun_path);
        return;
    }
    getnameinfo((struct sockaddr *)&name, len, host, sizeof host, port, sizeof port, NI_NUMERICHOST | NI_NUMERICSERV);
    snprintf(address_r, LISTEN_ADDRESS_MAX, strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, port);
}

void listen_remove_names(const struct listen_sockets *sockets) {
    for (unsigned i = 0; i < sockets->len; i++) {
        char address[LISTEN_ADDRESS_MAX];
        listen_address(sockets->fds[i], address);
        if (is_unix(address)) unlink(address + sizeof unix_prefix - 1);
    }
}
