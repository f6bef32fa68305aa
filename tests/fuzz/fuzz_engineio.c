/* SPDX-License-Identifier: Apache-2.0 */
/* A message and a polling payload of any bytes: the packets lie within the bytes, and read the same after they are
 * written again. */
#include <stdlib.h>

#include "wire/engineio.h"

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t len);

static void write_packet(struct buffer *out, const struct engineio_packet *packet) {
    struct buffer text = {0};
    buffer_append_char(&text, (char)('0' + packet->type));
    buffer_append_slice(&text, packet->body);
    if (packet->binary)
        engineio_payload_add_binary(out, packet->body);
    else
        engineio_payload_add(out, buffer_slice(&text));
    buffer_done(&text);
}

/* Writes the packets to out: their number; -1: one is invalid. */
static int read_payload(struct slice payload, struct buffer *out) {
    struct engineio_payload reading;
    struct engineio_packet packet;
    struct buffer scratch = {0};
    enum engineio_step step;
    int count = 0;
    engineio_payload_init(&reading, payload);
    while ((step = engineio_payload_next(&reading, &scratch, &packet)) == ENGINEIO_PACKET) {
        write_packet(out, &packet);
        count++;
    }
    buffer_done(&scratch);
    return step == ENGINEIO_END ? count : -1;
}

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t len) {
    struct slice input = {(const char *)bytes, len};
    struct engineio_packet packet;
    struct buffer first = {0}, second = {0};
    struct buffer decoded = {0};
    if (engineio_decode(input, false, &decoded, &packet) && !packet.binary && packet.body.len + 1 != len) abort();
    if (decoded.len > len) abort();
    buffer_done(&decoded);
    int count = read_payload(input, &first);
    if (count > ENGINEIO_PACKETS_MAX) abort();
    if (count > 0 && (read_payload(buffer_slice(&first), &second) != count ||
                      !slice_equal(buffer_slice(&first), buffer_slice(&second))))
        abort();
    buffer_done(&first);
    buffer_done(&second);
    return 0;
}
