/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/packet.h"

#include <stdlib.h>

#include "wire/engineio.h"
#include "wire/json.h"
#include "wire/json_client.h"
#include "wire/websocket_writer.h"

/* What text is of: everyone's "4…"; or it is all that one kind of client gets, and nothing for others. */
enum packet_text { TEXT_OF_ALL, TEXT_OF_PLAIN, TEXT_OF_RAW };

struct packet {
    struct packet_head head;
    bool binary, built[PACKET_FORMS];
    enum packet_text of;
    struct buffer text;
    struct buffer *attachments; /* NULL: none */
    unsigned attachments_len;
    struct socketio_packet parts; /* type, id and json: for the plain form */
    struct buffer offset;         /* empty: none */
    struct buffer json;
    bool has_parts;
    struct buffer forms[PACKET_FORMS];
};

static struct packet *packet_make(enum packet_class class) {
    struct packet *packet = NEW(struct packet);
    packet->head = (struct packet_head){.refs = 1, .class = class};
    return packet;
}

/* Its size in a queue, fixed from now on. */
static struct packet *packet_finish(struct packet *packet) {
    size_t len = packet->text.len + 4;
    for (unsigned i = 0; i < packet->attachments_len; i++) len += packet->attachments[i].len + 4;
    packet->head.size_bytes = (uint32_t)len;
    return packet;
}

struct packet *packet_new_engine(struct slice text) {
    struct packet *packet = packet_make(PACKET_CONTROL);
    buffer_append_slice(&packet->text, text);
    return packet_finish(packet);
}

struct packet *packet_new_binary(struct slice bytes) {
    struct packet *packet = packet_make(PACKET_CONTROL);
    packet->binary = true;
    buffer_append_slice(&packet->text, bytes);
    return packet_finish(packet);
}

struct packet *packet_new_plain(struct slice text) {
    struct packet *packet = packet_make(PACKET_CONTROL);
    packet->of = TEXT_OF_PLAIN;
    buffer_append_slice(&packet->text, text);
    return packet_finish(packet);
}

struct packet *packet_new_raw(struct slice message, bool binary) {
    struct packet *packet = packet_make(PACKET_MESSAGE);
    packet->of = TEXT_OF_RAW;
    packet->binary = binary;
    buffer_append_slice(&packet->text, message);
    return packet_finish(packet);
}

static void attach(struct packet *packet, const struct slice *attachments, unsigned len) {
    packet->attachments_len = len;
    if (len > 0) packet->attachments = NEW_ARRAY(struct buffer, len);
    for (unsigned i = 0; i < len; i++) buffer_append_slice(&packet->attachments[i], attachments[i]);
}

struct packet *packet_new(const struct socketio_packet *parts, const struct slice *attachments, struct slice offset,
                          enum packet_class class) {
    struct packet *packet = packet_make(class);
    packet->has_parts = true;
    packet->parts = *parts;
    buffer_append_slice(&packet->json, parts->json);
    packet->parts.json = buffer_slice(&packet->json);
    packet->parts.namespace_name = SLICE_NONE;
    buffer_append_slice(&packet->offset, offset);
    buffer_append_char(&packet->text, '4');
    socketio_encode(&packet->text, parts);
    attach(packet, attachments, parts->attachments);
    return packet_finish(packet);
}

struct packet *packet_build_with_offset(struct packet *packet) {
    if (packet->offset.len == 0) return packet;
    struct slice open = buffer_slice(&packet->text), attachments[SOCKETIO_ATTACHMENTS_MAX];
    while (open.ptr[open.len - 1] != ']') open.len--;
    struct packet *built = packet_make(packet->head.class);
    buffer_append(&built->text, open.ptr, open.len - 1);
    buffer_append_char(&built->text, ',');
    json_write_string(&built->text, buffer_slice(&packet->offset));
    buffer_append_char(&built->text, ']');
    attach(built, attachments, packet_attachments(packet, attachments));
    packet_set_tag(built, packet_tag(packet));
    packet->head.with_offset = packet_finish(built);
    return built;
}

struct slice packet_json(const struct packet *packet) {
    return buffer_slice(&packet->json);
}

unsigned packet_attachments(const struct packet *packet, struct slice attachments_r[SOCKETIO_ATTACHMENTS_MAX]) {
    for (unsigned i = 0; i < packet->attachments_len; i++) attachments_r[i] = buffer_slice(&packet->attachments[i]);
    return packet->attachments_len;
}

void packet_free(struct packet *packet) {
    for (unsigned i = 0; i < packet->attachments_len; i++) buffer_done(&packet->attachments[i]);
    free(packet->attachments);
    packet_unref(&packet->head.with_offset);
    buffer_done(&packet->offset);
    for (int i = 0; i < PACKET_FORMS; i++) buffer_done(&packet->forms[i]);
    buffer_done(&packet->text);
    buffer_done(&packet->json);
    free(packet);
}

static void write_text(struct buffer *out, struct slice text, enum frame_opcode opcode, bool deflated) {
    if (!deflated || text.len < PACKET_DEFLATE_MIN) {
        websocket_writer_write(out, opcode, false, text);
        return;
    }
    struct buffer packed = {0};
    websocket_writer_deflate(&packed, text);
    websocket_writer_write(out, opcode, true, buffer_slice(&packed));
    buffer_done(&packed);
}

static void build_frames(struct packet *packet, struct buffer *out, bool deflated) {
    write_text(out, buffer_slice(&packet->text), packet->binary ? FRAME_BINARY : FRAME_TEXT, deflated);
    for (unsigned i = 0; i < packet->attachments_len; i++) {
        websocket_writer_write(out, FRAME_BINARY, false, buffer_slice(&packet->attachments[i]));
    }
}

static void write_base64(struct buffer *out, struct slice bytes) {
    struct buffer text = {0};
    engineio_payload_add_binary(&text, bytes);
    websocket_writer_write(out, FRAME_TEXT, false, buffer_slice(&text));
    buffer_done(&text);
}

static void build_base64(struct packet *packet, struct buffer *out) {
    if (packet->binary)
        write_base64(out, buffer_slice(&packet->text));
    else
        websocket_writer_write(out, FRAME_TEXT, false, buffer_slice(&packet->text));
    for (unsigned i = 0; i < packet->attachments_len; i++) write_base64(out, buffer_slice(&packet->attachments[i]));
}

static void build_poll(struct packet *packet, struct buffer *out) {
    if (packet->binary)
        engineio_payload_add_binary(out, buffer_slice(&packet->text));
    else
        engineio_payload_add(out, buffer_slice(&packet->text));
    for (unsigned i = 0; i < packet->attachments_len; i++) {
        engineio_payload_add_binary(out, buffer_slice(&packet->attachments[i]));
    }
}

static void build_plain(struct packet *packet, struct buffer *out, bool deflated) {
    struct buffer text = {0};
    const struct socketio_packet *parts = &packet->parts;
    if (packet->of == TEXT_OF_PLAIN) {
        buffer_append_slice(&text, buffer_slice(&packet->text));
    } else if (packet->has_parts && parts->type == SOCKETIO_EVENT) {
        json_client_write_event(&text, parts->json, parts->has_id, parts->id);
    } else if (packet->has_parts && parts->type == SOCKETIO_ACK) {
        json_client_write_ack(&text, parts->json, parts->id);
    }
    if (text.len > 0) write_text(out, buffer_slice(&text), FRAME_TEXT, deflated);
    buffer_done(&text);
}

/* The only argument of "message": a text, or bytes. False: the event is another one. */
static bool write_message(struct packet *packet, struct buffer *out, bool deflated) {
    struct json_walk walk;
    struct slice event, message, more;
    enum socketio_type type = packet->parts.type;
    if (!packet->has_parts || (type != SOCKETIO_EVENT && type != SOCKETIO_BINARY_EVENT)) return false;
    json_walk_init(&walk, packet->parts.json);
    if (!json_walk_item(&walk, &event) || json_type_of(event) != JSON_STRING) return false;
    if (!json_string_is(event, SLICE("message"))) return false;
    if (!json_walk_item(&walk, &message) || json_walk_item(&walk, &more)) return false;
    if (packet->attachments_len == 1 && json_member(message, "_placeholder").len > 0) {
        write_text(out, buffer_slice(&packet->attachments[0]), FRAME_BINARY, deflated);
        return true;
    }
    if (json_type_of(message) != JSON_STRING) return false;
    struct buffer text = {0};
    json_string(message, &text);
    write_text(out, buffer_slice(&text), FRAME_TEXT, deflated);
    buffer_done(&text);
    return true;
}

static void build_raw(struct packet *packet, struct buffer *out, bool deflated) {
    if (packet->of == TEXT_OF_RAW)
        write_text(out, buffer_slice(&packet->text), packet->binary ? FRAME_BINARY : FRAME_TEXT, deflated);
    else if (packet->of == TEXT_OF_ALL && !write_message(packet, out, deflated))
        build_plain(packet, out, deflated);
}

struct slice packet_bytes(struct packet *packet, enum packet_form form) {
    struct buffer *out = &packet->forms[form];
    if (packet->built[form]) return buffer_slice(out);
    packet->built[form] = true;
    if (form == PACKET_RAW || form == PACKET_RAW_DEFLATED)
        build_raw(packet, out, form == PACKET_RAW_DEFLATED);
    else if (packet->of == TEXT_OF_RAW)
        return SLICE_NONE;
    else if (form == PACKET_PLAIN || form == PACKET_PLAIN_DEFLATED)
        build_plain(packet, out, form == PACKET_PLAIN_DEFLATED);
    else if (packet->of == TEXT_OF_PLAIN)
        return SLICE_NONE;
    else if (form == PACKET_POLL)
        build_poll(packet, out);
    else if (form == PACKET_FRAME_BASE64)
        build_base64(packet, out);
    else
        build_frames(packet, out, form == PACKET_FRAME_DEFLATED);
    return buffer_slice(out);
}
