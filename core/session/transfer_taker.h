/* SPDX-License-Identifier: Apache-2.0 */
/* transfer_taker.h - the taker's side of a transfer (transfers.h): this worker continues a socket of another worker.
 * For this folder only. */
#ifndef SESSION_TRANSFER_TAKER_H
#define SESSION_TRANSFER_TAKER_H

#include "session/transfers.h"

struct recovery_claim;
struct socket;

/* Embedded in the asker. */
struct transfer_taker_call {
    /* Called once, never within transfer_taker_begin. If is_moved, the socket has the id, rooms and state of the one
     * that it continues, and needs what came after offset. */
    void (*done)(struct transfer_taker_call *call, bool is_moved, uint64_t offset);
    void *taking; /* NULL: not under way */
};
/* The connecting socket shall continue the claimed one. False: no other worker has that. */
bool transfer_taker_begin(struct transfer_taker_call *call, struct socket *socket,
                          const struct recovery_claim *claim) MUST_CHECK;
/* done will not be called. Harmless when nothing is under way. */
void transfer_taker_forget(struct transfer_taker_call *call);
/* A message from the owner, or a mark. False: malformed. */
bool transfer_taker_hear(struct transfers *transfers, enum transfer_kind kind, uint64_t number, struct slice topic,
                         struct slice body);
/* Ends all transfers; no done will be called. */
void transfer_taker_forget_all(struct transfers *transfers);

#endif
