/* SPDX-License-Identifier: Apache-2.0 */
/* slice.h - borrowed bytes: a pointer and a length, no terminator, no owner. */
#ifndef BASE_SLICE_H
#define BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct slice {
    const char *ptr;
    size_t len;
};

#define SLICE_NONE ((struct slice){NULL, 0})
/* From a string literal. */
#define SLICE(literal) ((struct slice){literal, sizeof(literal) - 1})
/* For printf's "%.*s". */
#define SLICE_ARG(s) (int)(s).len, (s).ptr ? (s).ptr : ""

static inline struct slice slice_of(const char *str) {
    return (struct slice){str, str ? strlen(str) : 0};
}

static inline bool slice_equal(struct slice a, struct slice b) {
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* Less than, equal to or greater than 0, as memcmp; a prefix is less than the longer slice. */
static inline int slice_compare(struct slice a, struct slice b) {
    size_t len = a.len < b.len ? a.len : b.len;
    int order = len ? memcmp(a.ptr, b.ptr, len) : 0;
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static inline bool slice_is(struct slice a, const char *str) {
    return slice_equal(a, slice_of(str));
}

/* The end pointer; safe for SLICE_NONE, whose pointer is NULL. */
static inline const char *slice_end(struct slice s) {
    return s.ptr ? s.ptr + s.len : NULL;
}

static inline struct slice slice_from(struct slice s, size_t start) {
    return start >= s.len ? (struct slice){slice_end(s), 0} : (struct slice){s.ptr + start, s.len - start};
}

#endif
