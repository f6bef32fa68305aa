/* Validation and the walk over validated bytes. json_text.c has strings' text, numbers and writing. */
#include "wire/json.h"

#include <assert.h>
#include <stdint.h>

#include "wire/json_scan.h"
#include "wire/utf8.h"

struct json_reader {
    const char *at, *end;
    unsigned depth;
    uint32_t objects; /* bit n: the container at depth n is an object */
    uint16_t keys[JSON_DEPTH_MAX];
};
_Static_assert(JSON_DEPTH_MAX <= 32, "a bit a level");

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
        reader->at = json_plain_end(reader->at, reader->end);
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
        at = json_plain_end(at, end);
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
