/* SPDX-License-Identifier: Apache-2.0 */
/* What Stoa's parsers understand, for whoever compares them with others (run.mjs).
 *
 * Standard input: inputs one after the other, each a kind, the number of its frames, and the frames, each with its
 * length before it (four bytes, the lowest first). Standard output: one line of JSON an input. Kinds: t  a text frame
 * of Engine.IO      b  a binary one      l  a polling payload s  a text of Socket.IO, then its attachments
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "decode_net.h"
#include "wire/engineio.h"
#include "wire/json.h"
#include "wire/socketio.h"

enum { FRAMES_MAX = 16 };

struct input {
    char kind;
    unsigned frames_len;
    struct slice frames[FRAMES_MAX];
};

static struct buffer out, scratch;

static void write_bytes(struct slice bytes) {
    buffer_append_str(&out, "{\"bytes\":\"");
    for (size_t i = 0; i < bytes.len; i++) buffer_printf(&out, "%02x", (unsigned)(unsigned char)bytes.ptr[i]);
    buffer_append_str(&out, "\"}");
}

static void write_packet(const struct engineio_packet *packet) {
    buffer_printf(&out, "[%d,", (int)packet->type);
    if (packet->binary)
        write_bytes(packet->body);
    else
        json_write_string(&out, packet->body);
    buffer_append_char(&out, ']');
}

static void decode_frame(const struct input *input) {
    struct engineio_packet packet;
    if (engineio_decode(input->frames[0], input->kind == 'b', &scratch, &packet))
        write_packet(&packet);
    else
        buffer_append_str(&out, "null");
}

/* The packets; null after them: a bad one. */
static void decode_payload(const struct input *input) {
    struct engineio_payload payload;
    struct engineio_packet packet;
    enum engineio_step step;
    const char *comma = "";
    engineio_payload_init(&payload, input->frames[0]);
    buffer_append_char(&out, '[');
    while ((step = engineio_payload_next(&payload, &scratch, &packet)) == ENGINEIO_PACKET) {
        buffer_append_str(&out, comma);
        write_packet(&packet);
        comma = ",";
    }
    if (step == ENGINEIO_ERROR) buffer_printf(&out, "%snull", comma);
    buffer_append_char(&out, ']');
}

/* Socket.IO: what scripts would see, read as they have it read. */

static void write_text(struct slice value) {
    struct buffer text = {0};
    json_string(value, &text);
    json_write_string(&out, buffer_slice(&text));
    buffer_done(&text);
}

static void write_number(struct slice value) {
    double number = json_number(value);
    if (isfinite(number))
        buffer_printf(&out, "%.17g", number);
    else
        buffer_append_str(&out, number < 0 ? "-1e999" : "1e999");
}

static bool write_attachment(struct slice object, const struct input *input) {
    int64_t num;
    struct slice mark = json_member(object, "_placeholder");
    if (input->frames_len < 2 || mark.len == 0 || json_type_of(mark) != JSON_TRUE) return false;
    if (!json_integer(json_member(object, "num"), &num)) abort(); /* the parser has looked */
    write_bytes(input->frames[1 + num]);
    return true;
}

static void write_value(struct slice value, const struct input *input) {
    struct json_walk walk;
    struct slice key, item;
    const char *comma = "";
    enum json_type type = json_type_of(value);
    if (type == JSON_STRING) {
        write_text(value);
    } else if (type == JSON_NUMBER) {
        write_number(value);
    } else if (type != JSON_ARRAY && type != JSON_OBJECT) {
        buffer_append_slice(&out, json_trim(value));
    } else if (type == JSON_ARRAY || !write_attachment(value, input)) {
        buffer_append_char(&out, type == JSON_ARRAY ? '[' : '{');
        json_walk_init(&walk, value);
        while (type == JSON_ARRAY ? json_walk_item(&walk, &item) : json_walk_member(&walk, &key, &item)) {
            buffer_append_str(&out, comma);
            if (type == JSON_OBJECT) write_text(key);
            if (type == JSON_OBJECT) buffer_append_char(&out, ':');
            write_value(item, input);
            comma = ",";
        }
        buffer_append_char(&out, type == JSON_ARRAY ? ']' : '}');
    }
}

static void decode_socketio(const struct input *input) {
    struct socketio_packet packet;
    if (!socketio_decode(input->frames[0], &packet) || packet.attachments != input->frames_len - 1) {
        buffer_append_str(&out, "null");
        return;
    }
    buffer_printf(&out, "{\"type\":%d,\"nsp\":", (int)packet.type);
    json_write_string(&out, packet.namespace_name);
    if (packet.has_id) buffer_printf(&out, ",\"id\":%llu", (unsigned long long)packet.id);
    if (packet.json.len > 0) buffer_append_str(&out, ",\"data\":");
    if (packet.json.len > 0) write_value(packet.json, input);
    buffer_append_char(&out, '}');
}

/* False: the input ends. */
static bool read_bytes(struct buffer *buffer, size_t len) {
    buffer_clear(buffer);
    buffer->len = fread(buffer_reserve(buffer, len + 1), 1, len, stdin);
    return buffer->len == len;
}

static bool read_input(struct input *input, struct buffer frames[FRAMES_MAX]) {
    struct buffer head = {0};
    bool good = read_bytes(&head, 2) && (unsigned char)head.ptr[1] <= FRAMES_MAX;
    if (good) *input = (struct input){.kind = head.ptr[0], .frames_len = (unsigned char)head.ptr[1]};
    for (unsigned i = 0; good && i < input->frames_len; i++) {
        uint32_t len;
        good = read_bytes(&head, sizeof len);
        if (!good) break;
        memcpy(&len, head.ptr, sizeof len);
        good = read_bytes(&frames[i], len);
        input->frames[i] = buffer_slice(&frames[i]);
    }
    buffer_done(&head);
    return good;
}

int main(void) {
    struct buffer frames[FRAMES_MAX] = {0};
    struct input input;
    while (read_input(&input, frames)) {
        buffer_clear(&out);
        if (input.kind == 'h')
            decode_http(input.frames, input.frames_len, &out);
        else if (input.kind == 'w' || input.kind == 'c')
            decode_websocket(input.frames, input.frames_len, input.kind == 'c', &out);
        else if (input.kind == 's')
            decode_socketio(&input);
        else if (input.kind == 'l')
            decode_payload(&input);
        else
            decode_frame(&input);
        buffer_append_char(&out, '\n');
        fwrite(out.ptr, 1, out.len, stdout);
    }
    for (int i = 0; i < FRAMES_MAX; i++) buffer_done(&frames[i]);
    buffer_done(&out);
    buffer_done(&scratch);
    return ferror(stdin) || fflush(stdout) != 0;
}
