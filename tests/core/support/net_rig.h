/* SPDX-License-Identifier: Apache-2.0 */
/* net_rig.h - a net_server on loopback with a small application, and a raw client, in one thread: the client's calls
 * turn the server's loop until their condition holds (or ten seconds have passed). */
#ifndef TESTS_NET_RIG_H
#define TESTS_NET_RIG_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* cmocka requires this order */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/address.h"
#include "base/buffer.h"
#include "base/metrics.h"
#include "limit/admission.h"
#include "loop/loop.h"
#include "net/server.h"
#include "wire/websocket_writer.h"

enum { RIG_PATIENCE_MS = 10000 };

struct rig {
    struct loop *loop;
    struct net_server *server;
    int listen_fd, port;
    enum admission admission;
    struct admission_control *seats; /* NULL: no limit */
    bool refuse_upgrades, full;
    const char *const *protocols;            /* subprotocols; NULL: none */
    size_t protocols_len, max_message_bytes; /* 0: the server's default */
    bool never_deflates;
    const char *foreign; /* paths with this prefix go to the process at the other end of inbox; NULL: none */
    int inbox;
    /* the application */
    struct conn *conn; /* the last one opened */
    struct http_exchange *waiting;
    unsigned requests, opened, closed, drained, aborted, pongs;
    uint16_t close_code;
    char close_reason[128], origin[64]; /* origin: of the last handshake */
    struct buffer received;             /* the last message */
    bool received_binary, echo, greets, answers_late;
    struct loop_task late;
    struct buffer answer;
    unsigned messages;
    void (*heard)(struct rig *rig, struct slice message);     /* NULL: not called */
    char address[ADDRESS_TEXT_MAX];                           /* the last one that requested admission */
    void (*serve)(void *owner, struct http_request *request); /* replaces the application */
    struct http_exchange *offered; /* from a path that begins with "/offer": received as a head */
    void *serve_owner;
};

extern const struct net_settings rig_settings;
/* Answers rig->offered when its body is complete. */
void rig_whole(void *owner, struct slice body);

void rig_start(struct rig *rig, const struct net_settings *settings);

void rig_stop(struct rig *rig);

bool rig_reload(struct rig *rig, const struct net_settings *settings, struct error *error_r);

int64_t rig_now_ms(void);
/* One turn; sleeps briefly when there was no work. */
void rig_turn(struct rig *rig);

/* Turns the loop until the condition holds; fails the test after the deadline. */
#define RIG_UNTIL(rig, condition)                                                         \
    do {                                                                                  \
        int64_t rig_deadline = rig_now_ms() + RIG_PATIENCE_MS;                            \
        while (!(condition)) {                                                            \
            rig_turn(rig);                                                                \
            if (rig_now_ms() > rig_deadline) fail_msg("never came true: %s", #condition); \
        }                                                                                 \
    } while (0)

/* ---- the raw client */

struct raw {
    struct rig *rig;
    int fd;
    SSL *ssl;
    struct buffer in;
    bool eof;
};

void raw_connect(struct raw *raw, struct rig *rig);

void raw_close(struct raw *raw);

void raw_send(struct raw *raw, const char *bytes, size_t len);

void raw_send_str(struct raw *raw, const char *str);

void raw_read(struct raw *raw);

#define RAW_UNTIL(raw, condition) RIG_UNTIL((raw)->rig, (raw_read(raw), (condition)))

/* True when an answer's head (and body, by content-length) is complete. */
bool raw_answered(struct raw *raw);
int raw_status(struct raw *raw);

/* The answer's status; 0: closed without one. The answer's text stays in raw->in (NUL-terminated). */
int raw_ask(struct raw *raw, const char *request);

#define UPGRADE_HEAD                                                                           \
    "GET /socket HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" \
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

void raw_upgrade(struct raw *raw, const char *more_headers);

/* first: FIN, RSV and opcode as on the wire; masked: true unless the test wants otherwise. */
void raw_frame(struct raw *raw, uint8_t first, bool masked, struct slice payload);

struct raw_frame {
    uint8_t first;
    struct slice payload; /* in raw->in */
    size_t len;           /* of the whole frame */
};

/* Strict: a masked server frame or a broken header fails the test. False: incomplete. */
bool raw_peek_frame(struct raw *raw, struct raw_frame *frame_r);

/* Waits for the next frame; its payload stays valid until raw_next. */
struct raw_frame raw_next_frame(struct raw *raw);

void raw_next(struct raw *raw, const struct raw_frame *frame);

/* Waits for a close frame or the end of the stream; returns the code, 0: none. */
int raw_close_code(struct raw *raw);

void expect_echo(struct raw *client, uint8_t first, struct slice payload);

#endif
