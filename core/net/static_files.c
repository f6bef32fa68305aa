/* SPDX-License-Identifier: Apache-2.0 */
/* Files below one folder. No path or link reaches anything outside it. */
#include "net/static_files.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/http.h"
#include "net/shared_file.h"

enum { NAME_MAX_LEN = 512 };

#define SECURITY_HEADERS                                                                                          \
    "content-security-policy: default-src 'self'; connect-src 'self' ws: wss:; img-src 'self' data:; object-src " \
    "'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'\r\nreferrer-policy: no-referrer\r\n"     \
    "cache-control: no-cache\r\n"

struct static_files {
    int folder_fd;
    struct list sent; /* files being sent now */
};

static const struct {
    const char *ending, *type;
} types[] = {
    {".html", "text/html; charset=utf-8"},
    {".js", "text/javascript; charset=utf-8"},
    {".mjs", "text/javascript; charset=utf-8"},
    {".css", "text/css; charset=utf-8"},
    {".svg", "image/svg+xml"},
    {".png", "image/png"},
    {".ico", "image/x-icon"},
    {".json", "application/json"},
    {".map", "application/json"},
    {".txt", "text/plain; charset=utf-8"},
    {".woff2", "font/woff2"},
};

static const char *type_of(const char *name) {
    size_t len = strlen(name);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        size_t ending = strlen(types[i].ending);
        if (len > ending && strcmp(name + len - ending, types[i].ending) == 0) return types[i].type;
    }
    return "application/octet-stream";
}

struct static_files *static_files_new(const char *folder) {
    struct static_files *files = NEW(struct static_files);
    list_init(&files->sent);
    files->folder_fd = open(folder, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
    return files;
}

void static_files_free(struct static_files **files) {
    if (!*files) return;
    if ((*files)->folder_fd >= 0) close((*files)->folder_fd);
    LIST_EACH(&(*files)->sent, link) list_remove(link); /* each lives until it is sent */
    free(*files);
    *files = NULL;
}

/* Opens the path segment by segment and follows no links; a segment must not begin with a dot. */
static int open_below(int folder_fd, struct slice path) {
    int at = dup(folder_fd);
    while (at >= 0 && path.len) {
        const char *slash = memchr(path.ptr, '/', path.len);
        size_t len = slash ? (size_t)(slash - path.ptr) : path.len;
        char name[NAME_MAX_LEN];
        if (len == 0 || len >= sizeof name || path.ptr[0] == '.' || memchr(path.ptr, '\0', len)) break;
        memcpy(name, path.ptr, len);
        name[len] = '\0';
        int next = openat(at, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | (slash ? O_DIRECTORY : 0));
        close(at);
        if (!slash) return next;
        at = next;
        path = slice_from(path, len + 1);
    }
    if (at >= 0) close(at);
    return -1;
}

static void reply_with(struct http_request *request, struct shared_file *file, const char *name) {
    char headers[512], etag[64];
    struct http_reply reply = {.status = 200, .content_type = type_of(name), .file = file};
    snprintf(etag, sizeof etag, "\"%lx-%lx\"", (long)file->about.st_mtim.tv_sec ^ file->about.st_mtim.tv_nsec,
             (long)file->about.st_size);
    int len = snprintf(headers, sizeof headers, "%setag: %s\r\n", SECURITY_HEADERS, etag);
    reply.extra_headers = (struct slice){headers, (size_t)len};
    if (slice_is(http_header(request, "if-none-match"), etag)) {
        reply.status = 304;
        reply.file = NULL;
    }
    http_reply(&request->exchange, &reply);
}

/* Decodes escapes; false: too long, or contains a NUL. (The head parser has checked that escapes are complete.) */
static bool unescape(struct slice path, char *out, size_t room) {
    size_t len = 0;
    for (size_t i = 0; i < path.len; i++) {
        char c = path.ptr[i];
        if (c == '%' && i + 2 < path.len) {
            char hex[3] = {path.ptr[i + 1], path.ptr[i + 2], '\0'};
            c = (char)strtol(hex, NULL, 16);
            i += 2;
        }
        if (c == '\0' || len + 1 >= room) return false;
        out[len++] = c;
    }
    out[len] = '\0';
    return true;
}

void static_files_serve(struct static_files *files, struct http_request *request) {
    char name[NAME_MAX_LEN];
    bool legal = unescape(slice_from(request->path, 1), name, sizeof name);
    struct slice path = legal && name[0] ? slice_of(name) : SLICE("index.html");
    bool readable = slice_is(request->method, "GET") || slice_is(request->method, "HEAD");
    int fd = readable && legal && files->folder_fd >= 0 ? open_below(files->folder_fd, path) : -1;
    struct stat about;
    if (fd >= 0 && fstat(fd, &about) == 0 && S_ISREG(about.st_mode)) {
        struct shared_file *file = shared_file_open(&files->sent, fd, &about);
        fd = -1;
        reply_with(request, file, path.ptr);
        shared_file_unref(&file);
    } else {
        struct http_reply missing = {
            .status = readable ? 404 : 405, .content_type = "text/plain; charset=utf-8", .body = SLICE("Not found.\n")};
        http_reject(request->exchange, "path");
        http_reply(&request->exchange, &missing);
    }
    if (fd >= 0) close(fd);
}
