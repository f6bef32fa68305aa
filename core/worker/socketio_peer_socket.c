/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/socketio_peer_socket.h"

#include <ctype.h>
#include <stdio.h>
#include <time.h>

#include "session/socket.h"
#include "session/socket_rooms.h"
#include "wire/json.h"
#include "wire/utf8.h"

static void add_encoded(struct buffer *out, struct slice text) {
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (isalnum(c) || memchr("-_.~", c, 4))
            buffer_append_char(out, (char)c);
        else
            buffer_printf(out, "%%%02X", c);
    }
}

static void add_encoded_json(struct buffer *out, struct slice string) {
    struct buffer text = {0};
    json_string(string, &text);
    add_encoded(out, buffer_slice(&text));
    buffer_done(&text);
}

/* The query's members are strings: of a name that came twice the last value is left. */
static void write_url(struct buffer *out, struct slice path, struct slice query) {
    struct json_walk walk;
    struct slice key, value;
    struct buffer url = {0};
    buffer_append_slice(&url, path);
    json_walk_init(&walk, query);
    for (char before = '?'; json_walk_member(&walk, &key, &value); before = '&') {
        buffer_append_char(&url, before);
        add_encoded_json(&url, key);
        buffer_append_char(&url, '=');
        if (json_type_of(value) == JSON_STRING) add_encoded_json(&url, value);
    }
    json_write_string(out, buffer_slice(&url));
    buffer_done(&url);
}

/* Of "2026-01-02T03:04:05.678Z". */
static int64_t wall_ms_of(struct slice time) {
    struct tm utc = {0};
    char text[32] = "";
    memcpy(text, time.ptr, time.len < sizeof text ? time.len : sizeof text - 1);
    const char *rest = strptime(text, "\"%Y-%m-%dT%H:%M:%S", &utc);
    int milliseconds = 0;
    if (!rest || sscanf(rest, ".%3dZ", &milliseconds) != 1) return 0;
    return (int64_t)timegm(&utc) * 1000 + milliseconds;
}

/* Ours, and what Node.js has beside. */
static void write_handshake(struct buffer *out, struct socket *socket, struct slice path) {
    struct slice handshake = socket_handshake(socket);
    bool has_origin = json_member(json_member(handshake, "headers"), "origin").len > 0;
    buffer_append(out, handshake.ptr, handshake.len - 1);
    buffer_printf(out, ",\"xdomain\":%s,\"issued\":%lld,\"url\":", has_origin ? "true" : "false",
                  (long long)wall_ms_of(json_member(handshake, "time")));
    write_url(out, path, json_member(handshake, "query"));
    buffer_append_char(out, '}');
}

static void add_room(void *owner, struct slice room) {
    struct buffer *out = owner;
    if (!utf8_valid(room)) return;
    if (out->ptr[out->len - 1] != '[') buffer_append_char(out, ',');
    json_write_string(out, room);
}

void socketio_peer_socket_write(struct buffer *out, struct socket *socket, struct slice path) {
    struct slice state = socket_state(socket);
    buffer_append_str(out, "{\"id\":");
    json_write_string(out, socket_id(socket));
    buffer_append_str(out, ",\"handshake\":");
    write_handshake(out, socket, path);
    buffer_append_str(out, ",\"rooms\":[");
    socket_each_room(socket, add_room, out);
    buffer_append_str(out, "],\"data\":");
    buffer_append_slice(out, json_type_of(state) == JSON_NULL ? SLICE("{}") : state);
    buffer_append_char(out, '}');
}
