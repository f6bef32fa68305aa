/* SPDX-License-Identifier: Apache-2.0 */
/* An accepted packet reads the same after it is written again, also in the plain form. */
#include <stdlib.h>

#include "wire/json.h"
#include "wire/json_client.h"
#include "wire/socketio.h"

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t len);

static void check_packet(const struct socketio_packet *packet) {
    struct socketio_packet again;
    struct buffer text = {0};
    if (packet->attachments > SOCKETIO_ATTACHMENTS_MAX || packet->namespace_name.len > SOCKETIO_NAMESPACE_MAX) abort();
    socketio_encode(&text, packet);
    if (!socketio_decode(buffer_slice(&text), &again)) abort();
    if (again.type != packet->type || again.attachments != packet->attachments || again.has_id != packet->has_id ||
        again.id != packet->id || !slice_equal(again.namespace_name, packet->namespace_name) ||
        !slice_equal(again.json, packet->json))
        abort();
    buffer_done(&text);
}

static void check_plain(const struct json_client_packet *packet) {
    if (packet->type != JSON_CLIENT_CONNECT && json_type_of(packet->args) != JSON_ARRAY) abort();
    if (packet->type == JSON_CLIENT_EVENT && json_type_of(packet->event) != JSON_STRING) abort();
    if (packet->auth.len > 0 && json_type_of(packet->auth) != JSON_OBJECT) abort();
}

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t len) {
    struct slice input = {(const char *)bytes, len};
    struct socketio_packet packet;
    struct json_client_packet plain;
    if (socketio_decode(input, &packet)) check_packet(&packet);
    if (json_client_decode(input, &plain) == JSON_CLIENT_OK) check_plain(&plain);
    return 0;
}
