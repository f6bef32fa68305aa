/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/engineio.h"

#include "wire/base64.h"
#include "wire/json.h"
#include "wire/utf8.h"

static const char separator = 0x1E;

static bool take_bytes(struct slice bytes, struct engineio_packet *packet_r) {
    *packet_r = (struct engineio_packet){ENGINEIO_MESSAGE, true, bytes};
    return true;
}

bool engineio_decode(struct slice message, bool binary, struct buffer *scratch, struct engineio_packet *packet_r) {
    if (binary) return take_bytes(message, packet_r);
    if (message.len > 0 && message.ptr[0] == 'b') {
        buffer_clear(scratch);
        return base64_decode(scratch, slice_from(message, 1)) && take_bytes(buffer_slice(scratch), packet_r);
    }
    if (message.len == 0 || message.ptr[0] < '0' || message.ptr[0] > '6') return false;
    *packet_r = (struct engineio_packet){(enum engineio_type)(message.ptr[0] - '0'), false, slice_from(message, 1)};
    return true;
}

void engineio_payload_init(struct engineio_payload *payload, struct slice body) {
    *payload = (struct engineio_payload){.at = body.ptr, .end = slice_end(body)};
}

enum engineio_step engineio_payload_next(struct engineio_payload *payload, struct buffer *scratch,
                                         struct engineio_packet *packet_r) {
    if (payload->finished) return ENGINEIO_END;
    size_t left = (size_t)(payload->end - payload->at);
    const char *next = left ? memchr(payload->at, separator, left) : NULL;
    struct slice text = {payload->at, next ? (size_t)(next - payload->at) : left};
    payload->finished = !next;
    if (next) payload->at = next + 1;
    if (++payload->count <= ENGINEIO_PACKETS_MAX && utf8_valid(text) && engineio_decode(text, false, scratch, packet_r))
        return ENGINEIO_PACKET;
    payload->finished = true;
    return ENGINEIO_ERROR;
}

void engineio_payload_add(struct buffer *out, struct slice text_packet) {
    if (out->len) buffer_append_char(out, separator);
    buffer_append_slice(out, text_packet);
}

void engineio_payload_add_binary(struct buffer *out, struct slice bytes) {
    if (out->len) buffer_append_char(out, separator);
    buffer_append_char(out, 'b');
    base64_encode(out, bytes);
}

void engineio_write_open(struct buffer *out, const struct engineio_open *open) {
    buffer_append_str(out, "0{\"sid\":");
    json_write_string(out, open->sid);
    buffer_append_str(out, open->upgrade_to_websocket ? ",\"upgrades\":[\"websocket\"]" : ",\"upgrades\":[]");
    buffer_append_str(out, ",\"pingInterval\":");
    buffer_append_number(out, open->ping_interval_ms);
    buffer_append_str(out, ",\"pingTimeout\":");
    buffer_append_number(out, open->ping_timeout_ms);
    buffer_append_str(out, ",\"maxPayload\":");
    buffer_append_number(out, open->max_payload_bytes);
    buffer_append_char(out, '}');
}

const char *engineio_error_message(enum engineio_error error) {
    static const char *const messages[] = {
        [ENGINEIO_UNKNOWN_TRANSPORT] = "Transport unknown",
        [ENGINEIO_UNKNOWN_SID] = "Session ID unknown",
        [ENGINEIO_BAD_METHOD] = "Bad handshake method",
        [ENGINEIO_BAD_REQUEST] = "Bad request",
        [ENGINEIO_FORBIDDEN] = "Forbidden",
        [ENGINEIO_UNSUPPORTED_VERSION] = "Unsupported protocol version",
    };
    return messages[error];
}

void engineio_write_error(struct buffer *out, enum engineio_error error) {
    buffer_printf(out, "{\"code\":%d,\"message\":\"%s\"}", (int)error, engineio_error_message(error));
}
