#include "wire/plain.h"

#include "wire/json.h"

static bool is_type(struct slice value, enum json_type type) {
    return value.len > 0 && json_type_of(value) == type;
}

/* False: present, but no unsigned integer. */
static bool read_id(struct slice object, struct plain_packet *packet) {
    int64_t id;
    struct slice value = json_member(object, "id");
    packet->has_id = value.len > 0;
    if (!packet->has_id) return true;
    if (!is_type(value, JSON_NUMBER) || !json_integer(value, &id) || id < 0) return false;
    packet->id = (uint64_t)id;
    return true;
}

static bool read_args(struct slice object, struct plain_packet *packet) {
    packet->args = json_member(object, "args");
    if (packet->args.len == 0) packet->args = SLICE("[]");
    return json_type_of(packet->args) == JSON_ARRAY;
}

enum plain_result plain_decode(struct slice text, struct plain_packet *packet_r) {
    *packet_r = (struct plain_packet){0};
    if (!json_valid(text) || json_type_of(text) != JSON_OBJECT) return PLAIN_BAD_JSON;
    struct slice type = json_member(text, "type");
    if (!is_type(type, JSON_STRING)) return PLAIN_BAD_TYPE;
    if (json_string_is(type, SLICE("connect"))) {
        packet_r->type = PLAIN_CONNECT;
        packet_r->auth = json_member(text, "auth");
        return packet_r->auth.len == 0 || is_type(packet_r->auth, JSON_OBJECT) ? PLAIN_OK : PLAIN_BAD_TYPE;
    }
    if (!read_id(text, packet_r) || !read_args(text, packet_r)) return PLAIN_BAD_TYPE;
    if (json_string_is(type, SLICE("event"))) {
        packet_r->type = PLAIN_EVENT;
        packet_r->event = json_member(text, "event");
        return is_type(packet_r->event, JSON_STRING) ? PLAIN_OK : PLAIN_BAD_TYPE;
    }
    packet_r->type = PLAIN_ACK;
    return json_string_is(type, SLICE("ack")) && packet_r->has_id ? PLAIN_OK : PLAIN_BAD_TYPE;
}

void plain_write_event(struct buffer *out, struct slice args_with_event, bool has_id, uint64_t id) {
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

void plain_write_ack(struct buffer *out, struct slice args, uint64_t id) {
    buffer_append_str(out, "{\"type\":\"ack\",\"id\":");
    buffer_append_number(out, id);
    buffer_append_str(out, ",\"args\":");
    buffer_append_slice(out, args);
    buffer_append_char(out, '}');
}

void plain_write_connected(struct buffer *out, struct slice id) {
    buffer_append_str(out, "{\"type\":\"connected\",\"id\":");
    json_write_string(out, id);
    buffer_append_char(out, '}');
}

void plain_write_refused(struct buffer *out, struct slice error) {
    buffer_append_str(out, "{\"type\":\"refused\",\"error\":");
    buffer_append_slice(out, error);
    buffer_append_char(out, '}');
}
