/* SPDX-License-Identifier: Apache-2.0 */
/* log.h - a channel's durable log on this worker: append, and hand out committed events in sequence order.
 *
 * append → store (group commit) → in order of seq to the channel's room, and over the bus to other workers; then the
 * appender is told. A channel's events reach members strictly by seq, on whichever worker they were committed. A
 * duplicate is dropped. An event ahead of its turn waits briefly, then the gap is read from the store. A lost tail is
 * found by comparing heads with the store (tail_check.h).
 */
#ifndef CHANNEL_LOG_H
#define CHANNEL_LOG_H

#include "store/store.h"

struct bus;
struct channel_log;
struct loop;
struct receiver;
struct rooms;

/* Events of channel C go to room "channel:C" of the main namespace. bus NULL: no other worker can exist. */
struct channel_log *channel_log_new(struct loop *loop, struct store *store, struct rooms *rooms, struct bus *bus);
/* done is still called for requests that the store has; their events reach no member. */
void channel_log_free(struct channel_log **log);
/* The room's name, appended to out. */
void channel_room_name(struct buffer *out, struct slice channel_id);
/* The channel of the room; empty: it is no channel's room. */
struct slice channel_of_room(struct slice namespace_name, struct slice room);

/* Submits an APPEND request made by the caller (done is called with the outcome after members have been handed the
 * event; status UNAVAILABLE when the deadline passes or the backlog is full: CHANNEL_LOG_PENDING_MAX). When the
 * deadline passes, done is given a stand-in that has the request's kind and ids only. */
enum { CHANNEL_LOG_PENDING_MAX = 10000, CHANNEL_LOG_DEADLINE_MS = 5000, CHANNEL_HOLD_MAX = 256, CHANNEL_HOLD_MS = 50 };
void channel_log_append(struct channel_log *log, struct store_request **request);
/* Appends under way. */
unsigned channel_log_pending(const struct channel_log *log);
/* Takes every committed event, from another worker or from the store's reply. event: [name, payload]; empty: read it
 * from the store. */
void channel_log_committed(struct channel_log *log, struct slice channel_id, int64_t seq, struct slice epoch,
                           struct slice event);
/* Events of the channel may have been missed: compares it with the store at once. */
void channel_log_check(struct channel_log *log, struct slice channel_id);
/* The channel has events up to seq: reads what is missing here at once. */
void channel_log_expect(struct channel_log *log, struct slice channel_id, int64_t seq);
/* While events of other workers may not arrive, channels are compared with the store continuously. */
void channel_log_set_degraded(struct channel_log *log, bool is_degraded);
/* A first member is about to join: events continue after seq. Nothing when the channel is followed already. */
void channel_log_follow(struct channel_log *log, struct slice channel_id, int64_t seq, struct slice epoch);
/* The channel's room has ended: nobody needs its events any more. */
void channel_log_unfollow(struct channel_log *log, struct slice channel_id);
/* The last seq handed out on this worker; -1: the channel is not followed here. It is followed from channel_log_follow
 * (or the first event that finds members in its room) until its room ends. */
int64_t channel_log_delivered(const struct channel_log *log, struct slice channel_id);
/* The epoch of that seq; empty: the channel is not followed here. Borrowed. */
struct slice channel_log_epoch(const struct channel_log *log, struct slice channel_id);
/* Does the log hand out events of that epoch, which the store reported? False: not yet (the log moves to it), or no
 * longer. */
bool channel_log_is_in(struct channel_log *log, struct slice channel_id, struct slice epoch);
/* Is the log in an earlier epoch? Then its seqs cannot be compared with those of that epoch. */
bool channel_log_is_before(const struct channel_log *log, struct slice channel_id, struct slice epoch);

#endif
