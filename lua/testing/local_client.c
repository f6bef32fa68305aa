/* SPDX-License-Identifier: Apache-2.0 */
#include "lua/testing/local_client.h"

#include <stdlib.h>

#include "session/session_internal.h"
#include "wire/websocket_writer.h"

struct local_client {
    struct transport transport;
    struct loop *loop;
    struct loop_task task; /* notifies the hub in the next loop turn */
    struct buffer inbound; /* frames */
    bool stalled, paused, closed, answers_pings;
    unsigned pongs_due, writes;
    uint16_t code;
    struct buffer reason;
    char session_id[ID_SESSION_LEN + 1];
};

static struct local_client *client_of(const struct transport *transport) {
    return CONTAINER(transport, struct local_client, transport);
}

/* Reads the first frame of bytes; false: it is incomplete. */
static bool frame_read(struct slice bytes, unsigned *opcode_r, struct slice *payload_r, size_t *len_r) {
    if (bytes.len < 2) return false;
    const unsigned char *at = (const unsigned char *)bytes.ptr;
    size_t len = at[1] & 0x7f, head = 2;
    unsigned more = len == 126 ? 2 : len == 127 ? 8 : 0;
    if (more) len = 0;
    if (bytes.len < head + more) return false;
    for (unsigned i = 0; i < more; i++) len = len << 8 | at[head++];
    if (bytes.len < head + len) return false;
    *opcode_r = at[0] & 0x0f;
    *payload_r = (struct slice){bytes.ptr + head, len};
    *len_r = head + len;
    return true;
}

static void count_pings(struct local_client *client, struct slice bytes) {
    unsigned opcode;
    struct slice payload;
    size_t len;
    while (frame_read(bytes, &opcode, &payload, &len)) {
        bool ping = opcode == FRAME_PING || (opcode == FRAME_TEXT && slice_is(payload, "2"));
        if (ping) client->pongs_due++;
        bytes = slice_from(bytes, len);
    }
}

static bool client_write(struct transport *transport, struct slice bytes) {
    struct local_client *client = client_of(transport);
    client->writes++;
    buffer_append_slice(&client->inbound, bytes);
    if (client->answers_pings) {
        count_pings(client, bytes);
        if (client->pongs_due > 0) loop_post(client->loop, &client->task);
    }
    return !client->stalled;
}

static bool client_blocked(const struct transport *transport) {
    return client_of(transport)->stalled;
}

static bool client_deflates(const struct transport *transport) {
    return false;
}

static void client_pause(struct transport *transport, bool paused) {
    client_of(transport)->paused = paused;
}

static void client_close(struct transport *transport, uint16_t code, struct slice reason) {
    struct local_client *client = client_of(transport);
    if (client->closed) return;
    client->closed = true;
    client->code = code;
    buffer_append_slice(&client->reason, reason);
    loop_post(client->loop, &client->task);
}

static const struct transport_ops client_ops = {
    .write = client_write,
    .blocked = client_blocked,
    .deflates = client_deflates,
    .pause = client_pause,
    .close = client_close,
};

static void client_gone(struct local_client *client, uint16_t code, struct slice reason) {
    struct session *session = client->transport.session;
    client->transport.session = NULL;
    if (session) session_gone(session, &client->transport, code, reason);
}

static void client_run(struct loop_task *task) {
    struct local_client *client = CONTAINER(task, struct local_client, task);
    for (; client->pongs_due > 0; client->pongs_due--) {
        struct session *session = client->transport.session;
        if (!session) break;
        if (!session_has_packets(session))
            session_pong(session);
        else
            session_message(session, &client->transport, SLICE("3"), false);
    }
    if (client->closed) client_gone(client, client->code, buffer_slice(&client->reason));
}

static enum session_kind kind_of(const struct local_client_options *options, const struct hub_endpoint *endpoint) {
    if (endpoint) return endpoint->raw ? SESSION_RAW : SESSION_ENGINE;
    return options->plain ? SESSION_PLAIN : SESSION_SOCKETIO;
}

struct local_client *local_client_new(struct hub *hub, const struct local_client_options *options) {
    const char *path = options->endpoint_path;
    const struct hub_endpoint *endpoint = path ? script_endpoints_at(&hub->http.endpoints, slice_of(path)) : NULL;
    if (path && !endpoint) return NULL;
    struct local_client *client = NEW(struct local_client);
    const char *address = options->address ? options->address : "127.0.0.1";
    struct buffer json = {0};
    client->transport.ops = &client_ops;
    client->loop = hub->loop;
    client->answers_pings = options->answers_pings;
    loop_task_init(&client->task, client_run);
    if (endpoint)
        handshake_write_endpoint(&json, slice_of(path), options->protocol ? slice_of(options->protocol) : SLICE_NONE);
    buffer_append_str(&json, "\"query\":");
    buffer_append_slice(&json, options->query.len > 0 ? options->query : SLICE("{}"));
    buffer_append_str(&json, ",\"headers\":");
    buffer_append_slice(&json, options->headers.len > 0 ? options->headers : SLICE("{}"));
    buffer_printf(&json, ",\"address\":\"%s\",\"secure\":false,\"time\":\"1970-01-01T00:00:00.000Z\"", address);
    struct handshake *handshake = handshake_from(buffer_slice(&json), address, endpoint ? endpoint->path : NULL);
    buffer_done(&json);
    struct session *session = session_open(hub, kind_of(options, endpoint), &client->transport, handshake);
    memcpy(client->session_id, session->id, sizeof client->session_id);
    session_begin(session);
    return client;
}

void local_client_free(struct local_client **client_r) {
    struct local_client *client = *client_r;
    if (!client) return;
    client_gone(client, 1006, SLICE_NONE);
    loop_task_cancel(&client->task);
    buffer_done(&client->inbound);
    buffer_done(&client->reason);
    free(client);
    *client_r = NULL;
}

void local_client_send(struct local_client *client, struct slice message, bool binary) {
    struct session *session = client->transport.session;
    if (session && !client->closed) session_message(session, &client->transport, message, binary);
}

bool local_client_take(struct local_client *client, struct buffer *out, bool *binary_r) {
    unsigned opcode;
    struct slice payload;
    size_t len;
    while (frame_read(buffer_slice(&client->inbound), &opcode, &payload, &len)) {
        bool message = opcode == FRAME_TEXT || opcode == FRAME_BINARY;
        if (message) buffer_append_slice(out, payload);
        if (message && binary_r) *binary_r = opcode == FRAME_BINARY;
        buffer_consume(&client->inbound, len);
        if (message) return true;
    }
    return false;
}

void local_client_stall(struct local_client *client, bool stalled) {
    bool drained = client->stalled && !stalled;
    client->stalled = stalled;
    if (drained && client->transport.session) session_drained(client->transport.session, &client->transport);
}

bool local_client_paused(const struct local_client *client) {
    return client->paused;
}

void local_client_leave(struct local_client *client) {
    client_gone(client, 1006, SLICE_NONE);
}

void local_client_close(struct local_client *client, uint16_t code, struct slice reason) {
    client_gone(client, code, reason);
}

bool local_client_closed(const struct local_client *client, uint16_t *code_r, struct slice *reason_r) {
    if (code_r) *code_r = client->code;
    if (reason_r) *reason_r = buffer_slice(&client->reason);
    return client->closed;
}

unsigned local_client_writes(const struct local_client *client) {
    return client->writes;
}

struct slice local_client_session_id(const struct local_client *client) {
    return slice_of(client->session_id);
}
