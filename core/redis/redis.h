/* SPDX-License-Identifier: Apache-2.0 */
/* redis.h - one Redis, whatever it is made of: a standalone server, what the Sentinels say, or a Cluster.
 *
 * Commands are pipelined; what a loop turn asked leaves in one write a connection. Publishing has connections of its
 * own. Redirects, failovers and reconnecting happen here: an asker sees an answer, an error of the server, or
 * REDIS_UNAVAILABLE, the latest at its deadline. While a server is away (its connection is lost and dialling failed)
 * its commands are refused at once. Commands that change a connection (SUBSCRIBE, MULTI, SELECT, a blocking read) are
 * not for here. Knows nothing of chat.
 */
#ifndef REDIS_REDIS_H
#define REDIS_REDIS_H

#include <stdint.h>

#include "base/slice.h"

struct loop;
struct redis;
struct redis_request;

enum redis_mode { REDIS_STANDALONE, REDIS_SENTINEL, REDIS_CLUSTER };

/* 0 stands for the default. Strings are copied. */
struct redis_settings {
    enum redis_mode mode;
    const char *const *nodes; /* "host:port"; STANDALONE: one; SENTINEL: the Sentinels; CLUSTER: any of its nodes */
    size_t nodes_len;
    const char *master;          /* SENTINEL: what the Sentinels call it */
    const char *user, *password; /* ACL; user NULL: the default user; password NULL: no AUTH */
    size_t pending_bytes;        /* commands that wait or are unanswered; beyond, refused as "full"; 16 MiB */
    size_t reply_bytes;          /* a larger reply ends the connection; 64 MiB */
    unsigned deadline_ms;        /* of a command whose call names none; 1,000 */
    unsigned connect_ms;         /* of a dial, name look-up and AUTH included; 2,000 */
};

/* A reply; nested ones in items. Nothing of it outlives the call that shows it. */
enum redis_type { REDIS_NIL, REDIS_INTEGER, REDIS_STRING, REDIS_ARRAY, REDIS_ERROR };
struct redis_value {
    enum redis_type type;
    int64_t integer;   /* INTEGER */
    struct slice text; /* STRING (bulk or status), ERROR: "CODE words" */
    const struct redis_value *items;
    size_t items_len; /* ARRAY */
};

enum redis_status {
    REDIS_DONE,       /* value is the reply */
    REDIS_FAILED,     /* value is the server's error, type REDIS_ERROR */
    REDIS_UNAVAILABLE /* reason: "deadline", "full", "away", "lost", "memory"; value is NULL */
};
struct redis_answer {
    enum redis_status status;
    const struct redis_value *value;
    const char *reason;
    bool unsure; /* UNAVAILABLE: it may have been executed all the same */
};

/* Embedded in the asker, who sets the first three; {0} is an idle one. */
struct redis_call {
    /* Once for each command, never within the call that asked; may ask again with the same redis_call. */
    void (*done)(struct redis_call *call, const struct redis_answer *answer);
    unsigned deadline_ms;          /* 0: the settings' */
    bool repeatable;               /* may be executed twice: sent again when a connection ends before the answer */
    struct redis_request *request; /* the driver's; NULL: not under way */
};

struct redis_events {
    /* Up: each primary that is known has a ready command connection. Starts down. */
    void (*changed)(void *owner, bool up);
};

/* Dials at once, and for ever. events may be NULL; it outlives redis. */
struct redis *redis_new(struct loop *loop, const struct redis_settings *settings, const struct redis_events *events,
                        void *owner);
/* Calls under way are forgotten. Not within one of its callbacks. */
void redis_free(struct redis **redis);
bool redis_is_up(const struct redis *redis);

/* argv as REDIS_ARGS(SLICE("GET"), key). key routes it: one of its keys (all have one slot); SLICE_NONE: any primary.
 * Arguments are copied. call NULL: nobody waits for the answer. */
#define REDIS_ARGS(...) \
    (const struct slice[]){__VA_ARGS__}, sizeof((const struct slice[]){__VA_ARGS__}) / sizeof(struct slice)
void redis_command(struct redis *redis, struct redis_call *call, struct slice key, const struct slice *argv,
                   size_t argc);
/* Lua that Redis runs: by its SHA-1, and by its text where a server does not know it yet. Filled once by
 * redis_script_init; outlives the calls. */
struct redis_script {
    struct slice text;
    char sha1[41];
};
/* text is borrowed for ever: a literal. */
void redis_script_init(struct redis_script *script, struct slice text);
/* As redis_command; all keys have one slot, the first one routes. Keys and arguments are copied. */
void redis_eval(struct redis *redis, struct redis_call *call, const struct redis_script *script,
                const struct slice *keys, size_t keys_len, const struct slice *args, size_t args_len);
/* SPUBLISH or PUBLISH. Those of one topic arrive in their order while no slot moves. call may be NULL. */
void redis_publish(struct redis *redis, struct redis_call *call, bool sharded, struct slice topic,
                   struct slice payload);
/* done will not be called. Harmless when nothing is under way. */
void redis_forget(struct redis_call *call);

#endif
