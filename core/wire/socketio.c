/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/socketio.h"

#include "wire/json.h"

enum { HEAD_BYTES = 32 }; /* type, attachments, id: at most that */

struct scan {
    const char *at, *end;
};

static bool read_number(struct scan *scan, uint64_t *number_r) {
    const char *start = scan->at;
    uint64_t number = 0;
    for (; scan->at < scan->end && *scan->at >= '0' && *scan->at <= '9'; scan->at++) {
        unsigned digit = (unsigned)(*scan->at - '0');
        if (number > (UINT64_MAX - digit) / 10) return false;
        number = number * 10 + digit;
    }
    *number_r = number;
    return scan->at > start;
}

/* "n-" before everything else; its presence is told by the type. */
static bool read_attachments(struct scan *scan, struct socketio_packet *packet) {
    uint64_t n;
    if (packet->type != SOCKETIO_BINARY_EVENT && packet->type != SOCKETIO_BINARY_ACK) return true;
    if (!read_number(scan, &n) || scan->at == scan->end || *scan->at++ != '-') return false;
    packet->attachments = (unsigned)n;
    return n >= 1 && n <= SOCKETIO_ATTACHMENTS_MAX;
}

static bool read_namespace(struct scan *scan, struct socketio_packet *packet) {
    packet->namespace_name = SLICE("/");
    if (scan->at == scan->end || *scan->at != '/') return true;
    const char *comma = memchr(scan->at, ',', (size_t)(scan->end - scan->at));
    const char *stop = comma ? comma : scan->end;
    packet->namespace_name = (struct slice){scan->at, (size_t)(stop - scan->at)};
    scan->at = comma ? comma + 1 : scan->end;
    return packet->namespace_name.len <= SOCKETIO_NAMESPACE_MAX;
}

static bool read_id(struct scan *scan, struct socketio_packet *packet) {
    packet->has_id = scan->at < scan->end && *scan->at >= '0' && *scan->at <= '9';
    return !packet->has_id || read_number(scan, &packet->id);
}

bool socketio_reserved(struct slice name) {
    static const char *const reserved[] = {"connect",       "connect_error", "disconnect",
                                           "disconnecting", "newListener",   "removeListener"};
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++) {
        if (slice_is(name, reserved[i])) return true;
    }
    return false;
}

static bool event_valid(struct socketio_packet *packet) {
    struct json_walk walk;
    if (packet->json.len == 0 || json_type_of(packet->json) != JSON_ARRAY) return false;
    json_walk_init(&walk, packet->json);
    if (!json_walk_item(&walk, &packet->event)) return false;
    if (json_type_of(packet->event) == JSON_NUMBER) return true;
    if (json_type_of(packet->event) != JSON_STRING) return false;
    struct buffer name = {0};
    json_string(packet->event, &name);
    bool valid = name.len <= SOCKETIO_EVENT_NAME_MAX && !socketio_reserved(buffer_slice(&name));
    buffer_done(&name);
    return valid;
}

/* Marks the placeholders in value; false: one is wrong or there twice. */
static bool mark_placeholders(struct slice value, unsigned attachments, unsigned *seen) {
    struct json_walk walk;
    struct slice key, item;
    enum json_type type = json_type_of(value);
    if (type != JSON_ARRAY && type != JSON_OBJECT) return true;
    struct slice mark = json_member(value, "_placeholder");
    if (type == JSON_OBJECT && mark.len > 0 && json_type_of(mark) == JSON_TRUE) {
        int64_t num;
        struct slice number = json_member(value, "num");
        if (number.len == 0 || json_type_of(number) != JSON_NUMBER || !json_integer(number, &num)) return false;
        if (num < 0 || num >= attachments || (*seen & 1u << num)) return false;
        *seen |= 1u << num;
        return true;
    }
    json_walk_init(&walk, value);
    while (type == JSON_ARRAY ? json_walk_item(&walk, &item) : json_walk_member(&walk, &key, &item)) {
        if (!mark_placeholders(item, attachments, seen)) return false;
    }
    return true;
}

static bool payload_valid(struct socketio_packet *packet) {
    bool empty = packet->json.len == 0;
    switch (packet->type) {
        case SOCKETIO_CONNECT:
            return empty || json_type_of(packet->json) == JSON_OBJECT;
        case SOCKETIO_DISCONNECT:
            return empty;
        case SOCKETIO_CONNECT_ERROR:
            return empty || json_type_of(packet->json) == JSON_OBJECT || json_type_of(packet->json) == JSON_STRING;
        case SOCKETIO_EVENT:
        case SOCKETIO_BINARY_EVENT:
            return event_valid(packet);
        case SOCKETIO_ACK:
        case SOCKETIO_BINARY_ACK:
            if (empty) packet->json = SLICE("[]");
            return json_type_of(packet->json) == JSON_ARRAY;
    }
    return false;
}

bool socketio_decode(struct slice text, struct socketio_packet *packet_r) {
    struct scan scan = {text.ptr, slice_end(text)};
    unsigned seen = 0;
    *packet_r = (struct socketio_packet){0};
    if (text.len == 0 || text.ptr[0] < '0' || text.ptr[0] > '6') return false;
    packet_r->type = (enum socketio_type)(*scan.at++ - '0');
    if (!read_attachments(&scan, packet_r) || !read_namespace(&scan, packet_r) || !read_id(&scan, packet_r)) {
        return false;
    }
    packet_r->json = (struct slice){scan.at, (size_t)(scan.end - scan.at)};
    if (packet_r->json.len > 0 && !json_valid(packet_r->json)) return false;
    if (!payload_valid(packet_r)) return false;
    if (packet_r->attachments == 0) return true;
    return mark_placeholders(packet_r->json, packet_r->attachments, &seen) && seen == (1u << packet_r->attachments) - 1;
}

void socketio_encode(struct buffer *out, const struct socketio_packet *packet) {
    buffer_reserve(out, packet->namespace_name.len + packet->json.len + HEAD_BYTES);
    buffer_append_char(out, (char)('0' + packet->type));
    if (packet->attachments > 0) {
        buffer_append_number(out, packet->attachments);
        buffer_append_char(out, '-');
    }
    if (!slice_is(packet->namespace_name, "/")) {
        buffer_append_slice(out, packet->namespace_name);
        buffer_append_char(out, ',');
    }
    if (packet->has_id) buffer_append_number(out, packet->id);
    buffer_append_slice(out, packet->json);
}
