/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/json_client.h"

#include "wire/json.h"

static bool is_type(struct slice value, enum json_type type) {
    return value.len > 0 && json_type_of(value) == type;
}

/* False: present, but no unsigned integer. */
static bool read_id(struct slice object, struct json_client_packet *packet) {
    int64_t id;
    struct slice value = json_member(object, "id");
    packet->has_id = value.len > 0;
    if (!packet->has_id) return true;
    if (!is_type(value, JSON_NUMBER) || !json_integer(value, &id) || id < 0) return false;
    packet->id = (uint64_t)id;
    return true;
}

static bool read_args(struct slice object, struct json_client_packet *packet) {
    packet->args = json_member(object, "args");
    if (packet->args.len == 0) packet->args = SLICE("[]");
    return json_type_of(packet->args) == JSON_ARRAY;
}

enum json_client_result json_client_decode(struct slice text, struct json_client_packet *packet_r) {
    *packet_r = (struct json_client_packet){0};
    if (!json_valid(text) || json_type_of(text) != JSON_OBJECT) return JSON_CLIENT_BAD_JSON;
    struct slice type = json_member(text, "type");
    if (!is_type(type, JSON_STRING)) return JSON_CLIENT_BAD_TYPE;
    if (json_string_is(type, SLICE("connect"))) {
        packet_r->type = JSON_CLIENT_CONNECT;
        packet_r->auth = json_member(text, "auth");
        return packet_r->auth.len == 0 || is_type(packet_r->auth, JSON_OBJECT) ? JSON_CLIENT_OK : JSON_CLIENT_BAD_TYPE;
    }
    if (!read_id(text, packet_r) || !read_args(text, packet_r)) return JSON_CLIENT_BAD_TYPE;
    if (json_string_is(type, SLICE("event"))) {
        packet_r->type = JSON_CLIENT_EVENT;
        packet_r->event = json_member(text, "event");
        return is_type(packet_r->event, JSON_STRING) ? JSON_CLIENT_OK : JSON_CLIENT_BAD_TYPE;
    }
    packet_r->type = JSON_CLIENT_ACK;
    return json_string_is(type, SLICE("ack")) && packet_r->has_id ? JSON_CLIENT_OK : JSON_CLIENT_BAD_TYPE;
}

void json_client_write_event(struct buffer *out, struct slice args_with_event, bool has_id, uint64_t id) {
    struct json_walk walk;
    struct slice item;
    bool first = true;
    json_walk_init(&walk, args_with_event);
    buffer_append_str(out, "{\"type\":\"event\",\"event\":");
    if (json_walk_item(&walk, &item)) buffer_append_slice(out, item);
    buffer_append_str(out, ",\"args\":[");
    while (json_walk_item(&walk, &item)) {
        if (!first) buffer_append_char(out, ',');
        first = false;
        buffer_append_slice(out, item);
    }
    buffer_append_char(out, ']');
    if (has_id) {
        buffer_append_str(out, ",\"id\":");
        buffer_append_number(out, id);
    }
    buffer_append_char(out, '}');
}

void json_client_write_ack(struct buffer *out, struct slice args, uint64_t id) {
    buffer_append_str(out, "{\"type\":\"ack\",\"id\":");
    buffer_append_number(out, id);
    buffer_append_str(out, ",\"args\":");
    buffer_append_slice(out, args);
    buffer_append_char(out, '}');
}

void json_client_write_connected(struct buffer *out, struct slice id) {
    buffer_append_str(out, "{\"type\":\"connected\",\"id\":");
    json_write_string(out, id);
    buffer_append_char(out, '}');
}

void json_client_write_refused(struct buffer *out, struct slice error) {
    buffer_append_str(out, "{\"type\":\"refused\",\"error\":");
    buffer_append_slice(out, error);
    buffer_append_char(out, '}');
}
