/* SPDX-License-Identifier: Apache-2.0 */
#include "slow_websocket.h"

static void tell(struct told *told, const char *what, struct slice bytes, unsigned number) {
    told->within = false;
    buffer_printf(&told->text, "\n%s %u ", what, number);
    buffer_append_slice(&told->text, bytes);
}

static void tell_piece(struct told *told, bool binary, bool compressed, struct slice bytes, bool ends) {
    if (!told->within) buffer_printf(&told->text, "\n%s%s ", binary ? "binary" : "text", compressed ? "+" : "");
    told->within = !ends;
    buffer_append_slice(&told->text, bytes);
    if (ends) buffer_append_str(&told->text, ".");
}

struct slow {
    const unsigned char *at, *end;
    bool may_compress, within;
    unsigned opcode;
    bool compressed;
};

static bool slow_close(struct slow *slow, struct told *told, struct slice payload) {
    unsigned code = 1005;
    if (payload.len == 1) return false;
    if (payload.len >= 2) {
        code = (unsigned char)payload.ptr[0] * 256u + (unsigned char)payload.ptr[1];
        bool known = (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
        if (!known || !utf8_valid(slice_from(payload, 2))) return false;
    }
    tell(told, "close", payload.len >= 2 ? slice_from(payload, 2) : SLICE_NONE, code);
    return true;
}

/* 1: a frame was read; 0: incomplete; -1: a violation. */
static int slow_frame(struct slow *slow, struct told *told) {
    const unsigned char *p = slow->at;
    size_t have = (size_t)(slow->end - p), need = 6;
    if (have == 0) return 0;
    bool fin = p[0] >= 128, rsv1 = p[0] & 64, control = p[0] & 8;
    unsigned opcode = p[0] % 16;
    if (p[0] & 48) return -1;
    if (rsv1 && (control || opcode == 0 || !slow->may_compress)) return -1;
    if (opcode != 0 && opcode != 1 && opcode != 2 && opcode != 8 && opcode != 9 && opcode != 10) return -1;
    if (control && !fin) return -1;
    if (opcode == 0 && !slow->within) return -1;
    if ((opcode == 1 || opcode == 2) && slow->within) return -1;
    if (have < 2) return 0;
    if (p[1] < 128) return -1;
    uint64_t len = p[1] % 128;
    if (control && len > 125) return -1;
    unsigned more = len == 126 ? 2 : len == 127 ? 8 : 0;
    if (have < 2 + more) return 0;
    if (more) {
        len = 0;
        for (unsigned i = 0; i < more; i++) len = len * 256 + p[2 + i];
        if (more == 2 && len < 126) return -1;
        if (more == 8 && len < 65536) return -1;
        if (more == 8 && p[2] >= 128) return -2;
    }
    need += more;
    if (have < need) return 0;
    bool whole = have - need >= len;
    if (control && !whole) return 0;
    size_t n = whole ? (size_t)len : have - need;
    char *payload = memory_new(n + 1);
    for (size_t i = 0; i < n; i++) payload[i] = (char)(p[need + i] ^ p[need - 4 + i % 4]);
    slow->at += need + n;
    struct slice bytes = {payload, n};
    int result = 1;
    if (opcode == 8) {
        if (!slow_close(slow, told, bytes)) result = -1;
    } else if (control) {
        tell(told, opcode == 9 ? "ping" : "pong", bytes, 0);
    } else {
        if (opcode) slow->opcode = opcode, slow->compressed = rsv1;
        slow->within = !fin;
        tell_piece(told, slow->opcode == 2, slow->compressed, bytes, fin && whole);
    }
    free(payload);
    return result;
}

void read_slowly(struct slice bytes, bool may_compress, struct told *told) {
    struct slow slow = {.at = (const unsigned char *)bytes.ptr,
                        .end = (const unsigned char *)bytes.ptr + bytes.len,
                        .may_compress = may_compress};
    int result;
    while ((result = slow_frame(&slow, told)) > 0) continue;
    if (result < 0) tell(told, "violation", SLICE_NONE, result == -1 ? 1002 : 1009);
}

static bool take(struct websocket_reader *reader, struct buffer *kept, struct told *told) {
    char *at = kept->ptr, *end = kept->ptr + kept->len;
    for (;;) {
        struct websocket_found found;
        enum websocket_event event = websocket_reader_read(reader, &at, end, &found);
        if (event == WEBSOCKET_MORE) break;
        if (event == WEBSOCKET_PIECE) {
            tell_piece(told, found.binary, found.compressed, found.payload, found.final && found.left == 0);
        } else if (event == WEBSOCKET_VIOLATION) {
            tell(told, "violation", SLICE_NONE, found.code);
            return false;
        } else {
            const char *what = event == WEBSOCKET_PING ? "ping" : event == WEBSOCKET_PONG ? "pong" : "close";
            tell(told, what, found.payload, found.code);
        }
    }
    buffer_consume(kept, (size_t)(at - kept->ptr));
    return true;
}

void read_in_pieces(struct slice bytes, bool may_compress, unsigned *seed, struct told *told) {
    struct websocket_reader reader = {.may_compress = may_compress};
    struct buffer kept = {0};
    bool goes_on = true;
    for (size_t at = 0; goes_on && at < bytes.len;) {
        size_t n = 1 + (size_t)rand_r(seed) % (rand_r(seed) % 4 == 0 ? 1 : 200);
        if (n > bytes.len - at) n = bytes.len - at;
        buffer_append(&kept, bytes.ptr + at, n);
        at += n;
        goes_on = take(&reader, &kept, told);
    }
    buffer_done(&kept);
}
