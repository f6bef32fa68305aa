/* SPDX-License-Identifier: Apache-2.0 */
/* fake_log_store.h - an in-memory store of channel logs for several workers in one test; answers in the next turn. */
#ifndef TESTS_FAKE_LOG_STORE_H
#define TESTS_FAKE_LOG_STORE_H

#include "loop/loop.h"
#include "store/store_driver.h"

enum { FAKE_CHANNELS_MAX = 4096 };

/* Events are ["message:new",{"seq":N,"epoch":EPOCH}]. A channel begins with its first append; an append with the last
 * event's client id is its duplicate. */
struct fake_log_store {
    struct store store;
    struct loop *loop;
    struct list submitted;
    struct loop_task task;
    struct fake_head {
        char id[65];
        int64_t seq;
        char client_id[65]; /* of the last event */
    } heads[FAKE_CHANNELS_MAX];
    size_t heads_len;
    struct map *by_id;
    const char *epoch; /* "1-a"; any other is a fork after seq `fork` of every channel */
    int64_t fork;
    bool is_away;   /* answers UNAVAILABLE */
    bool is_silent; /* answers nothing until fake_log_store_done */
    unsigned parts; /* spreads channel ids over that many parts by their last character; 0: one part */
    int stalled;    /* the part that does not answer queries of heads, alone or with other parts; -1: none */
    unsigned event_reads, head_queries, heads_asked;
    size_t padding; /* extra bytes in each event */
};

void fake_log_store_init(struct fake_log_store *fake, struct loop *loop);
/* Answers the remaining requests. */
void fake_log_store_done(struct fake_log_store *fake);
/* The stalled part answers again. */
void fake_log_store_go_on(struct fake_log_store *fake);
/* Commits an event that nobody publishes; returns its number. */
int64_t fake_log_store_commit(struct fake_log_store *fake, struct slice channel_id);
void fake_log_store_write_event(const struct fake_log_store *fake, int64_t seq, struct buffer *out);

#endif
