/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/origin.h"

#include <stdio.h>
#include <strings.h>

/* RFC 6454, section 4: what two origins are compared by. */
struct origin {
    struct slice scheme, host, port; /* port empty: the scheme's default */
};

static bool same_text(struct slice a, struct slice b) {
    return a.len == b.len && (a.len == 0 || strncasecmp(a.ptr, b.ptr, a.len) == 0);
}

static bool is_default(struct slice scheme, struct slice port) {
    return (slice_is(port, "80") && same_text(scheme, SLICE("http"))) ||
           (slice_is(port, "443") && same_text(scheme, SLICE("https")));
}

/* HOST or HOST:PORT. False: it is more than that. */
static bool read_host(struct slice text, struct origin *origin) {
    const char *bracket = text.len > 0 && text.ptr[0] == '[' ? memchr(text.ptr, ']', text.len) : NULL;
    const char *from = bracket ? bracket : text.ptr;
    const char *colon = text.len > 0 ? memchr(from, ':', (size_t)(slice_end(text) - from)) : NULL;
    origin->host = (struct slice){text.ptr, colon ? (size_t)(colon - text.ptr) : text.len};
    origin->port = colon ? slice_from(text, origin->host.len + 1) : SLICE_NONE;
    for (size_t i = 0; i < origin->port.len; i++)
        if (origin->port.ptr[i] < '0' || origin->port.ptr[i] > '9') return false;
    for (size_t i = 0; i < text.len; i++)
        if (strchr("/?#@, \t", text.ptr[i])) return false;
    if (is_default(origin->scheme, origin->port)) origin->port = SLICE_NONE;
    return true;
}

static bool read_origin(struct slice text, struct origin *origin_r) {
    const char *colon = text.len > 0 ? memchr(text.ptr, ':', text.len) : NULL;
    *origin_r = (struct origin){0};
    if (!colon || slice_end(text) - colon < 3 || memcmp(colon, "://", 3) != 0) return false;
    origin_r->scheme = (struct slice){text.ptr, (size_t)(colon - text.ptr)};
    return read_host(slice_from(text, origin_r->scheme.len + 3), origin_r);
}

static bool same_place(const struct origin *a, const struct origin *b) {
    return same_text(a->scheme, b->scheme) && same_text(a->host, b->host) && slice_equal(a->port, b->port);
}

/* Host has no scheme: a missing port means the default port of the page's scheme. */
static bool is_self(const struct origin *origin, struct slice host) {
    struct origin self = {.scheme = origin->scheme};
    bool is_web = same_text(origin->scheme, SLICE("http")) || same_text(origin->scheme, SLICE("https"));
    return is_web && host.len > 0 && read_host(host, &self) && same_place(origin, &self);
}

static bool is_listed(const struct origin *origin, const char *allowed) {
    struct origin listed;
    return read_origin(slice_of(allowed), &listed) && same_place(origin, &listed);
}

bool origin_allowed(struct slice origin, struct slice host, const char *const *allowed, size_t allowed_len) {
    struct origin page;
    bool is_whole = read_origin(origin, &page);
    for (size_t i = 0; i < allowed_len; i++) {
        if (strcmp(allowed[i], "*") == 0) return true;
        if (!is_whole) continue; /* "null" */
        if (strcmp(allowed[i], "self") == 0 ? is_self(&page, host) : is_listed(&page, allowed[i])) return true;
    }
    return false;
}

/* The probably intended origin. */
static void write_meant(const char *text, char *out, size_t size) {
    const char *scheme_end = strstr(text, "://"), *host = scheme_end ? scheme_end + 3 : text;
    snprintf(out, size, "%.*s%s%.*s", (int)(host - text), text, scheme_end ? "" : "https://", (int)strcspn(host, "/?#"),
             host);
}

bool origin_can_match(const char *allowed, struct error *error_r) {
    struct origin origin;
    char meant[300];
    bool is_word = strcmp(allowed, "*") == 0 || strcmp(allowed, "self") == 0;
    if (!is_word && strchr(allowed, '*'))
        error_set(error_r, "\"%s\" can never match: name each origin, or \"*\" for any", allowed);
    else if (!is_word && strcmp(allowed, "null") == 0)
        error_set(error_r, "\"%s\" can never match: only \"*\" allows pages without an origin", allowed);
    else if (is_word || (read_origin(slice_of(allowed), &origin) && origin.scheme.len > 0))
        return true;
    else if (!allowed[0] || strpbrk(allowed, " \t,@"))
        error_set(error_r, "\"%s\" is no origin: such as \"https://chat.example.org\"", allowed);
    else {
        write_meant(allowed, meant, sizeof meant);
        error_set(error_r, "\"%s\" can never match: an origin is such as \"%s\"", allowed, meant);
    }
    return false;
}
