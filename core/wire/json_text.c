/* The text of validated strings and numbers, and how both are written. */
#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "wire/json.h"
#include "wire/json_scan.h"

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
        while ((at = json_plain_end(at, end)) != end && (unsigned char)*at >= 0x80 && !is_line_separator(at, end)) at++;
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
