/* SPDX-License-Identifier: Apache-2.0 */
#include "support/wires.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/change.h"
#include "support/fuzz_tls.h"
#include "support/program.h"

/* %s: the session's id. A body is announced with its length; one that begins with "+" is sent in chunks. */
static const struct {
    const char *head, *body;
} requests[] = {
    {"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\n", NULL},
    {"GET /socket.io/?EIO=4&transport=polling&sid=%s HTTP/1.1\r\n", NULL},
    {"POST /socket.io/?EIO=4&transport=polling&sid=%s HTTP/1.1\r\n", "40{\"user\":\"erin\",\"recovery\":1}"},
    {"POST /socket.io/?EIO=4&transport=polling&sid=%s HTTP/1.1\r\n",
     "42[\"channel:join\",{\"channelId\":\"lobby\"}]\x1e"
     "421[\"echo\",1]\x1e"
     "3"},
    {"POST /socket.io/?EIO=4&transport=polling&sid=%s HTTP/1.1\r\n",
     "451-2[\"echo\",{\"_placeholder\":true,\"num\":0}]\x1e"
     "bAAEC/w=="},
    {"POST /socket.io/?EIO=4&transport=polling&sid=%s HTTP/1.1\r\n",
     "42[\"much\"]\x1e"
     "42[\"end\"]\x1e"
     "1"},
    {"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
     "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n",
     NULL},
    {"GET /socket.io/?EIO=4&transport=websocket&sid=%s HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
     "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n",
     NULL},
    {"GET /ws HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
     "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Extensions: permessage-deflate\r\n",
     NULL},
    {"GET /raw HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
     "Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n",
     NULL},
    {"PUT /api/channels/yard HTTP/1.1\r\nAuthorization: Bearer key\r\n", "{\"name\":\"Yard\"}"},
    {"POST /api/channels/lobby/messages HTTP/1.1\r\nAuthorization: Bearer key\r\n",
     "+{\"userId\":\"bob\",\"content\":\"from afar\"}"},
    {"GET /api/channels/lobby/messages?limit=2&before=9 HTTP/1.1\r\nAuthorization: Bearer key\r\n", NULL},
    {"GET /api/channels/lobby HTTP/1.1\r\nAuthorization: Bearer guess\r\nConnection: close\r\n", NULL},
    {"GET /health/ready HTTP/1.1\r\n", NULL},
    {"GET /metrics HTTP/1.1\r\n", NULL},
    {"OPTIONS /socket.io/?EIO=4 HTTP/1.1\r\nOrigin: http://a\r\nAccess-Control-Request-Method: POST\r\n", NULL},
};
static const char *const messages[] = {
    "2probe",
    "5",
    "3",
    "40{\"user\":\"frank\",\"recovery\":1}",
    "421[\"echo\",\"hello\"]",
    "42[\"channel:join\",{\"channelId\":\"lobby\"}]",
    "423[\"message:send\",{\"channelId\":\"lobby\",\"clientId\":\"f1\",\"content\":\"hello\"}]",
    "42[\"much\"]",
    "451-4[\"echo\",{\"_placeholder\":true,\"num\":0}]",
    "{\"type\":\"connect\",\"auth\":{\"user\":\"gina\"}}",
    "{\"type\":\"event\",\"event\":\"channel:join\",\"args\":[{\"channelId\":\"lobby\"}],\"id\":1}",
    "{\"type\":\"event\",\"event\":\"much\",\"args\":[]}",
    "\x03\xe8",
};
#define LEN(table) (sizeof(table) / sizeof *(table))

void wires_open(struct wires *wires, struct fuzz_world *world, struct program *program) {
    *wires = (struct wires){.program = program};
    for (size_t i = 0; i < WIRES; i++) wires->items[i].fd = -1;
    fuzz_net_open(&wires->net, world);
}

static void hang_up(struct wire *wire) {
    fuzz_tls_free(&wire->tls);
    if (wire->fd >= 0) close(wire->fd);
    *wire = (struct wire){.fd = -1};
}

void wires_leave(struct wires *wires) {
    for (size_t i = 0; i < WIRES; i++) hang_up(&wires->items[i]);
}

void wires_close(struct wires *wires) {
    fuzz_net_close(&wires->net);
    buffer_done(&wires->text);
    buffer_done(&wires->got);
    buffer_done(&wires->records);
}

static void write_request(struct wires *wires) {
    unsigned which = program_byte(wires->program) % LEN(requests);
    const char *head = requests[which].head, *body = requests[which].body, *id = strstr(head, "%s");
    struct buffer *text = &wires->text;
    buffer_append_slice(text, (struct slice){head, id ? (size_t)(id - head) : strlen(head)});
    if (id) buffer_printf(text, "%s%s", wires->sid, id + 2);
    buffer_append_str(text, "Host: localhost\r\n");
    if (body && *body == '+')
        buffer_printf(text, "Transfer-Encoding: chunked\r\n\r\n%zx\r\n%s\r\n0\r\n", strlen(body + 1), body + 1);
    else if (body)
        buffer_printf(text, "Content-Length: %zu\r\n\r\n%s", strlen(body), body);
    if (!body || *body == '+') buffer_append_str(text, "\r\n");
}

/* The mask is 0: what is sent is what is read. */
static void write_frame(struct wires *wires) {
    struct program *program = wires->program;
    unsigned which = program_byte(program), opcode = program_byte(program);
    struct slice payload = which & 128 ? program_bytes(program) : slice_of(messages[which % LEN(messages)]);
    opcode = opcode & 128 ? opcode : opcode % 16 == 0 ? 1 : opcode % 16;
    buffer_append_char(&wires->text, (char)(0x80 ^ (opcode & 0x7f)));
    buffer_append_char(&wires->text, (char)(0x80 | (payload.len < 126 ? payload.len : 126)));
    if (payload.len >= 126) buffer_append_slice(&wires->text, (struct slice){(char[]){0, (char)payload.len}, 2});
    buffer_append_slice(&wires->text, SLICE("\0\0\0\0"));
    buffer_append_slice(&wires->text, payload);
}

/* Where TLS is spoken, one in four does not speak it. */
static void dial(struct wires *wires, struct wire *wire) {
    wire->fd = fuzz_net_connect(&wires->net);
    if (wires->net.listen_fd >= 0 && program_byte(wires->program) < 192) wire->tls = fuzz_tls_new(wires->program);
}

static void send_records(struct wires *wires, struct wire *wire) {
    if (!wire->tls) return;
    buffer_clear(&wires->records);
    fuzz_tls_write(wire->tls, wires->program, &wires->records);
    fuzz_net_send(wire->fd, buffer_slice(&wires->records));
}

static void act(struct wires *wires, struct wire *wire) {
    unsigned how = program_byte(wires->program) % (wire->tls ? 8 : 4);
    if (how == 0) hang_up(wire);
    if (how == 1) wire->deaf = !wire->deaf;
    if (how == 2) shutdown(wire->fd, SHUT_WR);
    if (how > 3) fuzz_tls_step(wire->tls, wires->program);
}

void wires_step(struct wires *wires, unsigned action) {
    struct wire *wire = &wires->items[action % WIRES];
    unsigned what = action / WIRES;
    buffer_clear(&wires->text);
    if (wire->fd < 0) dial(wires, wire);
    if (what == 0) write_request(wires);
    if (what == 1) write_frame(wires);
    if (what < 2) change(&wires->text, wires->program);
    if (what == 2) buffer_append_slice(&wires->text, program_bytes(wires->program));
    if (what == 3) act(wires, wire);
    if (wire->tls)
        fuzz_tls_say(wire->tls, buffer_slice(&wires->text));
    else if (wire->fd >= 0)
        fuzz_net_send(wire->fd, buffer_slice(&wires->text));
    send_records(wires, wire);
}

/* The session's id of an open packet that is an answer to a poll. */
static void learn(struct wires *wires) {
    static const char key[] = "\n0{\"sid\":\"";
    struct slice got = buffer_slice(&wires->got);
    const char *at = got.len ? memmem(got.ptr, got.len, key, sizeof key - 1) : NULL;
    if (!at) return;
    struct slice rest = slice_from(got, (size_t)(at - got.ptr) + sizeof key - 1);
    const char *end = rest.len ? memchr(rest.ptr, '"', rest.len) : NULL;
    if (end) snprintf(wires->sid, sizeof wires->sid, "%.*s", (int)(end - rest.ptr), rest.ptr);
}

/* False: the server has closed it. */
static bool hear(struct wires *wires, struct wire *wire) {
    buffer_clear(&wires->got);
    if (!wire->tls) return fuzz_net_receive(wire->fd, &wires->got);
    buffer_clear(&wires->records);
    bool open = fuzz_net_receive(wire->fd, &wires->records);
    fuzz_tls_hear(wire->tls, buffer_slice(&wires->records), &wires->got);
    return open;
}

void wires_listen(struct wires *wires) {
    for (size_t i = 0; i < WIRES; i++) {
        struct wire *wire = &wires->items[i];
        if (wire->fd < 0 || wire->deaf) continue;
        bool open = hear(wires, wire);
        learn(wires);
        if (open)
            send_records(wires, wire);
        else
            hang_up(wire);
    }
}
