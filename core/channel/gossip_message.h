/* gossip_message.h - what workers tell each other of presence, as bytes. For gossip.c; survey.c's users are written
 * alike. */
#ifndef CHANNEL_GOSSIP_MESSAGE_H
#define CHANNEL_GOSSIP_MESSAGE_H

#include "base/buffer.h"
#include "channel/presence.h"

enum gossip_kind {
    GOSSIP_ASK = 1,  /* on a channel's topic: tell the whole; on a user's: his word */
    GOSSIP_TELL = 2, /* on a channel's topic: what changed */
    GOSSIP_WORD = 3, /* on a user's topic: what he says of himself */
    GOSSIP_HELLO = 4 /* on everyone's: a worker has begun */,
    GOSSIP_FAREWELL = 5, /* on everyone's: a worker will end */
    GOSSIP_PASS = 6,     /* on a channel's: as TELL, of a worker that does not listen there */
    /* These on a worker's topic, of what two workers told each other. */
    GOSSIP_DIGEST = 7,  /* is it the same? */
    GOSSIP_COMPARE = 8, /* it is not: in which buckets? */
    GOSSIP_LIST = 9,    /* in these, and this is all that I told there */
    GOSSIP_KIND_MAX = GOSSIP_LIST
};

/* Followed by entries. */
struct gossip_tell {
    uint64_t from, to; /* leads from what `from` was to what `to` is; from 0: the whole; the same: nothing changed */
    uint64_t online;   /* of the worker's own, in all */
    bool names;        /* false: no entries, the channel is large */
    struct slice entries;
};
struct gossip_entry {
    struct slice user_id;
    bool is_online;
    struct presence_word word;
};

/* Sums over all channels of which one worker told the other one (gossip_views.h), by the channels' hashes. */
enum { GOSSIP_BUCKETS = 64 };
struct gossip_digest {
    uint64_t told, heard; /* all that the writer told the reader, and heard of it */
    uint64_t within_ms;   /* the next one comes */
};
/* Of a list. */
struct gossip_listed {
    struct slice channel_id;
    uint64_t version;
    bool is_known; /* the reader listens there, as the writer knows */
};

void gossip_write_ask(struct buffer *out, struct slice worker_id_or_none);
/* kind: TELL or PASS. */
void gossip_write_tell(struct buffer *out, enum gossip_kind kind, const struct gossip_tell *head);
void gossip_write_entry(struct buffer *out, const struct gossip_entry *entry);
void gossip_write_word(struct buffer *out, const struct presence_word *word);
void gossip_write_kind(struct buffer *out, enum gossip_kind kind);
void gossip_write_digest(struct buffer *out, const struct gossip_digest *digest);
void gossip_write_compare(struct buffer *out, const uint64_t sums[GOSSIP_BUCKETS]);
/* buckets: a bit for each. Followed by what is listed. */
void gossip_write_list(struct buffer *out, uint64_t buckets);
void gossip_write_listed(struct buffer *out, const struct gossip_listed *listed);

/* The kind is taken off body; 0: it is none. */
enum gossip_kind gossip_read_kind(struct slice *body);
bool gossip_read_ask(struct slice body, struct slice *worker_id_r) MUST_CHECK;
/* All entries are sound. */
bool gossip_read_tell(struct slice body, struct gossip_tell *tell_r) MUST_CHECK;
/* False: there is no further one. */
bool gossip_read_entry(struct slice *entries, struct gossip_entry *entry_r) MUST_CHECK;
bool gossip_read_digest(struct slice body, struct gossip_digest *digest_r) MUST_CHECK;
bool gossip_read_compare(struct slice body, uint64_t sums_r[GOSSIP_BUCKETS]) MUST_CHECK;
/* All entries are sound. */
bool gossip_read_list(struct slice body, uint64_t *buckets_r, struct slice *entries_r) MUST_CHECK;
/* False: there is no further one. */
bool gossip_read_listed(struct slice *entries, struct gossip_listed *listed_r) MUST_CHECK;
bool gossip_read_word(struct slice body, struct presence_word *word_r) MUST_CHECK;

#endif
