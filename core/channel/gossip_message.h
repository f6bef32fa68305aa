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
    GOSSIP_FAREWELL = 5 /* on everyone's: a worker will end */
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

void gossip_write_ask(struct buffer *out, struct slice worker_id_or_none);
void gossip_write_tell(struct buffer *out, const struct gossip_tell *head);
void gossip_write_entry(struct buffer *out, const struct gossip_entry *entry);
void gossip_write_word(struct buffer *out, const struct presence_word *word);
void gossip_write_kind(struct buffer *out, enum gossip_kind kind);

/* The kind is taken off body; 0: it is none. */
enum gossip_kind gossip_read_kind(struct slice *body);
bool gossip_read_ask(struct slice body, struct slice *worker_id_r) MUST_CHECK;
/* All entries are sound. */
bool gossip_read_tell(struct slice body, struct gossip_tell *tell_r) MUST_CHECK;
/* False: there is no further one. */
bool gossip_read_entry(struct slice *entries, struct gossip_entry *entry_r) MUST_CHECK;
bool gossip_read_word(struct slice body, struct presence_word *word_r) MUST_CHECK;

#endif
