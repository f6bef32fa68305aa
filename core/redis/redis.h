/* SPDX-License-Identifier: Apache-2.0 */
/* redis.h - a client for one Redis: a standalone server, one found through Sentinels, or a Cluster.
 *
 * Commands are pipelined; the commands of one loop turn leave in one write per connection. Publishing has connections
 * of its own. Redirects, failovers and reconnecting are handled here: the caller gets a reply, the server's error, or
 * REDIS_UNAVAILABLE, at its deadline at the latest. While a server is away (its connection is lost and dialling
 * failed), its commands are refused at once. Do not use commands that change a connection's state (SUBSCRIBE, MULTI,
 * SELECT, a blocking read). Knows nothing about chat.
 */
#ifndef REDIS_REDIS_H
#define REDIS_REDIS_H

#include <stdint.h>

#include "base/slice.h"

struct loop;
struct redis;
struct redis_request;

enum redis_mode { REDIS_STANDALONE, REDIS_SENTINEL, REDIS_CLUSTER };

/* 0 means the default. Strings are copied. */
struct redis_settings {
    enum redis_mode mode;
    const char *const *nodes; /* "host:port"; STANDALONE: one; SENTINEL: the Sentinels; CLUSTER: any of its nodes */
    size_t nodes_len;
    const char *master;          /* SENTINEL: the name that the Sentinels use */
    const char *user, *password; /* ACL; user NULL: the default user; password NULL: no AUTH */
    size_t pending_bytes;        /* bound of commands not answered yet; beyond it, refused as "full"; 16 MiB */
    size_t reply_bytes;          /* a larger reply ends the connection; 64 MiB */
    unsigned deadline_ms;        /* of a command whose call has none; 1,000 */
    unsigned connect_ms;         /* for a dial, including name look-up and AUTH; 2,000 */
};

/* A reply; nested ones are in items. Valid only during the callback. */
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
    bool unsure; /* UNAVAILABLE: the command may have been executed */
};

/* Embedded in the caller, which sets the first three; {0} is idle. */
struct redis_call {
    /* Once for each command, never within the call that sent it; may send another command with the same redis_call. */
    void (*done)(struct redis_call *call, const struct redis_answer *answer);
    unsigned deadline_ms;          /* 0: as in the settings */
    bool repeatable;               /* may be executed twice: sent again if the connection ends before the answer */
    struct redis_request *request; /* owned by redis; NULL: no command is pending */
};

struct redis_events {
    /* Up: each known primary has a ready command connection. Initially down. */
    void (*changed)(void *owner, bool up);
};

/* Dials at once, and keeps redialling. events may be NULL; they must outlive redis. */
struct redis *redis_new(struct loop *loop, const struct redis_settings *settings, const struct redis_events *events,
                        void *owner);
/* Pending calls are forgotten. Do not call from one of its callbacks. */
void redis_free(struct redis **redis);
bool redis_is_up(const struct redis *redis);

/* argv as REDIS_ARGS(SLICE("GET"), key). key selects the server: any of the command's keys (all in one slot);
 * SLICE_NONE: any primary. Arguments are copied. call NULL: no answer is wanted. */
#define REDIS_ARGS(...) \
    (const struct slice[]){__VA_ARGS__}, sizeof((const struct slice[]){__VA_ARGS__}) / sizeof(struct slice)
void redis_command(struct redis *redis, struct redis_call *call, struct slice key, const struct slice *argv,
                   size_t argc);
/* A Lua script that Redis runs: sent by its SHA-1, or as text if the server does not know it yet. redis_script_init
 * fills it once; it must outlive the calls. */
struct redis_script {
    struct slice text;
    char sha1[41];
};
/* text must stay valid for ever: a literal. */
void redis_script_init(struct redis_script *script, struct slice text);
/* As redis_command; all keys must be in one slot, and the first one selects the server. Keys and arguments are
 * copied. */
void redis_eval(struct redis *redis, struct redis_call *call, const struct redis_script *script,
                const struct slice *keys, size_t keys_len, const struct slice *args, size_t args_len);
/* Uses SPUBLISH or PUBLISH. Messages of one topic arrive in order while no slot moves. call may be NULL. */
void redis_publish(struct redis *redis, struct redis_call *call, bool sharded, struct slice topic,
                   struct slice payload);
/* done will not be called. Harmless when no command is pending. */
void redis_forget(struct redis_call *call);

#endif
