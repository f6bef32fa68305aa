#include "net/relay.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/http_exchange.h"

enum { HELD_BYTES = 65536, STEP_BYTES = 16384, STEPS_A_TURN = 16 };

struct relay {
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
    struct relay *relay = owner;
    relay->woken(relay->owner);
}

struct relay *relay_new(struct conn *conn, int fd, struct slice first, void (*woken)(void *owner), void *owner) {
    struct relay *relay = NEW(struct relay);
    *relay = (struct relay){.conn = conn, .fd = fd, .woken = woken, .owner = owner};
    relay->watch = loop_fd_new(conn->host->server->loop, fd, LOOP_READ, ready, relay);
    buffer_append_slice(&relay->up, first);
    return relay;
}

void relay_free(struct relay **owned) {
    struct relay *relay = *owned;
    if (!relay) return;
    loop_fd_free(&relay->watch);
    close(relay->fd);
    buffer_done(&relay->up);
    buffer_done(&relay->down);
    free(relay);
    *owned = NULL;
}

/* As socket.c's. */
static ssize_t result_of(ssize_t n) {
    if (n > 0) return n;
    return n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
}

/* Each of these four: true when bytes moved. */

static bool read_client(struct relay *relay) {
    if (relay->ended || relay->broken || relay->up.len >= HELD_BYTES) return false;
    ssize_t n = socket_read(relay->conn, buffer_reserve(&relay->up, STEP_BYTES), STEP_BYTES);
    if (n > 0) relay->up.len += (size_t)n;
    relay->broken |= n < 0;
    return n > 0;
}

static bool write_process(struct relay *relay) {
    if (relay->ended || relay->up.len == 0) return false;
    ssize_t n = result_of(send(relay->fd, relay->up.ptr, relay->up.len, MSG_NOSIGNAL));
    if (n > 0) buffer_consume(&relay->up, (size_t)n);
    if (n < 0) buffer_clear(&relay->up); /* it reads no more; what it has said is still to be read */
    return n > 0;
}

static bool read_process(struct relay *relay) {
    if (relay->ended || relay->down.len >= HELD_BYTES) return false;
    ssize_t n = result_of(recv(relay->fd, buffer_reserve(&relay->down, STEP_BYTES), STEP_BYTES, 0));
    if (n > 0) relay->down.len += (size_t)n;
    relay->ended |= n < 0;
    return n > 0;
}

static bool write_client(struct relay *relay) {
    if (relay->broken || relay->down.len == 0) return false;
    ssize_t n = socket_write(relay->conn, relay->down.ptr, relay->down.len);
    if (n > 0) buffer_consume(&relay->down, (size_t)n);
    relay->broken |= n < 0;
    return n > 0;
}

enum relay_state relay_step(struct relay *relay, int *interest_r) {
    bool moved = true;
    for (int i = 0; i < STEPS_A_TURN && moved; i++) {
        moved = read_client(relay);
        moved |= write_process(relay);
        moved |= read_process(relay);
        moved |= write_client(relay);
    }
    bool up_full = relay->up.len >= HELD_BYTES, down_full = relay->down.len >= HELD_BYTES;
    bool up_waits = relay->up.len > 0, down_waits = relay->down.len > 0;
    *interest_r = (relay->ended || up_full ? 0 : LOOP_READ) | (down_waits ? LOOP_WRITE : 0);
    loop_fd_set(relay->watch, relay->ended ? 0 : (down_full ? 0 : LOOP_READ) | (up_waits ? LOOP_WRITE : 0));
    if (!up_waits) buffer_done(&relay->up); /* an idle one holds nothing */
    if (!down_waits) buffer_done(&relay->down);
    if (relay->broken) return RELAY_BROKEN;
    if (relay->ended) return down_waits ? RELAY_ENDING : RELAY_OVER;
    return moved ? RELAY_MORE : RELAY_GOES_ON;
}
