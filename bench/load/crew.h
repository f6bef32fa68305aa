/* SPDX-License-Identifier: Apache-2.0 */
/* crew.h - the clients of one process of a load, and the loop that drives them as the board says. */
#ifndef LOAD_CREW_H
#define LOAD_CREW_H

#include "load/client.h"
#include "load/plan.h"
#include "load/tally.h"

struct crew {
    const struct plan *plan;
    struct board *board;
    struct tally *tally;
    unsigned place; /* of this process: its clients are those whose number modulo processes is this */
    int epoll;
    SSL_CTX *tls; /* NULL: no TLS */
    uint64_t now_ns;
    uint64_t run_id; /* makes message ids unique to the run */
    struct client *clients;
    unsigned clients_len;
    unsigned begun, under_way; /* connects */
    unsigned turns;            /* how many of the board's turns it has seen */
    enum phase phase;
    const struct step *step; /* being sent; NULL: none */
    uint64_t next_turn;      /* fixed rate: turn of the message that is due next */
    size_t stamp_offset;     /* where the last stamp was found */
    struct buffer scratch, text;
};

/* Runs process `place` until the board says PHASE_END. */
void crew_run(const struct plan *plan, struct board *board, unsigned place);

/* Called by clients. */
/* failed_at: NULL: it is ready; otherwise, what it was doing when it ended (errno may say why). */
void crew_settled(struct client *client, const char *failed_at);
void crew_lost(struct client *client, bool wished);
void crew_delivered(struct client *client, struct slice text);
void crew_answered(struct client *client, uint64_t ack_id, bool good);

/* An acknowledgement id that tells when its message was due and is greater than the client's last one. */
uint64_t crew_ack_id(struct client *client, uint64_t due_ns);

/* Returns the new count. Only this process writes the tally. */
static inline uint64_t tally_add(struct tally *tally, enum count count, uint64_t n) {
    uint64_t after = atomic_load_explicit(&tally->counts[count], memory_order_relaxed) + n;
    atomic_store_explicit(&tally->counts[count], after, memory_order_relaxed);
    return after;
}

uint64_t crew_clock_ns(void);

#endif
