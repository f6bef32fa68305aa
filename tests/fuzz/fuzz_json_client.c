/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of a message that the plain form accepts have the right types. */
#include <stdlib.h>

#include "wire/json.h"
#include "wire/json_client.h"

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t len);

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t len) {
    struct json_client_packet packet;
    if (json_client_decode((struct slice){(const char *)bytes, len}, &packet) != JSON_CLIENT_OK) return 0;
    if (packet.type == JSON_CLIENT_CONNECT) {
        if (packet.auth.len > 0 && json_type_of(packet.auth) != JSON_OBJECT) abort();
        return 0;
    }
    if (json_type_of(packet.args) != JSON_ARRAY || !json_valid(packet.args)) abort();
    if (packet.type == JSON_CLIENT_EVENT && json_type_of(packet.event) != JSON_STRING) abort();
    if (packet.type == JSON_CLIENT_ACK && !packet.has_id) abort();
    return 0;
}
