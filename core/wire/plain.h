/* plain.h - the plain WebSocket form (/ws): one JSON object a text frame. Pure. */
#ifndef WIRE_PLAIN_H
#define WIRE_PLAIN_H

#include <stdint.h>

#include "base/buffer.h"

enum plain_type { PLAIN_CONNECT, PLAIN_EVENT, PLAIN_ACK };
enum plain_result { PLAIN_OK, PLAIN_BAD_JSON, PLAIN_BAD_TYPE };

struct plain_packet {
    enum plain_type type;
    struct slice auth;  /* connect: an object, or empty */
    struct slice event; /* event: a string with its quotes */
    struct slice args;  /* event, ack: an array; "[]" when absent */
    bool has_id;
    uint64_t id;
};

/* BAD_JSON: not one JSON object. BAD_TYPE: an unknown type, or a member of the wrong type. */
enum plain_result plain_decode(struct slice text, struct plain_packet *packet_r) MUST_CHECK;

/* {"type":"event","event":…,"args":[…],"id":n}; args_with_event is Socket.IO's array, the event first. */
void plain_write_event(struct buffer *out, struct slice args_with_event, bool has_id, uint64_t id);
void plain_write_ack(struct buffer *out, struct slice args, uint64_t id);
void plain_write_connected(struct buffer *out, struct slice id);
/* error: a JSON object. */
void plain_write_refused(struct buffer *out, struct slice error);

#endif
