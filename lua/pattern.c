/* SPDX-License-Identifier: Apache-2.0 */
#include "lua/pattern.h"

#include <ctype.h>
#include <lauxlib.h>

#include "lua/vm.h"

enum { OPEN = -1, POSITION = -2, DEPTH_MAX = 200, STEPS_BATCH = 1000 };

static const char *follow(struct pattern *pattern, const char *at, const char *item);

static const char *subject_end(const struct pattern *pattern) {
    return pattern->subject.ptr + pattern->subject.len;
}
static const char *text_end(const struct pattern *pattern) {
    return pattern->text.ptr + pattern->text.len;
}

static void step(struct pattern *pattern) {
    if (++pattern->steps < STEPS_BATCH) return;
    vm_charge(pattern->L, pattern->steps);
    pattern->steps = 0;
}

/* Returns the position after a single-character item: x, %x, [set]. */
static const char *item_end(struct pattern *pattern, const char *item) {
    const char *end = text_end(pattern);
    if (*item == '%') {
        if (item + 1 == end) luaL_error(pattern->L, "malformed pattern (ends with '%%')");
        return item + 2;
    }
    if (*item != '[') return item + 1;
    const char *at = item + 1;
    if (at < end && *at == '^') at++;
    for (bool first = true; at < end && (first || *at != ']'); first = false) at += *at == '%' && at + 1 < end ? 2 : 1;
    if (at >= end) luaL_error(pattern->L, "malformed pattern (missing ']')");
    return at + 1;
}

/* %a, %d, …; any other letter stands for itself. An upper-case one negates. */
static bool class_holds(unsigned char c, unsigned char letter) {
    bool in;
    switch (tolower(letter)) {
        case 'a':
            in = isalpha(c);
            break;
        case 'c':
            in = iscntrl(c);
            break;
        case 'd':
            in = isdigit(c);
            break;
        case 'g':
            in = isgraph(c);
            break;
        case 'l':
            in = islower(c);
            break;
        case 'p':
            in = ispunct(c);
            break;
        case 's':
            in = isspace(c);
            break;
        case 'u':
            in = isupper(c);
            break;
        case 'w':
            in = isalnum(c);
            break;
        case 'x':
            in = isxdigit(c);
            break;
        case 'z':
            in = c == 0;
            break;
        default:
            return c == letter;
    }
    return isupper(letter) ? !in : in;
}

/* set: after '['; end: at its ']'. */
static bool set_holds(unsigned char c, const char *set, const char *end) {
    bool negated = set < end && *set == '^';
    if (negated) set++;
    while (set < end) {
        if (*set == '%' && set + 1 < end) {
            if (class_holds(c, (unsigned char)set[1])) return !negated;
            set += 2;
        } else if (set + 2 < end && set[1] == '-') {
            if ((unsigned char)set[0] <= c && c <= (unsigned char)set[2]) return !negated;
            set += 3;
        } else if ((unsigned char)*set++ == c) {
            return !negated;
        }
    }
    return negated;
}

static bool item_holds(struct pattern *pattern, const char *at, const char *item, const char *end) {
    step(pattern);
    if (at >= subject_end(pattern)) return false;
    if (*item == '.') return true;
    if (*item == '%') return class_holds((unsigned char)*at, (unsigned char)item[1]);
    if (*item == '[') return set_holds((unsigned char)*at, item + 1, end - 1);
    return *item == *at;
}

/* Tries as many repetitions as possible, then fewer. */
static const char *follow_longest(struct pattern *pattern, const char *at, const char *item, const char *end,
                                  ptrdiff_t least) {
    ptrdiff_t count = 0;
    while (item_holds(pattern, at + count, item, end)) count++;
    for (; count >= least; count--) {
        const char *match = follow(pattern, at + count, end + 1);
        if (match) return match;
    }
    return NULL;
}

static const char *follow_shortest(struct pattern *pattern, const char *at, const char *item, const char *end) {
    for (;; at++) {
        const char *match = follow(pattern, at, end + 1);
        if (match || !item_holds(pattern, at, item, end)) return match;
    }
}

static const char *open_capture(struct pattern *pattern, const char *at, const char *item) {
    bool position = item + 1 < text_end(pattern) && item[1] == ')';
    if (pattern->captures_len == PATTERN_CAPTURES_MAX) luaL_error(pattern->L, "too many captures");
    pattern->captures[pattern->captures_len++] = (struct pattern_capture){at, position ? POSITION : OPEN};
    const char *match = follow(pattern, at, item + (position ? 2 : 1));
    if (!match) pattern->captures_len--;
    return match;
}

static const char *close_capture(struct pattern *pattern, const char *at, const char *item) {
    unsigned i = pattern->captures_len;
    while (i > 0 && pattern->captures[i - 1].len != OPEN) i--;
    if (i == 0) luaL_error(pattern->L, "invalid pattern capture");
    struct pattern_capture *capture = &pattern->captures[i - 1];
    capture->len = at - capture->start;
    const char *match = follow(pattern, at, item + 1);
    if (!match) capture->len = OPEN;
    return match;
}

/* %bxy: from x to the y that balances it. */
static const char *balanced_end(struct pattern *pattern, const char *at, const char *item) {
    if (text_end(pattern) - item < 4) luaL_error(pattern->L, "malformed pattern (missing arguments to '%%b')");
    if (at >= subject_end(pattern) || *at != item[2]) return NULL;
    ptrdiff_t open = 1;
    while (++at < subject_end(pattern)) {
        step(pattern);
        if (*at == item[3]) {
            if (--open == 0) return at + 1;
        } else if (*at == item[2]) {
            open++;
        }
    }
    return NULL;
}

/* %f[set]: between a character outside of the set and one inside. */
static bool at_frontier(struct pattern *pattern, const char *at, const char *set, const char *end) {
    unsigned char before = at == pattern->subject.ptr ? 0 : (unsigned char)at[-1];
    unsigned char after = at == subject_end(pattern) ? 0 : (unsigned char)*at;
    return !set_holds(before, set + 1, end - 1) && set_holds(after, set + 1, end - 1);
}

/* %1: matches the text of capture 1 again. */
static const char *repeated_end(struct pattern *pattern, const char *at, char digit) {
    unsigned i = (unsigned)(digit - '1');
    if (i >= pattern->captures_len || pattern->captures[i].len < 0) luaL_error(pattern->L, "invalid capture index");
    const struct pattern_capture *capture = &pattern->captures[i];
    vm_charge(pattern->L, (uint64_t)capture->len / 16 + 1);
    if (subject_end(pattern) - at < capture->len || memcmp(capture->start, at, (size_t)capture->len) != 0) return NULL;
    return at + capture->len;
}

/* Matches an item with an optional quantifier. */
static const char *follow_item(struct pattern *pattern, const char *at, const char *item) {
    const char *end = item_end(pattern, item);
    switch (end < text_end(pattern) ? *end : 0) {
        case '?':
            if (item_holds(pattern, at, item, end)) {
                const char *match = follow(pattern, at + 1, end + 1);
                if (match) return match;
            }
            return follow(pattern, at, end + 1);
        case '*':
            return follow_longest(pattern, at, item, end, 0);
        case '+':
            return follow_longest(pattern, at, item, end, 1);
        case '-':
            return follow_shortest(pattern, at, item, end);
        default:
            return item_holds(pattern, at, item, end) ? follow(pattern, at + 1, end) : NULL;
    }
}

static const char *follow_escape(struct pattern *pattern, const char *at, const char *item) {
    char letter = item + 1 < text_end(pattern) ? item[1] : 0;
    if (letter == 'b') {
        const char *end = balanced_end(pattern, at, item);
        return end ? follow(pattern, end, item + 4) : NULL;
    }
    if (letter == 'f') {
        const char *set = item + 2;
        if (set >= text_end(pattern) || *set != '[') luaL_error(pattern->L, "missing '[' after '%%f' in pattern");
        const char *end = item_end(pattern, set);
        return at_frontier(pattern, at, set, end) ? follow(pattern, at, end) : NULL;
    }
    if (letter >= '1' && letter <= '9') {
        const char *end = repeated_end(pattern, at, letter);
        return end ? follow(pattern, end, item + 2) : NULL;
    }
    return follow_item(pattern, at, item);
}

/* A run of plain items needs no recursion: only items that may backtrack do. */
static const char *skip_plain(struct pattern *pattern, const char *at, const char **item) {
    while (*item < text_end(pattern) && !strchr("%[().$", **item)) {
        const char *next = *item + 1;
        if (next < text_end(pattern) && strchr("*+?-", *next)) return at;
        if (!item_holds(pattern, at, *item, next)) return NULL;
        at++, *item = next;
    }
    return at;
}

static const char *follow(struct pattern *pattern, const char *at, const char *item) {
    step(pattern);
    if (!(at = skip_plain(pattern, at, &item))) return NULL;
    if (item == text_end(pattern)) return at;
    if (++pattern->depth > DEPTH_MAX) luaL_error(pattern->L, "pattern too complex");
    const char *match;
    if (*item == '(')
        match = open_capture(pattern, at, item);
    else if (*item == ')')
        match = close_capture(pattern, at, item);
    else if (*item == '$' && item + 1 == text_end(pattern))
        match = at == subject_end(pattern) ? at : NULL;
    else if (*item == '%')
        match = follow_escape(pattern, at, item);
    else
        match = follow_item(pattern, at, item);
    pattern->depth--;
    return match;
}

static const char *first_item_end(struct pattern *pattern) {
    const char *item = pattern->text.ptr, *letter = item + 1;
    if (pattern->text.len == 0 || strchr("($)", *item)) return NULL;
    if (*item == '%' && letter < text_end(pattern) && strchr("bf123456789", *letter)) return NULL;
    const char *end = item_end(pattern, item);
    return end < text_end(pattern) && strchr("?*-", *end) ? NULL : end;
}

void pattern_init(struct pattern *pattern, lua_State *L, struct slice subject, struct slice text) {
    pattern->L = L;
    pattern->subject = subject;
    pattern->anchored = text.len > 0 && text.ptr[0] == '^';
    pattern->text = slice_from(text, pattern->anchored);
    pattern->steps = 0;
    pattern->first_end = first_item_end(pattern);
}

const char *pattern_match(struct pattern *pattern, const char *at) {
    pattern->captures_len = pattern->depth = 0;
    if (pattern->first_end && !item_holds(pattern, at, pattern->text.ptr, pattern->first_end)) return NULL;
    return follow(pattern, at, pattern->text.ptr);
}

void pattern_push_one(struct pattern *pattern, unsigned i, const char *whole, const char *end) {
    if (i >= pattern->captures_len) {
        if (i > 0) luaL_error(pattern->L, "invalid capture index");
        lua_pushlstring(pattern->L, whole, (size_t)(end - whole));
        return;
    }
    const struct pattern_capture *capture = &pattern->captures[i];
    if (capture->len == OPEN) luaL_error(pattern->L, "unfinished capture");
    if (capture->len == POSITION)
        lua_pushinteger(pattern->L, capture->start - pattern->subject.ptr + 1);
    else
        lua_pushlstring(pattern->L, capture->start, (size_t)capture->len);
}

int pattern_push(struct pattern *pattern, const char *whole, const char *end) {
    unsigned len = pattern->captures_len == 0 && whole ? 1 : pattern->captures_len;
    luaL_checkstack(pattern->L, (int)len, "too many captures");
    for (unsigned i = 0; i < len; i++) pattern_push_one(pattern, i, whole, end);
    return (int)len;
}
