/* SPDX-License-Identifier: Apache-2.0 */
/* transfer_owner.h - the owner's side of a transfer (transfers.h): this worker gives a socket to another worker. For
 * this folder only. */
#ifndef SESSION_TRANSFER_OWNER_H
#define SESSION_TRANSFER_OWNER_H

#include "session/transfers.h"

struct socket;

/* Messages from the taker. False: malformed. */
bool transfer_owner_claim(struct transfers *transfers, uint64_t number, struct slice body) MUST_CHECK;
bool transfer_owner_ready(struct transfers *transfers, uint64_t number, struct slice body) MUST_CHECK;
/* A socket has changed. If it is just being given to another worker, the offered state is outdated: the socket ends,
 * and neither worker continues it. */
void transfer_owner_edited(struct transfers *transfers, const struct socket *socket);
/* Cancels all transfers under way and takes the sockets back. */
void transfer_owner_end(struct transfers *transfers);

#endif
