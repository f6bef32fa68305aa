/* SPDX-License-Identifier: Apache-2.0 */
#include "net/tunnel.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loop/loop_fd.h"
#include "net/conn_bytes.h"
#include "net/net_internal.h"

enum { HELD_BYTES = 65536, STEP_BYTES = 16384, STEPS_A_TURN = 16 };

struct tunnel {
    struct conn *conn;
    int fd;
    struct loop_fd *watch;
    struct buffer up, down; /* read, not yet written: to the process, to the client */
    bool ended;             /* the process has closed its end */
    bool broken;
    void (*woken)(void *owner);
    void *owner;
};

static void ready(void *owner, int fd, int what) {
    struct tunnel *tunnel = owner;
    tunnel->woken(tunnel->owner);
}

struct tunnel *tunnel_new(struct conn *conn, int fd, void (*woken)(void *owner), void *owner) {
    struct tunnel *tunnel = NEW(struct tunnel);
    *tunnel = (struct tunnel){.conn = conn, .fd = fd, .woken = woken, .owner = owner};
    tunnel->watch = loop_fd_new(conn->host->server->loop, fd, LOOP_READ, ready, tunnel);
    buffer_append_slice(&tunnel->up, conn_unread(conn));
    if (conn->unfinished) buffer_done(&conn->unfinished->unread);
    return tunnel;
}

void tunnel_free(struct tunnel **owned) {
    struct tunnel *tunnel = *owned;
    if (!tunnel) return;
    loop_fd_free(&tunnel->watch);
    close(tunnel->fd);
    buffer_done(&tunnel->up);
    buffer_done(&tunnel->down);
    free(tunnel);
    *owned = NULL;
}

/* As socket.c's. */
static ssize_t result_of(ssize_t n) {
    if (n > 0) return n;
    return n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
}

/* Each of these four functions returns true when bytes moved. */

static bool read_client(struct tunnel *tunnel) {
    if (tunnel->ended || tunnel->broken || tunnel->up.len >= HELD_BYTES) return false;
    ssize_t n = conn_bytes_read(tunnel->conn, buffer_reserve(&tunnel->up, STEP_BYTES), STEP_BYTES);
    if (n > 0) tunnel->up.len += (size_t)n;
    tunnel->broken |= n < 0;
    return n > 0;
}

static bool write_process(struct tunnel *tunnel) {
    if (tunnel->ended || tunnel->up.len == 0) return false;
    ssize_t n = result_of(send(tunnel->fd, tunnel->up.ptr, tunnel->up.len, MSG_NOSIGNAL));
    if (n > 0) buffer_consume(&tunnel->up, (size_t)n);
    if (n < 0) buffer_clear(&tunnel->up); /* the process reads no more; its output must still be read */
    return n > 0;
}

static bool read_process(struct tunnel *tunnel) {
    if (tunnel->ended || tunnel->down.len >= HELD_BYTES) return false;
    ssize_t n = result_of(recv(tunnel->fd, buffer_reserve(&tunnel->down, STEP_BYTES), STEP_BYTES, 0));
    if (n > 0) tunnel->down.len += (size_t)n;
    tunnel->ended |= n < 0;
    return n > 0;
}

static bool write_client(struct tunnel *tunnel) {
    if (tunnel->broken || tunnel->down.len == 0) return false;
    ssize_t n = conn_bytes_write(tunnel->conn, tunnel->down.ptr, tunnel->down.len);
    if (n > 0) buffer_consume(&tunnel->down, (size_t)n);
    tunnel->broken |= n < 0;
    return n > 0;
}

enum tunnel_state tunnel_step(struct tunnel *tunnel, int *interest_r) {
    bool moved = true;
    for (int i = 0; i < STEPS_A_TURN && moved; i++) {
        moved = read_client(tunnel);
        moved |= write_process(tunnel);
        moved |= read_process(tunnel);
        moved |= write_client(tunnel);
    }
    bool up_full = tunnel->up.len >= HELD_BYTES, down_full = tunnel->down.len >= HELD_BYTES;
    bool up_waits = tunnel->up.len > 0, down_waits = tunnel->down.len > 0;
    *interest_r = (tunnel->ended || up_full ? 0 : LOOP_READ) | (down_waits ? LOOP_WRITE : 0);
    loop_fd_set(tunnel->watch, tunnel->ended ? 0 : (down_full ? 0 : LOOP_READ) | (up_waits ? LOOP_WRITE : 0));
    if (!up_waits) buffer_done(&tunnel->up); /* an idle tunnel holds no memory */
    if (!down_waits) buffer_done(&tunnel->down);
    if (tunnel->broken) return TUNNEL_BROKEN;
    if (tunnel->ended) return down_waits ? TUNNEL_ENDING : TUNNEL_OVER;
    return moved ? TUNNEL_MORE : TUNNEL_GOES_ON;
}
