/* SPDX-License-Identifier: Apache-2.0 */
/* wires.h - clients of a fuzzer's world that have sockets: they poll, speak WebSocket, ask for pages. Over TLS, if the
 * world has it. */
#ifndef TESTS_FUZZ_WIRES_H
#define TESTS_FUZZ_WIRES_H

#include "base/buffer.h"
#include "support/fuzz_net.h"

struct fuzz_tls;
struct program;

enum { WIRES = 3, WIRE_SID_MAX = 63 };

struct wire {
    int fd; /* -1: there is no connection */
    bool deaf;
    struct fuzz_tls *tls; /* NULL: it speaks without */
};
struct wires {
    struct fuzz_net net;
    struct program *program;
    struct wire items[WIRES];
    char sid[WIRE_SID_MAX + 1]; /* of a session that polls */
    struct buffer text, got, records;
};

void wires_open(struct wires *wires, struct fuzz_world *world, struct program *program);
/* One does something: which one, and what, say action and the program. */
void wires_step(struct wires *wires, unsigned action);
/* Reads what has come. */
void wires_listen(struct wires *wires);
void wires_leave(struct wires *wires);
/* Aborts unless all connections are gone. */
void wires_close(struct wires *wires);

#endif
