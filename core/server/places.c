#include "server/places.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/memory.h"
#include "server/listen.h"

enum { INBOX_BYTES = 4 << 20, SERVER_NAME_LEN = PLACE_NAME_LEN - 2, DIGITS = 64 };
static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

enum door { FOR_CLIENTS, FOR_METRICS, DOORS };

struct place {
    struct listen_sockets doors[DOORS];
    int inbox, inbox_sender;
};

struct places {
    unsigned len;
    struct place *items;
    unsigned char *states; /* shared by all processes, each byte with one writer; the places' states */
    unsigned char *away;   /* behind them: of each place, which databases are away */
    char name[SERVER_NAME_LEN + 1];
};

static bool open_inbox(struct place *place, struct error *error_r) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0) {
        error_set(error_r, "no descriptors for so many workers");
        return false;
    }
    int bytes = INBOX_BYTES;
    setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes); /* as much of it as the kernel allows */
    place->inbox = ends[0];
    place->inbox_sender = ends[1];
    return true;
}

/* The first may pick ports; the others share them. */
static bool open_door(struct places *places, enum door door, const char *const *addresses, size_t len, int backlog,
                      struct error *error_r) {
    struct listen_sockets free_ones, *first = &places->items[0].doors[door];
    if (places->len > 1) { /* none of them is another process's, which the kernel would let us share */
        if (!listen_open(addresses, len, backlog, false, &free_ones, error_r)) return false;
        listen_close(&free_ones);
    }
    if (!listen_open(addresses, len, backlog, places->len > 1, first, error_r)) return false;
    for (unsigned i = 1; i < places->len; i++)
        if (!listen_again(first, backlog, &places->items[i].doors[door], error_r)) return false;
    return true;
}

static bool open_places(struct places *places, const char *const *addresses, size_t len, int backlog,
                        struct error *error_r) {
    if (!open_door(places, FOR_CLIENTS, addresses, len, backlog, error_r)) return false;
    for (unsigned i = 0; i < places->len; i++)
        if (!open_inbox(&places->items[i], error_r)) return false;
    return true;
}

static size_t shared_len(unsigned len) {
    return (size_t)len * (1 + PLACE_PARTS_MAX);
}

struct places *places_new(unsigned len, const char *const *addresses, size_t addresses_len, int backlog,
                          struct error *error_r) {
    void *states = mmap(NULL, shared_len(len), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (states == MAP_FAILED) abort();
    struct places *places = NEW(struct places);
    places->len = len;
    places->items = NEW_ARRAY(struct place, len);
    places->states = states;
    places->away = places->states + len;
    for (unsigned i = 0; i < len; i++) places->items[i] = (struct place){.inbox = -1, .inbox_sender = -1};
    id_random(places->name, SERVER_NAME_LEN);
    if (!open_places(places, addresses, addresses_len, backlog, error_r)) places_free(&places);
    return places;
}

void places_free(struct places **owned) {
    struct places *places = *owned;
    if (!places) return;
    places_close_listening(places);
    for (unsigned i = 0; i < places->len; i++) {
        if (places->items[i].inbox >= 0) close(places->items[i].inbox);
        if (places->items[i].inbox_sender >= 0) close(places->items[i].inbox_sender);
    }
    munmap(places->states, shared_len(places->len));
    free(places->items);
    free(places);
    *owned = NULL;
}

unsigned places_len(const struct places *places) {
    return places->len;
}

bool places_listen_for_metrics(struct places *places, const char *const *addresses, size_t len, int backlog,
                               struct error *error_r) {
    return open_door(places, FOR_METRICS, addresses, len, backlog, error_r);
}

static int fd_of(const struct listen_sockets *listening, unsigned number) {
    return number < listening->len ? listening->fds[number] : -1;
}

int places_listen_fd(const struct places *places, unsigned place, unsigned number) {
    return fd_of(&places->items[place].doors[FOR_CLIENTS], number);
}

int places_metrics_fd(const struct places *places, unsigned place, unsigned number) {
    return fd_of(&places->items[place].doors[FOR_METRICS], number);
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

void places_addresses(const struct places *places, char *addresses_r, size_t len) {
    write_addresses(&places->items[0].doors[FOR_CLIENTS], addresses_r, len);
}

void places_metrics_addresses(const struct places *places, char *addresses_r, size_t len) {
    write_addresses(&places->items[0].doors[FOR_METRICS], addresses_r, len);
}

void places_close_listening(struct places *places) {
    for (unsigned i = 0; i < places->len; i++)
        for (unsigned door = 0; door < DOORS; door++) listen_close(&places->items[i].doors[door]);
}

void places_remove_names(const struct places *places) {
    for (unsigned door = 0; door < DOORS; door++) listen_remove_names(&places->items[0].doors[door]);
}

int places_inbox(const struct places *places, unsigned place) {
    return places->items[place].inbox;
}

static unsigned digit_of(char c) {
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (unsigned)(at - digits) : DIGITS * DIGITS;
}

static enum place_state state_of(const struct places *places, unsigned place) {
    return (enum place_state)__atomic_load_n(&places->states[place], __ATOMIC_RELAXED);
}

int places_inbox_of(const struct places *places, unsigned own, struct slice session_id) {
    if (session_id.len < PLACE_NAME_LEN || memcmp(session_id.ptr, places->name, SERVER_NAME_LEN) != 0) return -1;
    unsigned place = digit_of(session_id.ptr[SERVER_NAME_LEN]) * DIGITS + digit_of(session_id.ptr[SERVER_NAME_LEN + 1]);
    if (place == own || place >= places->len) return -1;
    enum place_state state = state_of(places, place);
    return state == PLACE_EMPTY || state == PLACE_STARTING ? -1 : places->items[place].inbox_sender;
}

void places_name(const struct places *places, unsigned place, char name_r[PLACE_NAME_LEN + 1]) {
    memcpy(name_r, places->name, SERVER_NAME_LEN);
    name_r[SERVER_NAME_LEN] = digits[place / DIGITS];
    name_r[SERVER_NAME_LEN + 1] = digits[place % DIGITS];
    name_r[PLACE_NAME_LEN] = '\0';
}

void places_show(struct places *places, unsigned place, enum place_state state) {
    __atomic_store_n(&places->states[place], (unsigned char)state, __ATOMIC_RELAXED);
}

unsigned places_count(const struct places *places, enum place_state state) {
    unsigned n = 0;
    for (unsigned i = 0; i < places->len; i++) n += state_of(places, i) == state;
    return n;
}

void places_show_part(struct places *places, unsigned place, unsigned part, bool works) {
    __atomic_store_n(&places->away[place * PLACE_PARTS_MAX + part], !works, __ATOMIC_RELAXED);
}

bool places_part_works(const struct places *places, unsigned part) {
    for (unsigned i = 0; i < places->len; i++) {
        enum place_state state = state_of(places, i);
        bool is_there = state != PLACE_EMPTY && state != PLACE_STARTING;
        if (is_there && __atomic_load_n(&places->away[i * PLACE_PARTS_MAX + part], __ATOMIC_RELAXED)) return false;
    }
    return true;
}
