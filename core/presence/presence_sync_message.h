/* SPDX-License-Identifier: Apache-2.0 */
/* presence_sync_message.h - the byte format of presence messages between workers. For presence_sync.c; survey.c writes
 * users in the same format. */
#ifndef PRESENCE_PRESENCE_SYNC_MESSAGE_H
#define PRESENCE_PRESENCE_SYNC_MESSAGE_H

#include "base/buffer.h"
#include "presence/presence.h"

enum presence_sync_kind {
    PRESENCE_SYNC_ASK = 1,  /* on a channel's topic: send the whole list; on a user's: send the user's word */
    PRESENCE_SYNC_TELL = 2, /* on a channel's topic: what changed */
    PRESENCE_SYNC_WORD = 3, /* on a user's topic: the user's status */
    PRESENCE_SYNC_HELLO = 4 /* on the topic of all workers: a worker has begun */,
    PRESENCE_SYNC_FAREWELL = 5, /* on the topic of all workers: a worker will end */
    PRESENCE_SYNC_PASS = 6,     /* on a channel's topic: as TELL, by a worker that does not listen there */
    /* On a worker's topic, about the reports of two workers to each other: */
    PRESENCE_SYNC_DIGEST = 7,  /* are both sides' sums equal? */
    PRESENCE_SYNC_COMPARE = 8, /* they differ: in which buckets? */
    PRESENCE_SYNC_LIST = 9,    /* in these; followed by all that the writer told there */
    PRESENCE_SYNC_KIND_MAX = PRESENCE_SYNC_LIST
};

/* Followed by entries. */
struct presence_sync_tell {
    uint64_t from, to; /* versions: the change from `from` to `to`; from 0: the whole list; equal: nothing changed */
    uint64_t online;   /* total of the worker's own users */
    bool names;        /* false: no entries, the channel is large */
    struct slice entries;
};
struct presence_sync_entry {
    struct slice user_id;
    bool is_online;
    struct presence_word word;
};

/* Sums over all channels that one worker reported to the other (presence_sync_views.h), by the channels' hashes. */
enum { PRESENCE_SYNC_BUCKETS = 64 };
struct presence_sync_digest {
    uint64_t told, heard; /* sums of what the writer told the reader, and heard from it */
    uint64_t within_ms;   /* the next digest comes within this time */
};
/* One channel of a list. */
struct presence_sync_listed {
    struct slice channel_id;
    uint64_t version;
    bool is_known; /* the writer knows that the reader listens there */
};

void presence_sync_write_ask(struct buffer *out, struct slice worker_id_or_none);
/* kind: TELL or PASS. */
void presence_sync_write_tell(struct buffer *out, enum presence_sync_kind kind, const struct presence_sync_tell *head);
void presence_sync_write_entry(struct buffer *out, const struct presence_sync_entry *entry);
void presence_sync_write_word(struct buffer *out, const struct presence_word *word);
void presence_sync_write_kind(struct buffer *out, enum presence_sync_kind kind);
void presence_sync_write_digest(struct buffer *out, const struct presence_sync_digest *digest);
void presence_sync_write_compare(struct buffer *out, const uint64_t sums[PRESENCE_SYNC_BUCKETS]);
/* buckets: a bit for each. Followed by the listed channels. */
void presence_sync_write_list(struct buffer *out, uint64_t buckets);
void presence_sync_write_listed(struct buffer *out, const struct presence_sync_listed *listed);

/* Takes the kind off body; 0: invalid. */
enum presence_sync_kind presence_sync_read_kind(struct slice *body);
bool presence_sync_read_ask(struct slice body, struct slice *worker_id_r) MUST_CHECK;
/* All entries are sound. */
bool presence_sync_read_tell(struct slice body, struct presence_sync_tell *tell_r) MUST_CHECK;
/* False: there is no further one. */
bool presence_sync_read_entry(struct slice *entries, struct presence_sync_entry *entry_r) MUST_CHECK;
bool presence_sync_read_digest(struct slice body, struct presence_sync_digest *digest_r) MUST_CHECK;
bool presence_sync_read_compare(struct slice body, uint64_t sums_r[PRESENCE_SYNC_BUCKETS]) MUST_CHECK;
/* All entries are sound. */
bool presence_sync_read_list(struct slice body, uint64_t *buckets_r, struct slice *entries_r) MUST_CHECK;
/* False: there is no further one. */
bool presence_sync_read_listed(struct slice *entries, struct presence_sync_listed *listed_r) MUST_CHECK;
bool presence_sync_read_word(struct slice body, struct presence_word *word_r) MUST_CHECK;

#endif
