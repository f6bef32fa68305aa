/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/msgpack.h"

#include <math.h>
#include <stdint.h>

#include "base/wall_time.h"
#include "wire/json.h"
#include "wire/utf8.h"

/* The first byte of a value (MessagePack specification, "Formats"); those with a value of their own are ranges. */
enum {
    FIXMAP = 0x80,
    FIXARRAY = 0x90,
    FIXSTR = 0xa0,
    NIL = 0xc0,
    FALSE_BYTE = 0xc2,
    TRUE_BYTE = 0xc3,
    BIN8 = 0xc4,
    BIN16 = 0xc5,
    BIN32 = 0xc6,
    EXT8 = 0xc7,
    EXT16 = 0xc8,
    EXT32 = 0xc9,
    FLOAT32 = 0xca,
    FLOAT64 = 0xcb,
    UINT8 = 0xcc,
    UINT16 = 0xcd,
    UINT32 = 0xce,
    UINT64 = 0xcf,
    INT8 = 0xd0,
    INT16 = 0xd1,
    INT32 = 0xd2,
    INT64 = 0xd3,
    FIXEXT1 = 0xd4,
    FIXEXT16 = 0xd8,
    STR8 = 0xd9,
    STR16 = 0xda,
    STR32 = 0xdb,
    ARRAY16 = 0xdc,
    ARRAY32 = 0xdd,
    MAP16 = 0xde,
    MAP32 = 0xdf,
    NEGATIVE_FIXINT = 0xe0
};
/* Extension types: notepack.io's own, and the specification's time stamp. */
enum { EXT_NOTEPACK = 0, EXT_TIMESTAMP = -1 };
enum { NOTEPACK_UNDEFINED_BYTES = 1, NOTEPACK_TIME_BYTES = 8 };
static const double EXACT_INTEGER_MAX = 9007199254740991.0; /* 2^53 - 1 */

/* Reading. */

struct msgpack_reader {
    const unsigned char *at, *end;
    struct buffer *json;
    struct msgpack_binaries *binaries;
    bool has_lookalike; /* a map of the sender's that looks like a placeholder */
};

static bool read_value(struct msgpack_reader *reader, unsigned depth);

/* The next len bytes; NULL: there are not so many. */
static const unsigned char *take(struct msgpack_reader *reader, uint64_t len) {
    const unsigned char *bytes = reader->at;
    if ((uint64_t)(reader->end - bytes) < len) return NULL;
    reader->at += len;
    return bytes;
}

static uint64_t big_endian(const unsigned char *bytes, unsigned len) {
    uint64_t number = 0;
    for (unsigned i = 0; i < len; i++) number = number << 8 | bytes[i];
    return number;
}

static bool take_number(struct msgpack_reader *reader, unsigned len, uint64_t *number_r) {
    const unsigned char *bytes = take(reader, len);
    if (bytes) *number_r = big_endian(bytes, len);
    return bytes != NULL;
}

static bool read_unsigned(struct msgpack_reader *reader, unsigned len) {
    uint64_t number;
    if (!take_number(reader, len, &number)) return false;
    if (number > INT64_MAX)
        json_write_number(reader->json, (double)number);
    else
        json_write_integer(reader->json, (int64_t)number);
    return true;
}

static bool read_signed(struct msgpack_reader *reader, unsigned len) {
    uint64_t number;
    if (!take_number(reader, len, &number)) return false;
    unsigned unused_bits = 64 - 8 * len;
    json_write_integer(reader->json, (int64_t)(number << unused_bits) >> unused_bits);
    return true;
}

static bool read_float(struct msgpack_reader *reader, unsigned len) {
    uint64_t bits;
    if (!take_number(reader, len, &bits)) return false;
    double number;
    if (len == sizeof(float)) {
        uint32_t narrow = (uint32_t)bits;
        float value;
        memcpy(&value, &narrow, sizeof value);
        number = (double)value;
    } else {
        memcpy(&number, &bits, sizeof number);
    }
    json_write_number(reader->json, number == 0 ? 0 : number); /* JSON.stringify knows no -0 */
    return true;
}

static bool read_text(struct msgpack_reader *reader, uint64_t len) {
    const unsigned char *bytes = take(reader, len);
    struct slice text = {(const char *)bytes, (size_t)len};
    if (!bytes || !utf8_valid(text)) return false;
    json_write_string(reader->json, text);
    return true;
}

static bool read_binary(struct msgpack_reader *reader, uint64_t len) {
    const unsigned char *bytes = take(reader, len);
    struct msgpack_binaries *binaries = reader->binaries;
    if (!bytes || binaries->len == MSGPACK_ATTACHMENTS_MAX) return false;
    buffer_printf(reader->json, "{\"_placeholder\":true,\"num\":%u}", binaries->len);
    binaries->items[binaries->len++] = (struct slice){(const char *)bytes, (size_t)len};
    return true;
}

static void write_time(struct msgpack_reader *reader, int64_t wall_ms) {
    char text[WALL_TIME_MAX];
    wall_time_write(text, wall_ms);
    json_write_string(reader->json, slice_of(text));
}

/* Seconds and nanoseconds in 32, 64 or 96 bits. */
static bool read_timestamp(struct msgpack_reader *reader, uint64_t len) {
    const unsigned char *bytes = take(reader, len);
    if (!bytes || (len != 4 && len != 8 && len != 12)) return false;
    int64_t seconds = 0, nanoseconds = 0;
    if (len == 4) {
        seconds = (int64_t)big_endian(bytes, 4);
    } else if (len == 8) {
        uint64_t both = big_endian(bytes, 8);
        seconds = (int64_t)(both & 0x3ffffffff);
        nanoseconds = (int64_t)(both >> 34);
    } else {
        nanoseconds = (int64_t)big_endian(bytes, 4);
        seconds = (int64_t)big_endian(bytes + 4, 8);
    }
    if (seconds > INT32_MAX * INT64_C(1000) || seconds < INT32_MIN * INT64_C(1000)) return false;
    write_time(reader, seconds * 1000 + nanoseconds / 1000000);
    return true;
}

/* notepack.io writes undefined and (its version 2) times in the fixed forms, buffers of any length in the long ones. */
static bool read_extension(struct msgpack_reader *reader, uint64_t len, bool is_fixed) {
    const unsigned char *type = take(reader, 1);
    if (!type) return false;
    if ((int8_t)*type == EXT_TIMESTAMP) return read_timestamp(reader, len);
    if (*type != EXT_NOTEPACK) return false;
    if (!is_fixed || (len != NOTEPACK_UNDEFINED_BYTES && len != NOTEPACK_TIME_BYTES)) return read_binary(reader, len);
    const unsigned char *bytes = take(reader, len);
    if (!bytes) return false;
    if (len == NOTEPACK_TIME_BYTES)
        write_time(reader, (int64_t)big_endian(bytes, 8));
    else
        buffer_append_str(reader->json, "null");
    return true;
}

static bool read_long_extension(struct msgpack_reader *reader, uint64_t len) {
    return read_extension(reader, len, false);
}

/* A length and that many bytes. */
static bool read_long(struct msgpack_reader *reader, unsigned len_bytes,
                      bool (*read)(struct msgpack_reader *, uint64_t)) {
    uint64_t len;
    return take_number(reader, len_bytes, &len) && read(reader, len);
}

static bool read_key_text(struct msgpack_reader *reader, uint64_t len) {
    struct slice key = {(const char *)reader->at, (size_t)len};
    if (!read_text(reader, len)) return false;
    if (slice_is(key, "_placeholder")) reader->has_lookalike = true;
    return true;
}

static bool read_key(struct msgpack_reader *reader) {
    const unsigned char *format = take(reader, 1);
    if (!format) return false;
    if ((*format & 0xe0) == FIXSTR) return read_key_text(reader, *format & 0x1f);
    return *format >= STR8 && *format <= STR32 && read_long(reader, 1U << (*format - STR8), read_key_text);
}

/* Each item takes a byte at least: a length beyond what is left cannot be true. */
static bool read_items(struct msgpack_reader *reader, uint64_t len, bool is_map, unsigned depth) {
    if (depth == MSGPACK_DEPTH_MAX || len > (uint64_t)(reader->end - reader->at)) return false;
    if (is_map && len > JSON_KEYS_MAX) return false;
    buffer_append_char(reader->json, is_map ? '{' : '[');
    for (uint64_t i = 0; i < len; i++) {
        if (i > 0) buffer_append_char(reader->json, ',');
        if (is_map) {
            if (!read_key(reader)) return false;
            buffer_append_char(reader->json, ':');
        }
        if (!read_value(reader, depth + 1)) return false;
    }
    buffer_append_char(reader->json, is_map ? '}' : ']');
    return true;
}

static bool read_long_items(struct msgpack_reader *reader, unsigned len_bytes, bool is_map, unsigned depth) {
    uint64_t len;
    return take_number(reader, len_bytes, &len) && read_items(reader, len, is_map, depth);
}

static bool read_fixed(struct msgpack_reader *reader, unsigned format, unsigned depth) {
    if (format < FIXMAP) {
        json_write_integer(reader->json, (int64_t)format);
        return true;
    }
    if (format >= NEGATIVE_FIXINT) {
        json_write_integer(reader->json, (int64_t)format - 256);
        return true;
    }
    if (format < FIXARRAY) return read_items(reader, format & 0x0f, true, depth);
    if (format < FIXSTR) return read_items(reader, format & 0x0f, false, depth);
    return read_text(reader, format & 0x1f);
}

static bool read_value(struct msgpack_reader *reader, unsigned depth) {
    const unsigned char *format = take(reader, 1);
    if (!format) return false;
    if (*format < NIL || *format >= NEGATIVE_FIXINT) return read_fixed(reader, *format, depth);
    switch (*format) {
        case NIL:
            buffer_append_str(reader->json, "null");
            return true;
        case FALSE_BYTE:
        case TRUE_BYTE:
            buffer_append_str(reader->json, *format == TRUE_BYTE ? "true" : "false");
            return true;
        case BIN8 ... BIN32:
            return read_long(reader, 1U << (*format - BIN8), read_binary);
        case EXT8 ... EXT32:
            return read_long(reader, 1U << (*format - EXT8), read_long_extension);
        case FLOAT32 ... FLOAT64:
            return read_float(reader, 4U << (*format - FLOAT32));
        case UINT8 ... UINT64:
            return read_unsigned(reader, 1U << (*format - UINT8));
        case INT8 ... INT64:
            return read_signed(reader, 1U << (*format - INT8));
        case FIXEXT1 ... FIXEXT16:
            return read_extension(reader, 1U << (*format - FIXEXT1), true);
        case STR8 ... STR32:
            return read_long(reader, 1U << (*format - STR8), read_text);
        case ARRAY16 ... ARRAY32:
            return read_long_items(reader, 2U << (*format - ARRAY16), false, depth);
        case MAP16 ... MAP32:
            return read_long_items(reader, 2U << (*format - MAP16), true, depth);
        default:
            return false;
    }
}

bool msgpack_read(struct slice bytes, struct buffer *json, struct msgpack_binaries *binaries_r) {
    size_t before = json->len;
    const unsigned char *at = (const unsigned char *)bytes.ptr;
    struct msgpack_reader reader = {.at = at, .end = at + bytes.len, .json = json, .binaries = binaries_r};
    binaries_r->len = 0;
    bool whole = bytes.len > 0 && read_value(&reader, 0) && reader.at == reader.end;
    if (reader.has_lookalike && binaries_r->len > 0) whole = false;
    if (!whole) json->len = before;
    return whole;
}

/* Writing. */

struct writer {
    struct buffer *out;
    struct buffer text; /* of the string at hand, unescaped */
    const struct slice *attachments;
    unsigned attachments_len;
};

static void write_value(struct writer *writer, struct slice json);

static void put(struct buffer *out, unsigned format, uint64_t number, unsigned bytes) {
    buffer_append_char(out, (char)format);
    for (unsigned i = bytes; i > 0; i--) buffer_append_char(out, (char)(number >> (8 * (i - 1))));
}

/* A head of 1, 2 or 4 bytes of length; or none, where a fixed form holds it. */
static void put_len(struct buffer *out, size_t len, unsigned fixed, size_t fixed_len, unsigned first, bool has_byte) {
    if (len < fixed_len)
        put(out, fixed | (unsigned)len, 0, 0);
    else if (has_byte && len <= UINT8_MAX)
        put(out, first, len, 1);
    else if (len <= UINT16_MAX)
        put(out, first + has_byte, len, 2);
    else
        put(out, first + has_byte + 1, len, 4);
}

/* The shortest of the four widths; which of them: 0 to 3. */
static unsigned width_of(int64_t number) {
    uint64_t least = number >= 0 ? (uint64_t)number : ~(uint64_t)number << 1;
    return least <= UINT8_MAX ? 0 : least <= UINT16_MAX ? 1 : least <= UINT32_MAX ? 2 : 3;
}

static void write_integer(struct buffer *out, int64_t number) {
    unsigned width = width_of(number);
    if (number >= -32 && number <= INT8_MAX)
        put(out, (uint8_t)number, 0, 0);
    else
        put(out, (number >= 0 ? UINT8 : INT8) + width, (uint64_t)number, 1U << width);
}

/* Whole numbers as such, however they are written: JavaScript knows no difference. */
static void write_number(struct buffer *out, struct slice json) {
    int64_t integer;
    double number = json_number(json);
    if (json_integer(json, &integer)) {
        write_integer(out, integer);
    } else if (number == floor(number) && fabs(number) <= EXACT_INTEGER_MAX && !(number == 0 && signbit(number))) {
        write_integer(out, (int64_t)number);
    } else {
        uint64_t bits;
        memcpy(&bits, &number, sizeof bits);
        put(out, FLOAT64, bits, sizeof bits);
    }
}

static void write_text(struct writer *writer, struct slice json) {
    buffer_clear(&writer->text);
    json_string(json, &writer->text);
    put_len(writer->out, writer->text.len, FIXSTR, 32, STR8, true);
    buffer_append_slice(writer->out, buffer_slice(&writer->text));
}

/* The attachment for which the object stands; NULL: it is an ordinary one. */
static const struct slice *placeholder(const struct writer *writer, struct slice object) {
    if (writer->attachments_len == 0 || !slice_is(json_member(object, "_placeholder"), "true")) return NULL;
    struct slice num = json_member(object, "num");
    int64_t number;
    if (num.len == 0 || !json_integer(num, &number)) return NULL;
    return number >= 0 && number < writer->attachments_len ? &writer->attachments[number] : NULL;
}

static void write_object(struct writer *writer, struct slice object) {
    const struct slice *binary = placeholder(writer, object);
    if (binary) {
        put_len(writer->out, binary->len, 0, 0, BIN8, true);
        buffer_append_slice(writer->out, *binary);
        return;
    }
    struct json_walk walk;
    struct slice key, value;
    size_t len = 0;
    json_walk_init(&walk, object);
    while (json_walk_member(&walk, &key, &value)) len++;
    put_len(writer->out, len, FIXMAP, 16, MAP16, false);
    json_walk_init(&walk, object);
    while (json_walk_member(&walk, &key, &value)) {
        write_text(writer, key);
        write_value(writer, value);
    }
}

static void write_array(struct writer *writer, struct slice array) {
    struct json_walk walk;
    struct slice item;
    put_len(writer->out, json_count(array), FIXARRAY, 16, ARRAY16, false);
    json_walk_init(&walk, array);
    while (json_walk_item(&walk, &item)) write_value(writer, item);
}

static void write_value(struct writer *writer, struct slice json) {
    switch (json_type_of(json)) {
        case JSON_NULL:
            put(writer->out, NIL, 0, 0);
            break;
        case JSON_FALSE:
            put(writer->out, FALSE_BYTE, 0, 0);
            break;
        case JSON_TRUE:
            put(writer->out, TRUE_BYTE, 0, 0);
            break;
        case JSON_NUMBER:
            write_number(writer->out, json);
            break;
        case JSON_STRING:
            write_text(writer, json);
            break;
        case JSON_ARRAY:
            write_array(writer, json);
            break;
        case JSON_OBJECT:
            write_object(writer, json);
            break;
    }
}

void msgpack_write(struct buffer *out, struct slice json, const struct slice *attachments, unsigned attachments_len) {
    struct writer writer = {.out = out, .attachments = attachments, .attachments_len = attachments_len};
    write_value(&writer, json_trim(json));
    buffer_done(&writer.text);
}
