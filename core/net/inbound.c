/* What libwebsockets 4.1.6 hands out are pieces of frames. Text is checked and compression undone here, not there: its
 * permessage-deflate ends the process for some input that is cut short. */
#include "net/inbound.h"

#include <stdlib.h>

#include "base/memory.h"
#include "wire/inflate.h"
#include "wire/utf8.h"

enum { FRAMES_MAX = 1024, CODE_PROTOCOL = 1002, CODE_BAD_DATA = 1007, CODE_TOO_LARGE = 1009 };

struct unfinished {
    struct buffer message;
    unsigned frames;
    bool within_frame, compressed;
};

static void unfinished_free(struct inbound *inbound) {
    if (inbound->unfinished) buffer_done(&inbound->unfinished->message);
    free(inbound->unfinished);
    inbound->unfinished = NULL;
}

size_t inbound_waiting(const struct inbound *inbound) {
    return inbound->unfinished ? inbound->unfinished->message.len : 0;
}

void inbound_done(struct inbound *inbound) {
    unfinished_free(inbound);
    inflater_free(&inbound->inflater);
}

void inbound_next(struct inbound *inbound) {
    unfinished_free(inbound); /* an idle connection holds nothing */
    if (inbound->resets) inflater_free(&inbound->inflater);
}

/* RSV1 belongs to a message's first frame (RFC 7692, section 6). */
static bool begin_frame(struct inbound *inbound, const struct inbound_piece *piece) {
    struct unfinished *unfinished = inbound->unfinished;
    if (unfinished && piece->compressed) return false;
    if (!unfinished) {
        unfinished = inbound->unfinished = NEW(struct unfinished);
        unfinished->compressed = piece->compressed;
        inbound->binary = piece->binary;
    }
    unfinished->frames++;
    return true;
}

static unsigned code_of(enum inflate_result result) {
    return result == INFLATE_OK ? 0 : result == INFLATE_TOO_LARGE ? CODE_TOO_LARGE : CODE_BAD_DATA;
}

static unsigned inflate_piece(struct inbound *inbound, const struct inbound_piece *piece, bool last, size_t max_bytes) {
    struct buffer *message = &inbound->unfinished->message;
    if (!inbound->inflater) inbound->inflater = inflater_new();
    enum inflate_result result = inflater_add(inbound->inflater, piece->bytes, message, max_bytes);
    if (result == INFLATE_OK && last) result = inflater_finish(inbound->inflater, message, max_bytes);
    return code_of(result);
}

static unsigned add_piece(struct inbound *inbound, const struct inbound_piece *piece, bool last, size_t max_bytes) {
    if (!inbound->unfinished || !inbound->unfinished->within_frame) {
        if (!begin_frame(inbound, piece)) return CODE_PROTOCOL;
    }
    struct unfinished *unfinished = inbound->unfinished;
    unfinished->within_frame = piece->left > 0;
    if (unfinished->frames > FRAMES_MAX) return CODE_TOO_LARGE;
    if (unfinished->compressed) return inflate_piece(inbound, piece, last, max_bytes);
    if (unfinished->message.len + piece->bytes.len > max_bytes ||
        piece->left > max_bytes - unfinished->message.len - piece->bytes.len)
        return CODE_TOO_LARGE;
    buffer_append_slice(&unfinished->message, piece->bytes);
    return 0;
}

unsigned inbound_add(struct inbound *inbound, const struct inbound_piece *piece, size_t max_bytes,
                     struct slice *message_r) {
    bool last = piece->final && piece->left == 0;
    struct slice message = piece->bytes;
    *message_r = SLICE_NONE;
    if (!inbound->unfinished && last && !piece->compressed) { /* as most do: nothing is copied */
        inbound->binary = piece->binary;
        if (message.len > max_bytes) return CODE_TOO_LARGE;
    } else {
        unsigned code = add_piece(inbound, piece, last, max_bytes);
        if (code || !last) return code;
        message = buffer_slice(&inbound->unfinished->message);
    }
    if (!message.ptr) message = SLICE("");
    if (!inbound->binary && !utf8_valid(message)) return CODE_BAD_DATA;
    *message_r = message;
    return 0;
}
