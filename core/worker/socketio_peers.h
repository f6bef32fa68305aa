/* SPDX-License-Identifier: Apache-2.0 */
/* socketio_peers.h - Node.js servers that share our rooms: does to this worker's sockets what they say, and answers
 * them.
 *
 * Whoever can publish to Redis is believed, within what a client can take: no reserved event, no more attachments than
 * it knows. What is malformed was dropped and counted before (adapter.h).
 */
#ifndef WORKER_SOCKETIO_PEERS_H
#define WORKER_SOCKETIO_PEERS_H

struct adapter_events;

/* Their owner is a struct worker. */
extern const struct adapter_events socketio_peers_events;

#endif
