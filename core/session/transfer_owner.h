/* SPDX-License-Identifier: Apache-2.0 */
/* transfer_owner.h - the owner's side of a transfer (transfers.h): a socket is given to another worker. For this folder
 * only. */
#ifndef SESSION_TRANSFER_OWNER_H
#define SESSION_TRANSFER_OWNER_H

#include "session/transfers.h"

struct socket;

/* Messages of the taker's. False: malformed. */
bool transfer_owner_claim(struct transfers *transfers, uint64_t number, struct slice body) MUST_CHECK;
bool transfer_owner_ready(struct transfers *transfers, uint64_t number, struct slice body) MUST_CHECK;
/* A socket has changed. If it is one that is just being given to another worker, what it would go on from there is not
 * so any more: it goes on nowhere. */
void transfer_owner_edited(struct transfers *transfers, const struct socket *socket);
/* Takes all back that is under way. */
void transfer_owner_end(struct transfers *transfers);

#endif
