/* SPDX-License-Identifier: Apache-2.0 */
/* socketio_peers.h - Node.js servers that share our rooms: applies their requests to this worker's sockets, and answers
 * them.
 *
 * Trusts everyone who can publish to Redis, within what a client accepts: no reserved event names, no more attachments
 * than the limit. adapter.h has already dropped and counted malformed messages.
 */
#ifndef WORKER_SOCKETIO_PEERS_H
#define WORKER_SOCKETIO_PEERS_H

struct adapter_events;

/* Their owner is a struct worker. */
extern const struct adapter_events socketio_peers_events;

#endif
