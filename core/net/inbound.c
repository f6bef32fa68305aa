/* What libwebsockets 4.1.6 hands out are pieces of frames. Text is checked and compression undone here, not there: its
 * permessage-deflate ends the process for some input that is cut short. */
#include "net/inbound.h"

#include "wire/inflate.h"
#include "wire/utf8.h"

enum { FRAMES_MAX = 1024, CODE_PROTOCOL = 1002, CODE_BAD_DATA = 1007, CODE_TOO_LARGE = 1009 };

void inbound_done(struct inbound *inbound) {
    buffer_done(&inbound->message);
    inflater_free(&inbound->inflater);
}

void inbound_next(struct inbound *inbound) {
    buffer_done(&inbound->message); /* an idle connection holds nothing */
    if (inbound->resets) inflater_free(&inbound->inflater);
    inbound->within_message = false;
    inbound->frames = 0;
}

/* RSV1 belongs to a message's first frame (RFC 7692, section 6). */
static bool begin_frame(struct inbound *inbound, const struct inbound_piece *piece) {
    if (inbound->within_message && piece->compressed) return false;
    if (!inbound->within_message) {
        inbound->binary = piece->binary;
        inbound->compressed = piece->compressed;
    }
    inbound->within_message = true;
    inbound->frames++;
    return true;
}

static unsigned code_of(enum inflate_result result) {
    return result == INFLATE_OK ? 0 : result == INFLATE_TOO_LARGE ? CODE_TOO_LARGE : CODE_BAD_DATA;
}

static unsigned inflate_piece(struct inbound *inbound, const struct inbound_piece *piece, bool last, size_t max_bytes) {
    if (!inbound->inflater) inbound->inflater = inflater_new();
    enum inflate_result result = inflater_add(inbound->inflater, piece->bytes, &inbound->message, max_bytes);
    if (result == INFLATE_OK && last) result = inflater_finish(inbound->inflater, &inbound->message, max_bytes);
    return code_of(result);
}

unsigned inbound_add(struct inbound *inbound, const struct inbound_piece *piece, size_t max_bytes,
                     struct slice *message_r) {
    bool last = piece->final && piece->left == 0, alone = !inbound->within_message && last;
    *message_r = SLICE_NONE;
    if (!inbound->within_frame && !begin_frame(inbound, piece)) return CODE_PROTOCOL;
    inbound->within_frame = piece->left > 0;
    if (inbound->frames > FRAMES_MAX) return CODE_TOO_LARGE;

    struct slice message = piece->bytes;
    if (inbound->compressed) {
        unsigned code = inflate_piece(inbound, piece, last, max_bytes);
        if (code) return code;
    } else if (inbound->message.len + piece->bytes.len > max_bytes ||
               piece->left > max_bytes - inbound->message.len - piece->bytes.len) {
        return CODE_TOO_LARGE;
    } else if (!alone) {
        buffer_append_slice(&inbound->message, piece->bytes);
    }
    if (!last) return 0;
    if (inbound->compressed || !alone) message = buffer_slice(&inbound->message);
    if (!message.ptr) message = SLICE("");
    if (!inbound->binary && !utf8_valid(message)) return CODE_BAD_DATA;
    *message_r = message;
    return 0;
}
