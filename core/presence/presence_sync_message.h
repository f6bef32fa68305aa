/* SPDX-License-Identifier: Apache-2.0 */
/* presence_sync_message.h - what workers tell each other of presence, as bytes. For presence_sync.c; survey.c's users
 * are written alike. */
#ifndef PRESENCE_PRESENCE_SYNC_MESSAGE_H
#define PRESENCE_PRESENCE_SYNC_MESSAGE_H

#include "base/buffer.h"
#include "presence/presence.h"

enum presence_sync_kind {
    PRESENCE_SYNC_ASK = 1,  /* on a channel's topic: tell the whole; on a user's: his word */
    PRESENCE_SYNC_TELL = 2, /* on a channel's topic: what changed */
    PRESENCE_SYNC_WORD = 3, /* on a user's topic: what he says of himself */
    PRESENCE_SYNC_HELLO = 4 /* on everyone's: a worker has begun */,
    PRESENCE_SYNC_FAREWELL = 5, /* on everyone's: a worker will end */
    PRESENCE_SYNC_PASS = 6,     /* on a channel's: as TELL, of a worker that does not listen there */
    /* These on a worker's topic, of what two workers told each other. */
    PRESENCE_SYNC_DIGEST = 7,  /* is it the same? */
    PRESENCE_SYNC_COMPARE = 8, /* it is not: in which buckets? */
    PRESENCE_SYNC_LIST = 9,    /* in these, and this is all that I told there */
    PRESENCE_SYNC_KIND_MAX = PRESENCE_SYNC_LIST
};

/* Followed by entries. */
struct presence_sync_tell {
    uint64_t from, to; /* leads from what `from` was to what `to` is; from 0: the whole; the same: nothing changed */
    uint64_t online;   /* of the worker's own, in all */
    bool names;        /* false: no entries, the channel is large */
    struct slice entries;
};
struct presence_sync_entry {
    struct slice user_id;
    bool is_online;
    struct presence_word word;
};

/* Sums over all channels of which one worker told the other one (presence_sync_views.h), by the channels' hashes. */
enum { PRESENCE_SYNC_BUCKETS = 64 };
struct presence_sync_digest {
    uint64_t told, heard; /* all that the writer told the reader, and heard of it */
    uint64_t within_ms;   /* the next one comes */
};
/* Of a list. */
struct presence_sync_listed {
    struct slice channel_id;
    uint64_t version;
    bool is_known; /* the reader listens there, as the writer knows */
};

void presence_sync_write_ask(struct buffer *out, struct slice worker_id_or_none);
/* kind: TELL or PASS. */
void presence_sync_write_tell(struct buffer *out, enum presence_sync_kind kind, const struct presence_sync_tell *head);
void presence_sync_write_entry(struct buffer *out, const struct presence_sync_entry *entry);
void presence_sync_write_word(struct buffer *out, const struct presence_word *word);
void presence_sync_write_kind(struct buffer *out, enum presence_sync_kind kind);
void presence_sync_write_digest(struct buffer *out, const struct presence_sync_digest *digest);
void presence_sync_write_compare(struct buffer *out, const uint64_t sums[PRESENCE_SYNC_BUCKETS]);
/* buckets: a bit for each. Followed by what is listed. */
void presence_sync_write_list(struct buffer *out, uint64_t buckets);
void presence_sync_write_listed(struct buffer *out, const struct presence_sync_listed *listed);

/* The kind is taken off body; 0: it is none. */
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
