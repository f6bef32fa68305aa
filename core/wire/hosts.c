/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/hosts.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <strings.h>

/* Without scheme, port, and the dot of a name that is said in full. */
static struct slice name_of(struct slice text) {
    static const struct slice schemes[] = {{"http://", 7}, {"https://", 8}};
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++)
        if (text.len > schemes[i].len && strncasecmp(text.ptr, schemes[i].ptr, schemes[i].len) == 0)
            text = slice_from(text, schemes[i].len);
    const char *colon = text.len > 0 ? memchr(text.ptr, ':', text.len) : NULL;
    if (colon) text.len = (size_t)(colon - text.ptr);
    if (text.len > 1 && text.ptr[text.len - 1] == '.') text.len--;
    return text;
}

static bool ends_with(struct slice text, struct slice ending) {
    return text.len >= ending.len && strncasecmp(slice_end(text) - ending.len, ending.ptr, ending.len) == 0;
}

static bool is_address(struct slice name) {
    char text[INET_ADDRSTRLEN];
    struct in_addr address;
    if (name.len >= sizeof text) return false;
    snprintf(text, sizeof text, "%.*s", SLICE_ARG(name));
    return inet_pton(AF_INET, text, &address) == 1;
}

bool host_may_be_anyones(struct slice host) {
    if (host.len == 0 || host.ptr[0] == '[') return false; /* IPv6 */
    struct slice name = name_of(host);
    return memchr(name.ptr, '.', name.len) && !is_address(name) && !ends_with(name, SLICE(".localhost"));
}

bool host_can_match(const char *name, struct error *error_r) {
    if (strcmp(name, "*") == 0) return true;
    const char *problem = strchr(name, '*')                              ? "name each host, or \"*\" for any"
                          : name_of(slice_of(name)).len == 0             ? "it is empty"
                          : strpbrk(name_of(slice_of(name)).ptr, "/?# ") ? "a host is a name, without a path"
                                                                         : NULL;
    if (problem) error_set(error_r, "\"%s\" can never match: %s", name, problem);
    return !problem;
}

bool host_is_one_of(struct slice host, const char *const *names, size_t len) {
    struct slice name = name_of(host);
    for (size_t i = 0; i < len; i++) {
        struct slice one = name_of(slice_of(names[i]));
        if (slice_is(one, "*") || (one.len == name.len && strncasecmp(one.ptr, name.ptr, name.len) == 0)) return true;
    }
    return false;
}
