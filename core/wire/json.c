/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/json.h"

#include <assert.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "wire/utf8.h"

struct json_reader {
    const char *at, *end;
    unsigned depth;
    uint32_t objects; /* bit n: the container at depth n is an object */
    uint16_t keys[JSON_DEPTH_MAX];
};
_Static_assert(JSON_DEPTH_MAX <= 32, "a bit a level");

/* Nonzero: some byte of word is zero. */
static uint64_t zero_bytes(uint64_t word) {
    return (word - 0x0101010101010101) & ~word & 0x8080808080808080;
}

/* The first byte that is a quote, a backslash, a control character or part of a longer UTF-8 sequence; else end. */
static inline const char *plain_end(const char *at, const char *end) {
    const uint64_t every = 0x0101010101010101, high = 0x8080808080808080;
    uint64_t word;
    for (; end - at >= 8; at += 8) {
        memcpy(&word, at, 8);
        uint64_t control = (word - every * 0x20) & ~word;
        uint64_t special = (control | word) & high;
        if (special | zero_bytes(word ^ every * '"') | zero_bytes(word ^ every * '\\')) break;
    }
    while (at != end && (unsigned char)(*at - 0x20) < 0x60 && *at != '"' && *at != '\\') at++;
    return at;
}

static bool is_space(char c) {
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static void skip_space(struct json_reader *reader) {
    while (reader->at != reader->end && is_space(*reader->at)) reader->at++;
}

static bool accept(struct json_reader *reader, char c) {
    if (reader->at == reader->end || *reader->at != c) return false;
    reader->at++;
    return true;
}

static bool read_word(struct json_reader *reader, struct slice word) {
    if ((size_t)(reader->end - reader->at) < word.len || memcmp(reader->at, word.ptr, word.len) != 0) return false;
    reader->at += word.len;
    return true;
}

static bool read_digits(struct json_reader *reader) {
    const char *start = reader->at;
    while (reader->at != reader->end && is_digit(*reader->at)) reader->at++;
    return reader->at != start;
}

static bool read_number(struct json_reader *reader) {
    accept(reader, '-');
    if (!accept(reader, '0') && !read_digits(reader)) return false;
    if (accept(reader, '.') && !read_digits(reader)) return false;
    if (accept(reader, 'e') || accept(reader, 'E')) {
        if (!accept(reader, '+')) accept(reader, '-');
        return read_digits(reader);
    }
    return true;
}

static bool is_escaped(char c) {
    switch (c) {
        case '"':
        case '\\':
        case '/':
        case 'b':
        case 'f':
        case 'n':
        case 'r':
        case 't':
            return true;
        default:
            return false;
    }
}

/* After the backslash. */
static bool read_escape(struct json_reader *reader) {
    if (reader->at == reader->end) return false;
    char c = *reader->at++;
    if (c != 'u') return is_escaped(c);
    for (int i = 0; i < 4; i++) {
        if (reader->at == reader->end || json_hex_digit(*reader->at++) < 0) return false;
    }
    return true;
}

/* After the opening quote. */
static bool read_string(struct json_reader *reader) {
    for (;;) {
        while (reader->at != reader->end && *reader->at == '\\') /* many may follow each other */
            if (reader->at++, !read_escape(reader)) return false;
        reader->at = plain_end(reader->at, reader->end);
        if (reader->at == reader->end) return false;
        unsigned char c = (unsigned char)*reader->at;
        if (c >= 0x80) {
            size_t len = utf8_sequence(reader->at, reader->end);
            if (len == 0) return false;
            reader->at += len;
            continue;
        }
        if (c == '\\') continue;
        reader->at++;
        return c == '"';
    }
}

static bool in_object(const struct json_reader *reader) {
    return reader->objects >> (reader->depth - 1) & 1;
}

/* A key and its colon. */
static bool read_key(struct json_reader *reader) {
    skip_space(reader);
    if (!accept(reader, '"') || !read_string(reader)) return false;
    skip_space(reader);
    return accept(reader, ':') && ++reader->keys[reader->depth - 1] <= JSON_KEYS_MAX;
}

enum next { NEXT_VALUE, NEXT_DONE, NEXT_ERROR };

/* After the opening bracket: NEXT_DONE if the container is empty. */
static enum next read_open(struct json_reader *reader, bool object) {
    if (reader->depth == JSON_DEPTH_MAX) return NEXT_ERROR;
    skip_space(reader);
    if (accept(reader, object ? '}' : ']')) return NEXT_DONE;
    uint32_t bit = (uint32_t)1 << reader->depth;
    reader->objects = object ? reader->objects | bit : reader->objects & ~bit;
    reader->keys[reader->depth++] = 0;
    return !object || read_key(reader) ? NEXT_VALUE : NEXT_ERROR;
}

/* A value as far as its first inner value, if it has one. */
static enum next read_value(struct json_reader *reader) {
    skip_space(reader);
    if (reader->at == reader->end) return NEXT_ERROR;
    bool valid;
    switch (*reader->at) {
        case '{':
            return reader->at++, read_open(reader, true);
        case '[':
            return reader->at++, read_open(reader, false);
        case '"':
            valid = (reader->at++, read_string(reader));
            break;
        case 't':
            valid = read_word(reader, SLICE("true"));
            break;
        case 'f':
            valid = read_word(reader, SLICE("false"));
            break;
        case 'n':
            valid = read_word(reader, SLICE("null"));
            break;
        default:
            valid = read_number(reader);
    }
    return valid ? NEXT_DONE : NEXT_ERROR;
}

/* After a value: through the brackets it closes, to the next value or the end of all. */
static enum next read_after(struct json_reader *reader) {
    for (;;) {
        skip_space(reader);
        if (reader->depth == 0) return reader->at == reader->end ? NEXT_DONE : NEXT_ERROR;
        bool object = in_object(reader);
        if (accept(reader, ',')) return !object || read_key(reader) ? NEXT_VALUE : NEXT_ERROR;
        if (!accept(reader, object ? '}' : ']')) return NEXT_ERROR;
        reader->depth--;
    }
}

bool json_valid(struct slice bytes) {
    struct json_reader reader = {.at = bytes.ptr, .end = slice_end(bytes)};
    for (;;) {
        enum next next = read_value(&reader);
        if (next == NEXT_DONE) {
            next = read_after(&reader);
            if (next == NEXT_DONE) return true;
        }
        if (next == NEXT_ERROR) return false;
    }
}

static const char *after_space(const char *at, const char *end) {
    while (at != end && is_space(*at)) at++;
    return at;
}

struct slice json_trim(struct slice value) {
    const char *end = value.ptr + value.len, *at = after_space(value.ptr, end);
    while (end != at && is_space(end[-1])) end--;
    return (struct slice){at, (size_t)(end - at)};
}

/* at is after the opening quote; the end is after the closing one. */
static const char *after_string(const char *at, const char *end) {
    for (;;) {
        at = plain_end(at, end);
        if (*at == '"') return at + 1;
        at += *at == '\\' ? 2 : 1;
    }
}

static const char *after_container(const char *at, const char *end) {
    unsigned depth = 0;
    do {
        switch (*at++) {
            case '"':
                at = after_string(at, end);
                break;
            case '{':
            case '[':
                depth++;
                break;
            case '}':
            case ']':
                depth--;
                break;
        }
    } while (depth);
    return at;
}

static const char *after_value(const char *at, const char *end) {
    if (*at == '"') return after_string(at + 1, end);
    if (*at == '{' || *at == '[') return after_container(at, end);
    while (at != end && *at != ',' && *at != ']' && *at != '}' && !is_space(*at)) at++;
    return at;
}

enum json_type json_type_of(struct slice value) {
    switch (*json_trim(value).ptr) {
        case '{':
            return JSON_OBJECT;
        case '[':
            return JSON_ARRAY;
        case '"':
            return JSON_STRING;
        case 't':
            return JSON_TRUE;
        case 'f':
            return JSON_FALSE;
        case 'n':
            return JSON_NULL;
        default:
            return JSON_NUMBER;
    }
}

void json_walk_init(struct json_walk *walk, struct slice value) {
    value = json_trim(value);
    assert(value.len >= 2 && (*value.ptr == '[' || *value.ptr == '{'));
    walk->end = value.ptr + value.len - 1;
    walk->at = after_space(value.ptr + 1, walk->end);
}

/* Leaves walk->at at the first byte of what follows: the next item or key, or the end. */
bool json_walk_item(struct json_walk *walk, struct slice *value_r) {
    if (walk->at == walk->end) return false;
    const char *start = walk->at, *after = after_value(start, walk->end);
    *value_r = (struct slice){start, (size_t)(after - start)};
    after = after_space(after, walk->end);
    walk->at = after == walk->end ? after : after_space(after + 1, walk->end);
    return true;
}

bool json_walk_member(struct json_walk *walk, struct slice *key_r, struct slice *value_r) {
    if (walk->at == walk->end) return false;
    const char *after = after_string(walk->at + 1, walk->end);
    *key_r = (struct slice){walk->at, (size_t)(after - walk->at)};
    walk->at = after_space(after_space(after, walk->end) + 1, walk->end);
    return json_walk_item(walk, value_r);
}

struct slice json_member(struct slice object, const char *name) {
    struct slice found = SLICE_NONE, key, value;
    if (object.len == 0 || json_type_of(object) != JSON_OBJECT) return found;
    struct json_walk walk;
    json_walk_init(&walk, object);
    while (json_walk_member(&walk, &key, &value))
        if (json_string_is(key, slice_of(name))) found = value;
    return found;
}

size_t json_count(struct slice array) {
    struct json_walk walk;
    struct slice item;
    size_t count = 0;
    json_walk_init(&walk, array);
    while (json_walk_item(&walk, &item)) count++;
    return count;
}

static size_t utf8_write(char *out, uint32_t point) {
    if (point < 0x80) return out[0] = (char)point, 1;
    if (point < 0x800) {
        out[0] = (char)(0xC0 | point >> 6);
        out[1] = (char)(0x80 | (point & 0x3F));
        return 2;
    }
    if (point < 0x10000) {
        out[0] = (char)(0xE0 | point >> 12);
        out[1] = (char)(0x80 | (point >> 6 & 0x3F));
        out[2] = (char)(0x80 | (point & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | point >> 18);
    out[1] = (char)(0x80 | (point >> 12 & 0x3F));
    out[2] = (char)(0x80 | (point >> 6 & 0x3F));
    out[3] = (char)(0x80 | (point & 0x3F));
    return 4;
}

static uint32_t hex4(const char *at) {
    uint32_t value = 0;
    for (int i = 0; i < 4; i++) value = value * 16 + (uint32_t)json_hex_digit(at[i]);
    return value;
}

/* The next stretch of a string's text: a run that stands for itself, or one escape's character, written to utf8. */
static struct slice next_piece(const char **at, const char *end, char utf8[4]) {
    const char *start = *at, *escape = memchr(start, '\\', (size_t)(end - start));
    if (escape != start) {
        *at = escape ? escape : end;
        return (struct slice){start, (size_t)(*at - start)};
    }
    static const char letters[] = "bfnrt", meanings[] = "\b\f\n\r\t";
    *at += 2;
    if (start[1] != 'u') {
        const char *letter = strchr(letters, start[1]);
        utf8[0] = letter ? meanings[letter - letters] : start[1];
        return (struct slice){utf8, 1};
    }
    uint32_t point = hex4(*at);
    *at += 4;
    if (point < 0xD800 || point > 0xDFFF) return (struct slice){utf8, utf8_write(utf8, point)};
    bool paired = point < 0xDC00 && end - *at >= 6 && memcmp(*at, "\\u", 2) == 0;
    uint32_t low = paired ? hex4(*at + 2) : 0;
    if (low < 0xDC00 || low > 0xDFFF) return SLICE("\xEF\xBF\xBD"); /* U+FFFD */
    *at += 6;
    return (struct slice){utf8, utf8_write(utf8, 0x10000 + ((point - 0xD800) << 10) + (low - 0xDC00))};
}

static struct slice between_quotes(struct slice value) {
    value = json_trim(value);
    assert(value.len >= 2 && *value.ptr == '"');
    return (struct slice){value.ptr + 1, value.len - 2};
}

void json_string(struct slice value, struct buffer *out) {
    struct slice inner = between_quotes(value);
    const char *at = inner.ptr, *end = inner.ptr + inner.len;
    char utf8[4];
    buffer_reserve(out, inner.len);
    while (at != end) buffer_append_slice(out, next_piece(&at, end, utf8));
}

bool json_string_is(struct slice value, struct slice text) {
    struct slice inner = between_quotes(value);
    const char *at = inner.ptr, *end = inner.ptr + inner.len;
    char utf8[4];
    while (at != end) {
        struct slice piece = next_piece(&at, end, utf8);
        if (piece.len > text.len || memcmp(piece.ptr, text.ptr, piece.len) != 0) return false;
        text = slice_from(text, piece.len);
    }
    return text.len == 0;
}

bool json_integer(struct slice value, int64_t *number_r) {
    value = json_trim(value);
    bool negative = value.len && *value.ptr == '-';
    /* Summed below zero: INT64_MIN has no positive twin. */
    int64_t sum = 0;
    size_t i = negative;
    if (i == value.len) return false;
    for (; i < value.len; i++) {
        char c = value.ptr[i];
        if (c < '0' || c > '9') return false;
        if (__builtin_mul_overflow(sum, 10, &sum) || __builtin_sub_overflow(sum, c - '0', &sum)) return false;
    }
    if (!negative && sum == INT64_MIN) return false;
    *number_r = negative ? sum : -sum;
    return true;
}

/* strtod wants a terminator. The process never leaves the C locale. */
double json_number(struct slice value) {
    char small[64];
    value = json_trim(value);
    if (value.len >= sizeof(small)) {
        char *copy = memory_copy(value.ptr, value.len);
        double number = strtod(copy, NULL);
        free(copy);
        return number;
    }
    memcpy(small, value.ptr, value.len);
    small[value.len] = '\0';
    return strtod(small, NULL);
}

/* U+2028 and U+2029 are line ends in older JavaScript. */
static bool is_line_separator(const char *at, const char *end) {
    return end - at >= 3 && memcmp(at, "\xE2\x80", 2) == 0 && (at[2] == '\xA8' || at[2] == '\xA9');
}

static void write_escape(struct buffer *out, char c) {
    static const char meanings[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
    const char *meaning = c ? strchr(meanings, c) : NULL;
    if (!meaning) {
        buffer_printf(out, "\\u%04x", (unsigned)(unsigned char)c);
        return;
    }
    buffer_append_char(out, '\\');
    buffer_append_char(out, letters[meaning - meanings]);
}

bool json_holds_nul(struct slice value) {
    const char *at = value.ptr, *end = slice_end(value);
    while (at != end && (at = memchr(at, '\\', (size_t)(end - at)))) {
        if (end - at >= 6 && memcmp(at + 1, "u0000", 5) == 0) return true;
        at += 2; /* what is escaped is part of the string */
    }
    return false;
}

void json_write_string(struct buffer *out, struct slice text) {
    const char *at = text.ptr, *end = slice_end(text);
    buffer_reserve(out, text.len + 2);
    buffer_append_char(out, '"');
    while (at != end) {
        const char *start = at;
        while ((at = plain_end(at, end)) != end && (unsigned char)*at >= 0x80 && !is_line_separator(at, end)) at++;
        buffer_append(out, start, (size_t)(at - start));
        if (at == end) break;
        if ((unsigned char)*at >= 0x80) {
            buffer_append_str(out, at[2] == '\xA8' ? "\\u2028" : "\\u2029");
            at += 3;
        } else {
            write_escape(out, *at++);
        }
    }
    buffer_append_char(out, '"');
}

void json_write_integer(struct buffer *out, int64_t number) {
    if (number < 0) buffer_append_char(out, '-');
    buffer_append_number(out, number < 0 ? -(uint64_t)number : (uint64_t)number);
}

void json_write_number(struct buffer *out, double number) {
    const double exact = 9007199254740992.0; /* 2^53: integers up to here are all doubles */
    if (!isfinite(number)) {
        buffer_append_str(out, "null");
    } else if (fabs(number) < exact && number == trunc(number) && !(number == 0 && signbit(number))) {
        json_write_integer(out, (int64_t)number);
    } else {
        char digits[40];
        int len = 0;
        for (int precision = 15; precision <= 17; precision++) {
            len = snprintf(digits, sizeof(digits), "%.*g", precision, number);
            if (strtod(digits, NULL) == number) break;
        }
        buffer_append(out, digits, (size_t)len);
    }
}
