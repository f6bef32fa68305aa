/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/metrics.h"

/* A write of at most PIPE_BUF bytes to a pipe is whole or nothing, also where several workers share it. */
enum { LOG_LINE_MAX = PIPE_BUF, LOG_VALUE_MAX = 2048, LOG_END_MAX = 64 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of all sites, and of out but for the level */

static struct {
    atomic_int level;
    void (*sink)(void *owner, struct slice line);
    void *sink_owner;
    int worker;        /* -1: the lines name none */
    bool line_is_torn; /* stderr took a part of the last line: begin the next one on a line of its own */
} out = {.level = LOG_INFO, .worker = -1};

struct line {
    char text[LOG_LINE_MAX];
    size_t len;
};

static const char *const level_names[] = {"debug", "info", "warning", "error"};

bool log_enabled(enum log_level level) {
    return (int)level >= atomic_load_explicit(&out.level, memory_order_relaxed);
}

void log_set_level(enum log_level level) {
    atomic_store_explicit(&out.level, (int)level, memory_order_relaxed);
}

void log_set_worker(unsigned worker) {
    pthread_mutex_lock(&lock);
    out.worker = (int)worker;
    pthread_mutex_unlock(&lock);
}

bool log_level_of(const char *name, enum log_level *level_r) {
    for (size_t i = 0; i < sizeof(level_names) / sizeof(level_names[0]); i++) {
        if (strcmp(name, level_names[i]) != 0) continue;
        *level_r = (enum log_level)i;
        return true;
    }
    return false;
}

uint64_t log_dropped(void) {
    return (uint64_t)metric_get(METRIC_LOG_DROPPED, NULL);
}

void log_set_sink(void (*sink)(void *owner, struct slice line), void *owner) {
    pthread_mutex_lock(&lock);
    out.sink = sink;
    out.sink_owner = owner;
    pthread_mutex_unlock(&lock);
}

/* The length of the UTF-8 character at the start of text if a terminal shows it as it is; else 0. Control characters
 * (C0, DEL, C1) and those that break or reorder a line (U+2028 to U+202E, U+2066 to U+2069) are not shown. */
static size_t visible_len(struct slice text) {
    const unsigned char *b = (const unsigned char *)text.ptr;
    if (b[0] < 0x80) return b[0] >= 0x20 && b[0] != 0x7f;
    size_t len = b[0] >= 0xf0 ? 4 : b[0] >= 0xe0 ? 3 : 2;
    if (b[0] < 0xc2 || b[0] > 0xf4 || text.len < len) return 0;
    uint32_t code = b[0] & (0xff >> (len + 1));
    for (size_t i = 1; i < len; i++) {
        if ((b[i] & 0xc0) != 0x80) return 0;
        code = code << 6 | (b[i] & 0x3f);
    }
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    bool valid = code >= least[len] && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);
    bool control = code < 0xa0 || (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
    return valid && !control ? len : 0;
}

static bool needs_quotes(struct slice text) {
    if (text.len == 0) return true;
    for (size_t i = 0, n; i < text.len; i += n) {
        n = visible_len(slice_from(text, i));
        if (n == 0 || strchr(" \"=\\", text.ptr[i])) return true;
    }
    return false;
}

static void line_append(struct line *line, const char *ptr, size_t len) {
    memcpy(line->text + line->len, ptr, len);
    line->len += len;
}

/* One character of a quoted value, escaped if it must be; the number of bytes read. */
static size_t append_quoted(struct line *line, struct slice rest) {
    char escape[8];
    size_t n = visible_len(rest);
    unsigned char c = (unsigned char)rest.ptr[0];
    if (n > 0 && c != '"' && c != '\\') {
        line_append(line, rest.ptr, n);
        return n;
    }
    int len = c == '"' || c == '\\' ? snprintf(escape, sizeof(escape), "\\%c", c)
              : c == '\n'           ? snprintf(escape, sizeof(escape), "\\n")
              : c == '\t'           ? snprintf(escape, sizeof(escape), "\\t")
                                    : snprintf(escape, sizeof(escape), "\\x%02x", c);
    line_append(line, escape, (size_t)len);
    return 1;
}

/* What exceeds the room ends in an ellipsis. False: there is no room for the field. */
static bool append_field(struct line *line, const struct log_field *field) {
    static const char cut[] = "…";
    char number[24];
    struct slice text = field->text;
    if (field->kind == LOG_FIELD_NUMBER) {
        int len = snprintf(number, sizeof(number), "%lld", (long long)field->number);
        text = (struct slice){number, (size_t)len};
    }
    size_t key_len = strlen(field->key), room = LOG_LINE_MAX - LOG_END_MAX - line->len;
    if (key_len + 16 > room) return false;
    line_append(line, " ", 1);
    line_append(line, field->key, key_len);
    line_append(line, "=", 1);
    room -= key_len + 2;
    if (room > LOG_VALUE_MAX) room = LOG_VALUE_MAX;
    bool quoted = needs_quotes(text) || text.len > room - sizeof(cut);
    if (!quoted) {
        line_append(line, text.ptr, text.len);
        return true;
    }
    size_t end = line->len + room - sizeof(cut) - 1;
    line_append(line, "\"", 1);
    size_t i = 0;
    while (i < text.len && line->len + 4 <= end) i += append_quoted(line, slice_from(text, i));
    if (i < text.len) line_append(line, cut, sizeof(cut) - 1);
    line_append(line, "\"", 1);
    return true;
}

static void begin_line(struct line *line, enum log_level level, const char *event) {
    struct timespec now;
    struct tm utc;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    line->len = out.line_is_torn && !out.sink;
    if (line->len) line->text[0] = '\n';
    line->len += strftime(line->text + line->len, 32, "%Y-%m-%dT%H:%M:%S", &utc);
    line->len += (size_t)snprintf(line->text + line->len, 256, ".%03ldZ %s %.128s", now.tv_nsec / 1000000,
                                  level_names[level], event);
}

/* stderr may be shared with others, so it cannot be made non-blocking: ask before each write. */
static ssize_t write_now(const char *ptr, size_t len) {
    ssize_t n = send(STDERR_FILENO, ptr, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n >= 0 || errno != ENOTSOCK) return n;
    struct pollfd ready = {.fd = STDERR_FILENO, .events = POLLOUT};
    if (poll(&ready, 1, 0) != 1 || !(ready.revents & POLLOUT)) return -1;
    return write(STDERR_FILENO, ptr, len);
}

static void write_line(const struct line *line) {
    if (out.sink) {
        out.sink(out.sink_owner, (struct slice){line->text, line->len});
        return;
    }
    ssize_t n = write_now(line->text, line->len);
    if (n == (ssize_t)line->len) {
        out.line_is_torn = false;
        return;
    }
    if (n > 0) out.line_is_torn = true;
    metric_add_atomic(METRIC_LOG_DROPPED, 1);
}

/* False: the site has used up its lines for this second. */
static bool site_may_write(struct log_site *site) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    if (site->second != (uint64_t)now.tv_sec) {
        site->second = (uint64_t)now.tv_sec;
        site->written = 0;
    }
    if (site->written == LOG_BURST) {
        site->held_back++;
        return false;
    }
    site->written++;
    return true;
}

void log_write(enum log_level level, struct log_site *site, const char *event, const struct log_field *fields) {
    int saved_errno = errno;
    pthread_mutex_lock(&lock);
    if (!site || level == LOG_ERROR || site_may_write(site)) {
        struct line line;
        bool whole = true;
        begin_line(&line, level, event);
        for (; fields->key && whole; fields++) whole = append_field(&line, fields);
        if (!whole) line_append(&line, " cut=true", 9);
        if (site && site->held_back) {
            char held_back[32];
            int len = snprintf(held_back, sizeof(held_back), " held_back=%u", site->held_back);
            line_append(&line, held_back, (size_t)len);
            site->held_back = 0;
        }
        if (out.worker >= 0) {
            char worker[32];
            int len = snprintf(worker, sizeof(worker), " worker=%d", out.worker);
            line_append(&line, worker, (size_t)len);
        }
        line_append(&line, "\n", 1);
        write_line(&line);
    }
    pthread_mutex_unlock(&lock);
    errno = saved_errno;
}
