/* SPDX-License-Identifier: Apache-2.0 */
#include "net/inbound.h"

#include <stdlib.h>

#include "base/fault.h"
#include "base/memory.h"
#include "wire/inflate.h"
#include "wire/utf8.h"

struct inbound_message {
    struct buffer bytes;
    struct inflater *inflater; /* NULL: not compressed */
    struct utf8_stream text;
    uint64_t since_ms; /* start of the count of small fragments */
    unsigned small;
};

void inbound_shared_done(struct inbound_shared *shared) {
    inflater_free(&shared->inflater);
    buffer_done(&shared->message);
}

size_t inbound_waiting(const struct inbound *inbound) {
    const struct inbound_message *message = inbound->message;
    return message ? message->bytes.len + (message->inflater ? INFLATER_BYTES : 0) : 0;
}

void inbound_done(struct inbound *inbound) {
    struct inbound_message *message = inbound->message;
    if (!message) return;
    buffer_done(&message->bytes);
    inflater_free(&message->inflater);
    free(message);
    inbound->message = NULL;
}

static unsigned inflate_piece(struct inflater *inflater, const struct websocket_found *piece, bool last,
                              struct buffer *message, size_t max_bytes) {
    enum inflate_result result = inflater_add(inflater, piece->payload, message, max_bytes);
    if (result == INFLATE_OK && last) result = inflater_finish(inflater, message, max_bytes);
    return result == INFLATE_OK ? 0 : result == INFLATE_TOO_LARGE ? WEBSOCKET_TOO_LARGE : WEBSOCKET_BAD_DATA;
}

/* The whole message is here: nothing is kept. */
static unsigned add_whole(struct inbound_shared *shared, const struct websocket_found *piece, size_t max_bytes,
                          struct slice *message_r) {
    struct slice message = piece->payload;
    if (piece->compressed) {
        buffer_clear(&shared->message);
        if (!shared->inflater) shared->inflater = inflater_new();
        inflater_begin(shared->inflater);
        unsigned code = inflate_piece(shared->inflater, piece, true, &shared->message, max_bytes);
        if (code) return code;
        message = buffer_slice(&shared->message);
    }
    if (message.len > max_bytes) return WEBSOCKET_TOO_LARGE;
    if (!piece->binary && !utf8_valid(message)) return WEBSOCKET_BAD_DATA;
    *message_r = message.ptr ? message : SLICE("");
    return 0;
}

static struct inbound_message *message_new(const struct websocket_found *piece) {
    struct inbound_message *message = NEW(struct inbound_message);
    if (piece->compressed) message->inflater = inflater_new();
    return message;
}

/* An honest client does not send single bytes or empty fragments for long. */
static bool too_many(struct inbound_message *message, const struct websocket_found *piece, uint64_t now_ms) {
    if (!piece->begins_frame || piece->payload.len + piece->left >= FRAGMENT_SMALL) return false;
    if (now_ms - message->since_ms >= 1000) {
        message->since_ms = now_ms;
        message->small = 0;
    }
    return ++message->small > FRAGMENTS_A_SECOND;
}

/* Refuses an announced size before it arrives. */
static unsigned add_piece(struct inbound_message *message, const struct websocket_found *piece, bool last,
                          size_t max_bytes) {
    struct buffer *bytes = &message->bytes;
    size_t before = bytes->len;
    if (message->inflater) {
        unsigned code = inflate_piece(message->inflater, piece, last, bytes, max_bytes);
        if (code) return code;
    } else {
        if (bytes->len > max_bytes || piece->payload.len + piece->left > max_bytes - bytes->len)
            return WEBSOCKET_TOO_LARGE;
        buffer_append_slice(bytes, piece->payload);
    }
    if (piece->binary) return 0;
    if (fault_planted("utf8_late")) return !last || utf8_valid(buffer_slice(bytes)) ? 0 : WEBSOCKET_BAD_DATA;
    bool valid = utf8_add(&message->text, slice_from(buffer_slice(bytes), before));
    return valid && (!last || utf8_whole(&message->text)) ? 0 : WEBSOCKET_BAD_DATA;
}

/* Ends the message; the connection keeps nothing of it. */
static void hand_out(struct inbound *inbound, struct inbound_shared *shared, struct slice *message_r) {
    buffer_done(&shared->message);
    shared->message = inbound->message->bytes;
    inbound->message->bytes = (struct buffer){0};
    inbound_done(inbound);
    *message_r = shared->message.ptr ? buffer_slice(&shared->message) : SLICE("");
}

unsigned inbound_add(struct inbound *inbound, struct inbound_shared *shared, const struct websocket_found *piece,
                     size_t max_bytes, uint64_t now_ms, struct slice *message_r) {
    bool last = piece->final && piece->left == 0;
    *message_r = SLICE_NONE;
    if (!inbound->message && last) return add_whole(shared, piece, max_bytes, message_r);
    if (!inbound->message) inbound->message = message_new(piece);
    if (too_many(inbound->message, piece, now_ms)) return WEBSOCKET_TOO_LARGE;
    unsigned code = add_piece(inbound->message, piece, last, max_bytes);
    if (code || !last) return code;
    hand_out(inbound, shared, message_r);
    return 0;
}
