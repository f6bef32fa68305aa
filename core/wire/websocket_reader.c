/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/websocket_reader.h"

#include "base/fault.h"
#include "wire/utf8.h"

enum { FIN = 0x80, RSV1 = 0x40, RSV_OTHERS = 0x30, OPCODE = 0x0f, MASKED = 0x80, LENGTH = 0x7f };
enum { LENGTH_16 = 126, LENGTH_64 = 127, KEY_LEN = 4 };
enum { CONTINUATION = 0, TEXT = 1, BINARY = 2, CONTROL = 8, CLOSE = 8, PING = 9, PONG = 10 };

/* A frame's first bytes. */
struct frame_head {
    bool final, compressed;
    unsigned opcode, bytes; /* bytes: of the head, with the key */
    uint64_t payload_len;
    unsigned char key[KEY_LEN];
};

static enum websocket_event violation(struct websocket_found *found, unsigned code) {
    found->code = (uint16_t)code;
    return WEBSOCKET_VIOLATION;
}

/* Turns the key, so that it fits what comes behind these bytes. */
static void unmask(char *bytes, size_t len, unsigned char *key) {
    unsigned char turned[KEY_LEN];
    uint64_t wide;
    memcpy(&wide, key, KEY_LEN);
    memcpy((char *)&wide + KEY_LEN, key, KEY_LEN);
    size_t i = 0;
    for (; i + sizeof wide <= len; i += sizeof wide) {
        uint64_t word;
        memcpy(&word, bytes + i, sizeof word);
        word ^= wide;
        memcpy(bytes + i, &word, sizeof word);
    }
    for (; i < len; i++) bytes[i] ^= (char)key[i % KEY_LEN];
    for (size_t k = 0; k < KEY_LEN; k++) turned[k] = key[(len + k) % KEY_LEN];
    memcpy(key, turned, KEY_LEN);
}

/* Section 5.2: as few bytes as can hold it. False: it is written otherwise. */
static bool read_length(const unsigned char *at, unsigned width, uint64_t *length_r) {
    *length_r = 0;
    for (unsigned i = 0; i < width; i++) *length_r = *length_r << 8 | at[i];
    return *length_r > (width == 2 ? LENGTH_16 - 1 : UINT16_MAX);
}

/* What can be told from the first byte alone; 0: nothing is wrong. */
static unsigned opcode_fault(const struct websocket_reader *reader, const struct frame_head *head, unsigned first) {
    bool is_control = head->opcode >= CONTROL, begins = head->opcode == TEXT || head->opcode == BINARY;
    bool has_rsv = first & RSV_OTHERS || (head->compressed && (!begins || !reader->may_compress));
    if (has_rsv && !fault_planted("rsv_ignored")) return WEBSOCKET_PROTOCOL_ERROR;
    if (is_control) return head->opcode <= PONG && head->final ? 0 : WEBSOCKET_PROTOCOL_ERROR;
    if (head->opcode == CONTINUATION) return reader->message ? 0 : WEBSOCKET_PROTOCOL_ERROR;
    return begins && !reader->message ? 0 : WEBSOCKET_PROTOCOL_ERROR;
}

/* MORE: the head is not whole. PIECE: it is. */
static enum websocket_event read_head(const struct websocket_reader *reader, const char *at, const char *end,
                                      struct frame_head *head_r, struct websocket_found *found) {
    const unsigned char *bytes = (const unsigned char *)at;
    size_t len = (size_t)(end - at);
    if (len == 0) return WEBSOCKET_MORE;
    *head_r = (struct frame_head){
        .final = bytes[0] & FIN, .compressed = bytes[0] & RSV1, .opcode = bytes[0] & OPCODE, .bytes = 2};
    unsigned fault = opcode_fault(reader, head_r, bytes[0]);
    if (fault) return violation(found, fault);
    if (len == 1) return WEBSOCKET_MORE;
    unsigned length = bytes[1] & LENGTH;
    if (!(bytes[1] & MASKED) && !fault_planted("mask_ignored")) /* section 5.1 */
        return violation(found, WEBSOCKET_PROTOCOL_ERROR);
    if (head_r->opcode >= CONTROL && length > WEBSOCKET_CONTROL_MAX && !fault_planted("long_control_frames"))
        return violation(found, WEBSOCKET_PROTOCOL_ERROR);
    unsigned width = length == LENGTH_16 ? 2 : length == LENGTH_64 ? 8 : 0;
    head_r->payload_len = length;
    if (len < 2 + width) return WEBSOCKET_MORE;
    if (width && !read_length(bytes + 2, width, &head_r->payload_len))
        return violation(found, WEBSOCKET_PROTOCOL_ERROR);
    if (head_r->payload_len > INT64_MAX) return violation(found, WEBSOCKET_TOO_LARGE);
    head_r->bytes += width + KEY_LEN;
    if (len < head_r->bytes) return WEBSOCKET_MORE;
    memcpy(head_r->key, bytes + 2 + width, KEY_LEN);
    return WEBSOCKET_PIECE;
}

static enum websocket_event take_piece(struct websocket_reader *reader, char **at, const char *end,
                                       struct websocket_found *found) {
    size_t len = (size_t)(end - *at);
    if (len > reader->left) len = (size_t)reader->left;
    unmask(*at, len, reader->key);
    reader->left -= len;
    found->payload = (struct slice){*at, len};
    found->binary = reader->message == BINARY;
    found->compressed = reader->compressed;
    found->final = reader->final;
    found->left = reader->left;
    *at += len;
    if (reader->left == 0 && reader->final) reader->message = 0;
    return WEBSOCKET_PIECE;
}

static enum websocket_event begin_frame(struct websocket_reader *reader, const struct frame_head *head, char **at,
                                        const char *end, struct websocket_found *found) {
    *at += head->bytes;
    reader->left = head->payload_len;
    reader->final = head->final;
    memcpy(reader->key, head->key, KEY_LEN);
    if (head->opcode != CONTINUATION) {
        reader->message = (uint8_t)head->opcode;
        reader->compressed = head->compressed;
    }
    found->begins_frame = true;
    return take_piece(reader, at, end, found);
}

bool websocket_reader_code_legal(unsigned code) {
    if (code >= 3000) return code < 5000;
    return code >= WEBSOCKET_NORMAL && code <= 1014 && (code < 1004 || code > WEBSOCKET_ABNORMAL);
}

static enum websocket_event read_close(struct websocket_found *found) {
    struct slice payload = found->payload;
    found->code = WEBSOCKET_NO_CODE;
    if (payload.len == 0) return WEBSOCKET_CLOSE;
    if (payload.len == 1) return violation(found, WEBSOCKET_PROTOCOL_ERROR);
    found->code = (uint16_t)((unsigned char)payload.ptr[0] << 8 | (unsigned char)payload.ptr[1]);
    found->payload = slice_from(payload, 2);
    if (!websocket_reader_code_legal(found->code) || !utf8_valid(found->payload))
        return violation(found, WEBSOCKET_PROTOCOL_ERROR);
    return WEBSOCKET_CLOSE;
}

static enum websocket_event take_control(struct frame_head *head, char **at, const char *end,
                                         struct websocket_found *found) {
    if ((size_t)(end - *at) < head->bytes + head->payload_len) return WEBSOCKET_MORE;
    char *payload = *at + head->bytes;
    unmask(payload, (size_t)head->payload_len, head->key);
    *at = payload + head->payload_len;
    found->payload = (struct slice){payload, (size_t)head->payload_len};
    if (head->opcode == CLOSE) return read_close(found);
    return head->opcode == PING ? WEBSOCKET_PING : WEBSOCKET_PONG;
}

enum websocket_event websocket_reader_read(struct websocket_reader *reader, char **at, const char *end,
                                           struct websocket_found *found_r) {
    struct frame_head head;
    *found_r = (struct websocket_found){0};
    if (reader->left > 0) return *at == end ? WEBSOCKET_MORE : take_piece(reader, at, end, found_r);
    enum websocket_event event = read_head(reader, *at, end, &head, found_r);
    if (event != WEBSOCKET_PIECE) return event;
    return head.opcode >= CONTROL ? take_control(&head, at, end, found_r)
                                  : begin_frame(reader, &head, at, end, found_r);
}
