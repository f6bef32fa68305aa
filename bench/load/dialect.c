/* SPDX-License-Identifier: Apache-2.0 */
#include "load/dialect.h"

#include <stdlib.h>

#include "load/crew.h"

static unsigned channel_of(const struct client *client) {
    return plan_channel_of(client->crew->plan, client->id);
}

/* Returns an empty buffer for a message, and ends the message. */
static struct buffer *begin(struct client *client) {
    struct buffer *text = &client->crew->text;
    buffer_clear(text);
    return text;
}

static void finish(struct client *client, struct buffer *text) {
    client_queue_text(client, buffer_slice(text));
}

static bool starts(struct slice text, const char *with) {
    size_t len = strlen(with);
    return text.len >= len && memcmp(text.ptr, with, len) == 0;
}

/* plain */

static void plain_opened(struct client *client) {
    client_joined(client);
}

static void plain_publish(struct client *client, const struct stamp *stamp, size_t payload_bytes) {
    struct buffer *text = begin(client);
    wire_write_payload(text, stamp, payload_bytes);
    finish(client, text);
}

/* Engine.IO 4 and Socket.IO 5 */

static void socketio_opened(struct client *client) {}

static void write_connect(struct client *client, struct buffer *text) {
    char **tokens = client->crew->plan->tokens;
    if (tokens)
        buffer_printf(text, "40{\"token\":\"%s\"}", tokens[client->id]);
    else
        buffer_printf(text, "40{\"user\":\"user-%u\"}", client->id);
}

static void write_join(struct client *client, struct buffer *text) {
    buffer_printf(text, "420[\"join\",\"room-%u\"]", channel_of(client));
}

static void write_chat_join(struct client *client, struct buffer *text) {
    buffer_printf(text, "420[\"channel:join\",{\"channelId\":\"room-%u\"}]", channel_of(client));
}

/* 43ID[…]: the first, with id 0, answers the join; later ids tell when their message was due (crew_ack_id). */
static void take_answer(struct client *client, struct slice text) {
    uint64_t id = 0;
    size_t at = 2;
    for (; at < text.len && text.ptr[at] >= '0' && text.ptr[at] <= '9'; at++)
        id = id * 10 + (uint64_t)(text.ptr[at] - '0');
    bool good = !memmem(text.ptr + at, text.len - at, "\"ok\":false", 10);
    if (client->state == CLIENT_READY) {
        crew_answered(client, id, good);
    } else if (good) {
        client_joined(client);
    } else {
        client_broken(client, text);
    }
}

static void take_packet(struct client *client, struct slice text,
                        void (*write_greeting)(struct client *, struct buffer *)) {
    struct buffer *out = begin(client);
    if (starts(text, "42")) {
        crew_delivered(client, text);
        return;
    } else if (starts(text, "43")) {
        take_answer(client, text);
        return;
    } else if (starts(text, "2")) {
        buffer_append_str(out, "3");
    } else if (starts(text, "0")) {
        write_connect(client, out);
    } else if (starts(text, "40") && plan_is_member(client->crew->plan, client->id)) {
        write_greeting(client, out);
    } else if (starts(text, "40")) {
        client_joined(client); /* it only keeps the connection open */
        return;
    } else {
        client_broken(client, text);
        return;
    }
    finish(client, out);
}

static void socketio_take(struct client *client, struct slice text) {
    take_packet(client, text, write_join);
}

static void socketio_publish(struct client *client, const struct stamp *stamp, size_t payload_bytes) {
    struct buffer *text = begin(client);
    buffer_printf(text, "42[\"publish\",\"room-%u\",\"", channel_of(client));
    wire_write_payload(text, stamp, payload_bytes);
    buffer_append_str(text, "\"]");
    finish(client, text);
}

static void chat_take(struct client *client, struct slice text) {
    take_packet(client, text, write_chat_join);
}

/* clientId begins with the time, like the SDK's. */
static void chat_publish(struct client *client, const struct stamp *stamp, size_t payload_bytes) {
    struct buffer *text = begin(client);
    buffer_printf(
        text, "42%llu[\"message:send\",{\"channelId\":\"room-%u\",\"clientId\":\"%010llx.%u.%llu.%u\",\"content\":\"",
        (unsigned long long)crew_ack_id(client, stamp->due_ns), channel_of(client),
        (unsigned long long)stamp->due_ns / 1000000, client->id, (unsigned long long)client->crew->run_id,
        stamp->sequence);
    wire_write_payload(text, stamp, payload_bytes);
    buffer_append_str(text, "\"}]");
    finish(client, text);
}

/* Stoa's plain WebSocket */

static void json_opened(struct client *client) {
    struct buffer *text = begin(client);
    buffer_printf(text, "{\"type\":\"connect\",\"auth\":{\"user\":\"user-%u\"}}", client->id);
    finish(client, text);
}

static void json_take(struct client *client, struct slice text) {
    struct buffer *out = begin(client);
    if (starts(text, "{\"type\":\"event\"")) {
        crew_delivered(client, text);
    } else if (starts(text, "{\"type\":\"ack\"")) {
        client_joined(client);
    } else if (starts(text, "{\"type\":\"connected\"")) {
        buffer_printf(out, "{\"type\":\"event\",\"event\":\"join\",\"args\":[\"room-%u\"],\"id\":0}",
                      channel_of(client));
        finish(client, out);
    } else {
        client_broken(client, text);
    }
}

static void json_publish(struct client *client, const struct stamp *stamp, size_t payload_bytes) {
    struct buffer *text = begin(client);
    buffer_printf(text, "{\"type\":\"event\",\"event\":\"publish\",\"args\":[\"room-%u\",\"", channel_of(client));
    wire_write_payload(text, stamp, payload_bytes);
    buffer_append_str(text, "\"]}");
    finish(client, text);
}

/* Centrifugo's JSON: commands with an id, replies and pushes; a message may have several, one per line. */

static void centrifugo_opened(struct client *client) {
    struct buffer *text = begin(client);
    buffer_append_str(text, "{\"id\":1,\"connect\":{}}");
    finish(client, text);
}

static void centrifugo_take_one(struct client *client, struct slice text) {
    struct buffer *out = begin(client);
    if (starts(text, "{\"push\"")) {
        crew_delivered(client, text);
    } else if (slice_is(text, "{}")) { /* a ping */
        buffer_append_str(out, "{}");
        finish(client, out);
    } else if (starts(text, "{\"id\":1,\"connect\"")) {
        buffer_printf(out, "{\"id\":2,\"subscribe\":{\"channel\":\"room-%u\"}}", channel_of(client));
        finish(client, out);
    } else if (starts(text, "{\"id\":2,\"subscribe\"")) {
        client_joined(client);
    } else if (!starts(text, "{\"id\":3,\"publish\"")) {
        client_broken(client, text);
    }
}

static void centrifugo_take(struct client *client, struct slice text) {
    while (text.len > 0) {
        const char *end = memchr(text.ptr, '\n', text.len);
        struct slice line = {text.ptr, end ? (size_t)(end - text.ptr) : text.len};
        centrifugo_take_one(client, line);
        text = slice_from(text, line.len + 1);
    }
}

static void centrifugo_publish(struct client *client, const struct stamp *stamp, size_t payload_bytes) {
    struct buffer *text = begin(client);
    buffer_printf(text, "{\"id\":3,\"publish\":{\"channel\":\"room-%u\",\"data\":\"", channel_of(client));
    wire_write_payload(text, stamp, payload_bytes);
    buffer_append_str(text, "\"}}");
    finish(client, text);
}

static const struct dialect dialects[] = {
    {"plain", "/", false, plain_opened, crew_delivered, plain_publish},
    {"socketio", "/socket.io/?EIO=4&transport=websocket", false, socketio_opened, socketio_take, socketio_publish},
    {"chat", "/socket.io/?EIO=4&transport=websocket", true, socketio_opened, chat_take, chat_publish},
    {"json", "/ws", false, json_opened, json_take, json_publish},
    {"centrifugo", "/connection/websocket", false, centrifugo_opened, centrifugo_take, centrifugo_publish},
};

const struct dialect *dialect_find(const char *name) {
    for (size_t i = 0; i < sizeof dialects / sizeof *dialects; i++)
        if (strcmp(dialects[i].name, name) == 0) return &dialects[i];
    return NULL;
}
