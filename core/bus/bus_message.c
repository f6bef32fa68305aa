/* SPDX-License-Identifier: Apache-2.0 */
#include "bus/bus_message.h"

#include "redis/seal.h"

/* version, flags, kind, length of the origin, length of the epoch; origin, epoch; an EVENT's seq; body; seal. */
enum { VERSION = 1, FLAG_SEALED = 1, HEADER_LEN = 5, SEQ_LEN = 8 };
static const int64_t SEQ_MAX = INT64_C(1) << 53;

static const char *const kind_names[BUS_KINDS] = {
    [BUS_EVENT] = "event",           [BUS_EMIT] = "emit",
    [BUS_BROADCAST] = "broadcast",   [BUS_USER_EMIT] = "user_emit",
    [BUS_DISCONNECT] = "disconnect", [BUS_INVALIDATE] = "invalidate",
    [BUS_PRESENCE] = "presence",     [BUS_TRANSFER] = "transfer",
    [BUS_SURVEY] = "survey",         [BUS_EXPULSION] = "expulsion",
};

const char *bus_kind_name(enum bus_kind kind) {
    return kind_names[kind];
}

static void write_number(struct buffer *out, uint64_t number) {
    for (int shift = 56; shift >= 0; shift -= 8) buffer_append_char(out, (char)(number >> shift));
}

static int64_t read_number(struct slice bytes) {
    uint64_t number = 0;
    for (size_t i = 0; i < SEQ_LEN; i++) number = number << 8 | (unsigned char)bytes.ptr[i];
    return (int64_t)number;
}

void bus_message_write(struct seal *seal, struct slice topic, const struct bus_message *message, struct buffer *out) {
    size_t start = out->len;
    bool is_event = message->kind == BUS_EVENT;
    struct slice epoch = is_event ? message->epoch : SLICE_NONE;
    buffer_append_char(out, VERSION);
    buffer_append_char(out, seal ? FLAG_SEALED : 0);
    buffer_append_char(out, (char)message->kind);
    buffer_append_char(out, (char)message->origin.len);
    buffer_append_char(out, (char)epoch.len);
    buffer_append_slice(out, message->origin);
    buffer_append_slice(out, epoch);
    if (is_event) write_number(out, (uint64_t)message->seq);
    buffer_append_slice(out, message->body);
    if (seal) seal_append(seal, topic, out, start);
}

static bool seal_is_right(struct seal *seal, struct slice topic, struct slice *bytes) {
    bool is_sealed = bytes->ptr[1] & FLAG_SEALED;
    if (!seal || !is_sealed) return !seal && !is_sealed;
    return bytes->len >= HEADER_LEN + SEAL_LEN && seal_strip(seal, topic, bytes);
}

static struct slice take(struct slice *bytes, size_t len) {
    struct slice taken = {bytes->ptr, len};
    *bytes = slice_from(*bytes, len);
    return taken;
}

struct slice bus_message_origin(struct slice bytes) {
    if (bytes.len < HEADER_LEN || bytes.len - HEADER_LEN < (unsigned char)bytes.ptr[3]) return SLICE_NONE;
    return (struct slice){bytes.ptr + HEADER_LEN, (unsigned char)bytes.ptr[3]};
}

const char *bus_message_read(struct seal *seal, struct slice topic, struct slice bytes, struct bus_message *message_r) {
    if (bytes.len < HEADER_LEN) return "malformed";
    if (bytes.len > BUS_BODY_MAX + HEADER_LEN + BUS_WORKER_ID_MAX + BUS_EPOCH_MAX + SEQ_LEN + SEAL_LEN)
        return "too_large";
    if (bytes.ptr[0] != VERSION) return "version";
    if (!seal_is_right(seal, topic, &bytes)) return "seal";
    unsigned kind = (unsigned char)bytes.ptr[2];
    size_t origin_len = (unsigned char)bytes.ptr[3], epoch_len = (unsigned char)bytes.ptr[4];
    if ((unsigned char)bytes.ptr[1] & ~FLAG_SEALED) return "malformed";
    if (kind >= BUS_KINDS || !kind_names[kind]) return "kind";
    bool is_event = kind == BUS_EVENT;
    take(&bytes, HEADER_LEN);
    if (origin_len == 0 || origin_len > BUS_WORKER_ID_MAX || epoch_len > BUS_EPOCH_MAX || (epoch_len > 0) != is_event)
        return "malformed";
    if (bytes.len < origin_len + epoch_len + (is_event ? SEQ_LEN : 0)) return "malformed";
    *message_r = (struct bus_message){.kind = (enum bus_kind)kind};
    message_r->origin = take(&bytes, origin_len);
    message_r->epoch = take(&bytes, epoch_len);
    if (is_event) message_r->seq = read_number(take(&bytes, SEQ_LEN));
    if (is_event && (message_r->seq < 1 || message_r->seq > SEQ_MAX)) return "seq";
    if (bytes.len > (is_event ? BUS_EVENT_BODY_MAX : BUS_BODY_MAX)) return "too_large";
    message_r->body = bytes;
    return NULL;
}
