/* SPDX-License-Identifier: Apache-2.0 */
#include "bus/adapter_message.h"

#include "wire/json.h"
#include "wire/msgpack.h"

/* Numbers on the wire: the parser's packet types, the classic adapter's RequestType, the sharded one's MessageType. */
enum { PACKET_EVENT = 2, PACKET_BINARY_EVENT = 5 };
static const enum adapter_kind classic_kinds[] = {
    [0] = ADAPTER_SOCKETS,    [1] = ADAPTER_ROOMS, [2] = ADAPTER_JOIN,         [3] = ADAPTER_LEAVE,
    [4] = ADAPTER_DISCONNECT, [5] = ADAPTER_FETCH, [6] = ADAPTER_SERVER_EVENT, [7] = ADAPTER_EMIT,
};
static const enum adapter_kind sharded_kinds[] = {
    [0] = ADAPTER_OTHER, [1] = ADAPTER_OTHER,      [2] = ADAPTER_OTHER, [3] = ADAPTER_EMIT,  [4] = ADAPTER_JOIN,
    [5] = ADAPTER_LEAVE, [6] = ADAPTER_DISCONNECT, [7] = ADAPTER_FETCH, [8] = ADAPTER_OTHER, [9] = ADAPTER_SERVER_EVENT,
};
/* The fields of an answer beside the request's id. Type 0: no type; key NULL: the answer has no value. */
static const struct {
    const char *classic_key, *sharded_key;
    int classic_type, sharded_type;
    bool is_msgpack; /* classic: always */
} answers[] = {
    [ANSWER_SOCKET_IDS] = {"sockets", NULL, 0, 0, false},
    [ANSWER_ROOMS] = {"rooms", NULL, 0, 0, false},
    [ANSWER_DONE] = {NULL, NULL, 0, 0, false},
    [ANSWER_SOCKETS] = {"sockets", "sockets", 0, 8, false},
    [ANSWER_EVENT] = {"data", "packet", 6, 10, false},
    [ANSWER_COUNT] = {"clientCount", "clientCount", 8, 11, false},
    [ANSWER_ACK] = {"packet", "packet", 9, 12, true},
};

/* Reading. */

static bool is_type(struct slice json, enum json_type type) {
    return json.len > 0 && json_type_of(json) == type;
}

static struct slice member_of(struct slice object, const char *name, enum json_type type) {
    struct slice value = json_member(object, name);
    return is_type(value, type) ? value : SLICE_NONE;
}

static bool number_of(struct slice object, const char *name, int64_t *number_r) {
    struct slice value = member_of(object, name, JSON_NUMBER);
    return value.len > 0 && json_integer(value, number_r);
}

static bool is_of_namespace(struct slice nsp, struct slice namespace_name) {
    return json_type_of(nsp) == JSON_STRING && json_string_is(nsp, namespace_name);
}

/* False: the option exists but is not a list. */
static bool take_names(struct slice options, const char *name, struct slice *names_r) {
    struct slice value = json_member(options, name);
    *names_r = is_type(value, JSON_ARRAY) ? value : SLICE_NONE;
    return value.len == 0 || names_r->len > 0 || is_type(value, JSON_NULL);
}

/* A message without options names no sockets; it must not be read as one to all sockets. */
static bool take_options(struct adapter_message *message, struct slice options) {
    if (!is_type(options, JSON_OBJECT)) return false;
    struct slice flags = member_of(options, "flags", JSON_OBJECT);
    message->is_volatile = member_of(flags, "volatile", JSON_TRUE).len > 0;
    if (!number_of(flags, "timeout", &message->timeout_ms)) message->timeout_ms = 0;
    if (json_member(options, "stoa").len > 0) message->is_ours = true;
    return take_names(options, "rooms", &message->rooms) && take_names(options, "except", &message->except);
}

/* A packet without nsp belongs to the namespace `absent`. */
static bool take_packet(struct adapter_message *message, struct slice packet, struct slice namespace_name,
                        struct slice absent) {
    int64_t type;
    struct slice nsp = json_member(packet, "nsp");
    message->args = member_of(packet, "data", JSON_ARRAY);
    return number_of(packet, "type", &type) && (type == PACKET_EVENT || type == PACKET_BINARY_EVENT) &&
           message->args.len > 0 &&
           (nsp.len > 0 ? is_of_namespace(nsp, namespace_name) : slice_equal(absent, namespace_name));
}

/* [uid, packet, options] */
static bool take_classic_emit(struct adapter_message *message, struct slice root, struct slice namespace_name) {
    struct json_walk walk;
    struct slice packet, options, more;
    if (!is_type(root, JSON_ARRAY)) return false;
    json_walk_init(&walk, root);
    if (!json_walk_item(&walk, &message->uid) || !is_type(message->uid, JSON_STRING)) return false;
    if (!json_walk_item(&walk, &packet) || !json_walk_item(&walk, &options) || json_walk_item(&walk, &more))
        return false;
    message->kind = ADAPTER_EMIT;
    return take_options(message, options) && take_packet(message, packet, namespace_name, SLICE("/"));
}

/* The old form, with one socket and one room: {sid, room}. Each of the two becomes a list of its own.
 */
static bool take_single(struct adapter_message *message, struct slice root) {
    message->rooms = member_of(root, "sid", JSON_STRING);
    message->moved = member_of(root, "room", JSON_STRING);
    return message->rooms.len > 0;
}

static bool take_classic_body(struct adapter_message *message, struct slice root, struct slice namespace_name) {
    struct slice options = json_member(root, "opts");
    switch (message->kind) {
        case ADAPTER_SOCKETS:
            return take_names(root, "rooms", &message->rooms);
        case ADAPTER_JOIN:
        case ADAPTER_LEAVE:
        case ADAPTER_DISCONNECT:
            message->moved = member_of(root, "rooms", JSON_ARRAY);
            message->closes = member_of(root, "close", JSON_TRUE).len > 0;
            return options.len > 0 ? take_options(message, options) : take_single(message, root);
        case ADAPTER_FETCH:
            return take_options(message, options);
        case ADAPTER_SERVER_EVENT:
            message->args = member_of(root, "data", JSON_ARRAY);
            return message->args.len > 0;
        case ADAPTER_EMIT:
            return take_options(message, options) &&
                   take_packet(message, json_member(root, "packet"), namespace_name, namespace_name);
        default:
            return true;
    }
}

static bool take_classic_request(struct adapter_message *message, struct slice root, struct slice namespace_name) {
    int64_t type;
    if (!is_type(root, JSON_OBJECT) || !number_of(root, "type", &type)) return false;
    message->kind = type >= 0 && type < (int64_t)(sizeof classic_kinds / sizeof *classic_kinds) ? classic_kinds[type]
                                                                                                : ADAPTER_OTHER;
    message->uid = member_of(root, "uid", JSON_STRING);
    message->request_id = member_of(root, "requestId", JSON_STRING);
    return take_classic_body(message, root, namespace_name);
}

static bool take_sharded_body(struct adapter_message *message, struct slice body, struct slice namespace_name) {
    if (message->kind == ADAPTER_OTHER) return true;
    message->request_id = member_of(body, "requestId", JSON_STRING);
    if (message->kind == ADAPTER_SERVER_EVENT) {
        message->args = member_of(body, "packet", JSON_ARRAY);
        return message->args.len > 0;
    }
    message->closes = member_of(body, "close", JSON_TRUE).len > 0;
    message->moved = member_of(body, "rooms", JSON_ARRAY);
    return take_options(message, json_member(body, "opts")) &&
           (message->kind != ADAPTER_EMIT ||
            take_packet(message, json_member(body, "packet"), namespace_name, namespace_name));
}

/* {uid, nsp, type, data} */
static bool take_sharded(struct adapter_message *message, struct slice root, struct slice namespace_name) {
    int64_t type;
    struct slice nsp = json_member(root, "nsp"), body = member_of(root, "data", JSON_OBJECT);
    message->uid = member_of(root, "uid", JSON_STRING);
    if (message->uid.len == 0 || nsp.len == 0 || !is_of_namespace(nsp, namespace_name)) return false;
    if (!number_of(root, "type", &type)) return false;
    message->kind = type >= 0 && type < (int64_t)(sizeof sharded_kinds / sizeof *sharded_kinds) ? sharded_kinds[type]
                                                                                                : ADAPTER_OTHER;
    return take_sharded_body(message, body, namespace_name);
}

bool adapter_read(enum adapter_channel channel, struct slice namespace_name, struct slice bytes, struct buffer *json,
                  struct msgpack_binaries *binaries, struct adapter_message *message_r) {
    struct slice root = bytes;
    *message_r = (struct adapter_message){.kind = ADAPTER_OTHER};
    binaries->len = 0;
    if (bytes.len > 0 && *bytes.ptr == '{') {
        if (!json_valid(bytes)) return false;
    } else {
        buffer_clear(json);
        if (!msgpack_read(bytes, json, binaries)) return false;
        root = buffer_slice(json);
    }
    switch (channel) {
        case ADAPTER_CLASSIC_EMITS:
            return take_classic_emit(message_r, root, namespace_name);
        case ADAPTER_CLASSIC_REQUESTS:
            return take_classic_request(message_r, root, namespace_name);
        default:
            return is_type(root, JSON_OBJECT) && take_sharded(message_r, root, namespace_name);
    }
}

/* text may move while it grows: first collects lengths of the names in it, then sets their pointers. */
bool adapter_names(struct slice json, struct buffer *text, struct slice *names, size_t max, size_t *len_r) {
    struct json_walk walk;
    struct slice item;
    size_t len = 0;
    bool is_array = is_type(json, JSON_ARRAY), is_whole = true;
    buffer_clear(text);
    if (is_array) json_walk_init(&walk, json);
    while (json.len > 0 && is_whole && (is_array ? json_walk_item(&walk, &item) : len == 0)) {
        size_t before = text->len;
        if (!is_array) item = json;
        if (json_type_of(item) == JSON_STRING)
            json_string(item, text);
        else
            buffer_append_slice(text, item);
        is_whole = len < max && (json_type_of(item) == JSON_STRING || json_type_of(item) == JSON_NUMBER);
        if (is_whole) names[len++].len = text->len - before;
    }
    const char *at = text->ptr;
    for (size_t i = 0; i < len; at += names[i++].len) names[i].ptr = at;
    *len_r = len;
    return is_whole;
}

/* Writing: first as JSON; MessagePack is converted from it. */

static void write_names(struct buffer *out, const char *key, const struct slice *names, size_t len) {
    buffer_printf(out, "\"%s\":[", key);
    for (size_t i = 0; i < len; i++) {
        if (i > 0) buffer_append_char(out, ',');
        json_write_string(out, names[i]);
    }
    buffer_append_char(out, ']');
}

static void write_options(struct buffer *out, const struct adapter_emit *emit) {
    buffer_append_char(out, '{');
    write_names(out, "rooms", emit->rooms, emit->rooms_len);
    buffer_append_char(out, ',');
    write_names(out, "except", emit->except, emit->except_len);
    buffer_printf(out, ",\"flags\":{%s},\"stoa\":true}", emit->is_volatile ? "\"volatile\":true" : "");
}

static void write_packet(struct buffer *out, const struct adapter_emit *emit) {
    buffer_printf(out, "{\"type\":%d,\"data\":", PACKET_EVENT);
    buffer_append_slice(out, emit->args);
    buffer_append_str(out, ",\"nsp\":");
    json_write_string(out, emit->namespace_name);
    buffer_append_char(out, '}');
}

static void write_sharded_head(struct buffer *out, struct slice uid, struct slice namespace_name, int type) {
    buffer_append_str(out, "{\"uid\":");
    json_write_string(out, uid);
    buffer_append_str(out, ",\"nsp\":");
    json_write_string(out, namespace_name);
    buffer_printf(out, ",\"type\":%d,\"data\":{", type);
}

/* Appends json, or its MessagePack form; empties json. */
static void put(struct buffer *out, struct buffer *json, bool is_msgpack, const struct slice *attachments,
                unsigned attachments_len) {
    if (is_msgpack)
        msgpack_write(out, buffer_slice(json), attachments, attachments_len);
    else
        buffer_append_slice(out, buffer_slice(json));
    buffer_done(json);
}

void adapter_write_emit(struct buffer *out, enum adapter_form form, struct slice uid, const struct adapter_emit *emit) {
    struct buffer json = {0};
    if (form == ADAPTER_CLASSIC) {
        buffer_append_char(&json, '[');
        json_write_string(&json, uid);
        buffer_append_char(&json, ',');
        write_packet(&json, emit);
        buffer_append_char(&json, ',');
        write_options(&json, emit);
        buffer_append_char(&json, ']');
    } else {
        write_sharded_head(&json, uid, emit->namespace_name, 3);
        buffer_append_str(&json, "\"opts\":");
        write_options(&json, emit);
        buffer_append_str(&json, ",\"packet\":");
        write_packet(&json, emit);
        buffer_append_str(&json, "}}");
    }
    bool is_msgpack = form == ADAPTER_CLASSIC || emit->attachments_len > 0;
    put(out, &json, is_msgpack, emit->attachments, emit->attachments_len);
}

static void write_value(struct buffer *out, const char *key, struct slice value) {
    if (!key || value.len == 0) return;
    buffer_printf(out, ",\"%s\":", key);
    buffer_append_slice(out, value);
}

void adapter_write_answer(struct buffer *out, enum adapter_form form, enum adapter_answer answer, struct slice uid,
                          struct slice namespace_name, struct slice request_id, struct slice value,
                          const struct slice *attachments, unsigned attachments_len) {
    struct buffer json = {0};
    bool is_classic = form == ADAPTER_CLASSIC;
    if (!is_classic)
        write_sharded_head(&json, uid, namespace_name, answers[answer].sharded_type);
    else if (answers[answer].classic_type)
        buffer_printf(&json, "{\"type\":%d,", answers[answer].classic_type);
    else
        buffer_append_char(&json, '{');
    buffer_append_str(&json, "\"requestId\":");
    buffer_append_slice(&json, request_id);
    write_value(&json, is_classic ? answers[answer].classic_key : answers[answer].sharded_key, value);
    buffer_append_str(&json, is_classic ? "}" : "}}");
    bool is_msgpack = (is_classic && answers[answer].is_msgpack) || attachments_len > 0;
    put(out, &json, is_msgpack, attachments, attachments_len);
}
