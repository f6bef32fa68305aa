/* SPDX-License-Identifier: Apache-2.0 */
/* json_client.h - the plain WebSocket form (/ws): one JSON object a text frame. Pure. */
#ifndef WIRE_JSON_CLIENT_H
#define WIRE_JSON_CLIENT_H

#include <stdint.h>

#include "base/buffer.h"

enum json_client_type { JSON_CLIENT_CONNECT, JSON_CLIENT_EVENT, JSON_CLIENT_ACK };
enum json_client_result { JSON_CLIENT_OK, JSON_CLIENT_BAD_JSON, JSON_CLIENT_BAD_TYPE };

struct json_client_packet {
    enum json_client_type type;
    struct slice auth;  /* connect: an object, or empty */
    struct slice event; /* event: a string with its quotes */
    struct slice args;  /* event, ack: an array; "[]" when absent */
    bool has_id;
    uint64_t id;
};

/* BAD_JSON: not one JSON object. BAD_TYPE: an unknown type, or a member of the wrong type. */
enum json_client_result json_client_decode(struct slice text, struct json_client_packet *packet_r) MUST_CHECK;

/* {"type":"event","event":…,"args":[…],"id":n}; args_with_event is Socket.IO's array, the event first. */
void json_client_write_event(struct buffer *out, struct slice args_with_event, bool has_id, uint64_t id);
void json_client_write_ack(struct buffer *out, struct slice args, uint64_t id);
void json_client_write_connected(struct buffer *out, struct slice id);
/* error: a JSON object. */
void json_client_write_refused(struct buffer *out, struct slice error);

#endif
