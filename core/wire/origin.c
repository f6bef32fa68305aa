#include "wire/origin.h"

/* scheme://host[:port] equals the Host header, the scheme's default port left out or not. */
static bool is_self(struct slice origin, struct slice host) {
    static const struct slice schemes[] = {{"http://", 7}, {"https://", 8}};
    for (int i = 0; i < 2; i++) {
        struct slice scheme = schemes[i];
        if (origin.len <= scheme.len || memcmp(origin.ptr, scheme.ptr, scheme.len) != 0) continue;
        return host.len > 0 && slice_equal(slice_from(origin, scheme.len), host);
    }
    return false;
}

bool origin_allowed(struct slice origin, struct slice host, const char *const *allowed, size_t allowed_len) {
    for (size_t i = 0; i < allowed_len; i++) {
        if (strcmp(allowed[i], "*") == 0) return true;
        if (slice_is(origin, "null")) continue;
        if (strcmp(allowed[i], "self") == 0 ? is_self(origin, host) : slice_is(origin, allowed[i])) return true;
    }
    return false;
}
