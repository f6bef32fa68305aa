/* SPDX-License-Identifier: Apache-2.0 */
#include "process/worker_slots.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/memory.h"
#include "process/listen.h"

enum { INBOX_BYTES = 4 << 20, SERVER_NAME_LEN = WORKER_SLOT_NAME_LEN - 2, DIGITS = 64 };
static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

enum door { FOR_CLIENTS, FOR_METRICS, DOORS };

struct worker_slot {
    struct listen_sockets doors[DOORS];
    int inbox, inbox_sender;
};

struct worker_slots {
    unsigned len;
    struct worker_slot *items;
    unsigned char *states; /* shared by all processes, each byte with one writer; the places' states */
    unsigned char *away;   /* behind them: of each place, which databases are away */
    char name[SERVER_NAME_LEN + 1];
};

static bool open_inbox(struct worker_slot *slot, struct error *error_r) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0) {
        error_set(error_r, "not enough descriptors for this many workers");
        return false;
    }
    int bytes = INBOX_BYTES;
    setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes); /* as much of it as the kernel allows */
    slot->inbox = ends[0];
    slot->inbox_sender = ends[1];
    return true;
}

/* The first may pick ports; the others share them. */
static bool open_door(struct worker_slots *slots, enum door door, const char *const *addresses, size_t len, int backlog,
                      struct error *error_r) {
    struct listen_sockets free_ones, *first = &slots->items[0].doors[door];
    if (slots->len > 1) { /* refuse a port of another process, which the kernel would let us share */
        if (!listen_open(addresses, len, backlog, false, &free_ones, error_r)) return false;
        listen_close(&free_ones);
    }
    if (!listen_open(addresses, len, backlog, slots->len > 1, first, error_r)) return false;
    for (unsigned i = 1; i < slots->len; i++)
        if (!listen_again(first, backlog, &slots->items[i].doors[door], error_r)) return false;
    return true;
}

static bool open_places(struct worker_slots *slots, const char *const *addresses, size_t len, int backlog,
                        struct error *error_r) {
    if (!open_door(slots, FOR_CLIENTS, addresses, len, backlog, error_r)) return false;
    for (unsigned i = 0; i < slots->len; i++)
        if (!open_inbox(&slots->items[i], error_r)) return false;
    return true;
}

static size_t shared_len(unsigned len) {
    return (size_t)len * (1 + WORKER_SLOT_PARTS_MAX);
}

struct worker_slots *worker_slots_new(unsigned len, const char *const *addresses, size_t addresses_len, int backlog,
                                      struct error *error_r) {
    void *states = mmap(NULL, shared_len(len), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (states == MAP_FAILED) abort();
    struct worker_slots *slots = NEW(struct worker_slots);
    slots->len = len;
    slots->items = NEW_ARRAY(struct worker_slot, len);
    slots->states = states;
    slots->away = slots->states + len;
    for (unsigned i = 0; i < len; i++) slots->items[i] = (struct worker_slot){.inbox = -1, .inbox_sender = -1};
    id_random(slots->name, SERVER_NAME_LEN);
    if (!open_places(slots, addresses, addresses_len, backlog, error_r)) worker_slots_free(&slots);
    return slots;
}

void worker_slots_free(struct worker_slots **owned) {
    struct worker_slots *slots = *owned;
    if (!slots) return;
    worker_slots_close_listening(slots);
    for (unsigned i = 0; i < slots->len; i++) {
        if (slots->items[i].inbox >= 0) close(slots->items[i].inbox);
        if (slots->items[i].inbox_sender >= 0) close(slots->items[i].inbox_sender);
    }
    munmap(slots->states, shared_len(slots->len));
    free(slots->items);
    free(slots);
    *owned = NULL;
}

unsigned worker_slots_len(const struct worker_slots *slots) {
    return slots->len;
}

bool worker_slots_listen_for_metrics(struct worker_slots *slots, const char *const *addresses, size_t len, int backlog,
                                     struct error *error_r) {
    return open_door(slots, FOR_METRICS, addresses, len, backlog, error_r);
}

static int fd_of(const struct listen_sockets *listening, unsigned number) {
    return number < listening->len ? listening->fds[number] : -1;
}

int worker_slots_listen_fd(const struct worker_slots *slots, unsigned slot, unsigned number) {
    return fd_of(&slots->items[slot].doors[FOR_CLIENTS], number);
}

int worker_slots_metrics_fd(const struct worker_slots *slots, unsigned slot, unsigned number) {
    return fd_of(&slots->items[slot].doors[FOR_METRICS], number);
}

static void write_addresses(const struct listen_sockets *listening, char *addresses_r, size_t len) {
    size_t at = 0;
    addresses_r[0] = '\0';
    for (unsigned i = 0; i < listening->len && at < len; i++) {
        char address[LISTEN_ADDRESS_MAX];
        listen_address(listening->fds[i], address);
        at += (size_t)snprintf(addresses_r + at, len - at, "%s%s", i ? "," : "", address);
    }
}

void worker_slots_addresses(const struct worker_slots *slots, char *addresses_r, size_t len) {
    write_addresses(&slots->items[0].doors[FOR_CLIENTS], addresses_r, len);
}

void worker_slots_metrics_addresses(const struct worker_slots *slots, char *addresses_r, size_t len) {
    write_addresses(&slots->items[0].doors[FOR_METRICS], addresses_r, len);
}

void worker_slots_close_listening(struct worker_slots *slots) {
    for (unsigned i = 0; i < slots->len; i++)
        for (unsigned door = 0; door < DOORS; door++) listen_close(&slots->items[i].doors[door]);
}

void worker_slots_remove_names(const struct worker_slots *slots) {
    for (unsigned door = 0; door < DOORS; door++) listen_remove_names(&slots->items[0].doors[door]);
}

int worker_slots_inbox(const struct worker_slots *slots, unsigned slot) {
    return slots->items[slot].inbox;
}

static unsigned digit_of(char c) {
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (unsigned)(at - digits) : DIGITS * DIGITS;
}

static enum worker_slot_state state_of(const struct worker_slots *slots, unsigned slot) {
    return (enum worker_slot_state)__atomic_load_n(&slots->states[slot], __ATOMIC_RELAXED);
}

int worker_slots_inbox_of(const struct worker_slots *slots, unsigned own, struct slice session_id) {
    if (session_id.len < WORKER_SLOT_NAME_LEN || memcmp(session_id.ptr, slots->name, SERVER_NAME_LEN) != 0) return -1;
    unsigned slot = digit_of(session_id.ptr[SERVER_NAME_LEN]) * DIGITS + digit_of(session_id.ptr[SERVER_NAME_LEN + 1]);
    if (slot == own || slot >= slots->len) return -1;
    enum worker_slot_state state = state_of(slots, slot);
    return state == WORKER_SLOT_EMPTY || state == WORKER_SLOT_STARTING ? -1 : slots->items[slot].inbox_sender;
}

void worker_slots_name(const struct worker_slots *slots, unsigned slot, char name_r[WORKER_SLOT_NAME_LEN + 1]) {
    memcpy(name_r, slots->name, SERVER_NAME_LEN);
    name_r[SERVER_NAME_LEN] = digits[slot / DIGITS];
    name_r[SERVER_NAME_LEN + 1] = digits[slot % DIGITS];
    name_r[WORKER_SLOT_NAME_LEN] = '\0';
}

void worker_slots_show(struct worker_slots *slots, unsigned slot, enum worker_slot_state state) {
    __atomic_store_n(&slots->states[slot], (unsigned char)state, __ATOMIC_RELAXED);
}

unsigned worker_slots_count(const struct worker_slots *slots, enum worker_slot_state state) {
    unsigned n = 0;
    for (unsigned i = 0; i < slots->len; i++) n += state_of(slots, i) == state;
    return n;
}

void worker_slots_show_part(struct worker_slots *slots, unsigned slot, unsigned part, bool works) {
    __atomic_store_n(&slots->away[slot * WORKER_SLOT_PARTS_MAX + part], !works, __ATOMIC_RELAXED);
}

bool worker_slots_part_works(const struct worker_slots *slots, unsigned part) {
    for (unsigned i = 0; i < slots->len; i++) {
        enum worker_slot_state state = state_of(slots, i);
        bool is_there = state != WORKER_SLOT_EMPTY && state != WORKER_SLOT_STARTING;
        if (is_there && __atomic_load_n(&slots->away[i * WORKER_SLOT_PARTS_MAX + part], __ATOMIC_RELAXED)) return false;
    }
    return true;
}
