/* SPDX-License-Identifier: Apache-2.0 */
#include "lua/route.h"

#include <string.h>

#include "base/buffer.h"
#include "lua/vm.h"

static int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Adds a segment, with %XX decoded, as a parameter. */
static void push_parameter(lua_State *L, struct slice name, struct slice segment) {
    struct buffer *out = &vm_of(L)->scratch;
    buffer_clear(out);
    for (size_t i = 0; i < segment.len; i++) {
        char c = segment.ptr[i];
        if (c == '%' && i + 2 < segment.len && hex_digit(segment.ptr[i + 1]) >= 0 &&
            hex_digit(segment.ptr[i + 2]) >= 0) {
            c = (char)(hex_digit(segment.ptr[i + 1]) * 16 + hex_digit(segment.ptr[i + 2]));
            i += 2;
        }
        buffer_append_char(out, c);
    }
    lua_pushlstring(L, name.ptr, name.len);
    lua_pushlstring(L, out->ptr ? out->ptr : "", out->len);
    lua_rawset(L, -3);
}

static struct slice next_segment(struct slice *rest) {
    const char *slash = rest->len > 0 ? memchr(rest->ptr, '/', rest->len) : NULL;
    struct slice segment = {rest->ptr, slash ? (size_t)(slash - rest->ptr) : rest->len};
    *rest = slice_from(*rest, segment.len + (slash ? 1 : 0));
    return segment;
}

static size_t count_slashes(struct slice text) {
    size_t count = 0;
    for (size_t i = 0; i < text.len; i++) count += text.ptr[i] == '/';
    return count;
}

bool route_matches(const char *pattern, struct slice path, lua_State *L) {
    struct slice want = slice_of(pattern), have = path;
    if (count_slashes(want) != count_slashes(have)) return false;
    for (size_t left = count_slashes(want) + 1; left > 0; left--) {
        struct slice expected = next_segment(&want), segment = next_segment(&have);
        if (expected.len > 2 && expected.ptr[0] == '{' && expected.ptr[expected.len - 1] == '}') {
            if (segment.len == 0) return false;
            if (L) push_parameter(L, (struct slice){expected.ptr + 1, expected.len - 2}, segment);
        } else if (!slice_equal(expected, segment)) {
            return false;
        }
    }
    return true;
}

struct route *route_find(const struct list *routes, struct slice method, struct slice path) {
    LIST_EACH(routes, link) {
        struct route *route = CONTAINER(link, struct route, link);
        if (slice_is(method, route->method) && route_matches(route->path, path, NULL)) return route;
    }
    return NULL;
}
