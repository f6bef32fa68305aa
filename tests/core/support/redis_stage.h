/* SPDX-License-Identifier: Apache-2.0 */
/* redis_stage.h - a loop on which a redis under test talks to servers: scripted ones in this process, and real ones. */
#ifndef TESTS_REDIS_STAGE_H
#define TESTS_REDIS_STAGE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "loop/loop.h"
#include "redis/redis.h"
#include "redis/subscriber.h"

extern struct loop *stage_loop;

enum { STAGE_PATIENCE_MS = 20000 };

/* Turns the loop until the condition holds; fails the test after STAGE_PATIENCE_MS. */
#define stage_until(condition)                                                                   \
    do {                                                                                         \
        uint64_t stage_end_ms = loop_now_ms(stage_loop) + STAGE_PATIENCE_MS;                     \
        while (!(condition)) {                                                                   \
            if (loop_now_ms(stage_loop) > stage_end_ms) fail_msg("not in time: %s", #condition); \
            stage_turn();                                                                        \
        }                                                                                        \
    } while (0)
/* One turn; sleeps briefly when there was no work. */
void stage_turn(void);
/* Turns the loop for that long, whatever happens. */
void stage_pass(unsigned ms);

/* A call that keeps its answer. */
struct asked {
    struct redis_call call;
    unsigned answers;
    enum redis_status status;
    char reason[32];
    bool unsure;
    enum redis_type type;
    int64_t integer;
    char text[512]; /* of a string or an error; for an array its items, separated by spaces */
};
/* Zeroes it and sets a deadline of ten seconds. */
void asked_init(struct asked *asked);
/* The command's words are separated by spaces; the second one is the routing key, unless it is missing or begins with
 * "-". */
void ask(struct redis *redis, struct asked *asked, const char *command);
/* Sends a command and waits for the answer. */
struct asked answer_to(struct redis *redis, const char *command);

/* A server with scripted answers. */
struct fake_client;
struct fake_server {
    int port;
    char address[32];
    /* Called for each command, with its words separated by spaces. Default (NULL): fake_default. */
    void (*on_command)(struct fake_client *client, const char *command);
    bool swallows;                     /* accepts bytes and never answers */
    unsigned connections, open;        /* total; current */
    unsigned reads, lookups, commands; /* socket reads; CLUSTER SLOTS; other commands but greetings */
    char last[256];                    /* the last command */
    struct fake_state *state;
};
void fake_start(struct fake_server *server);
/* Listens again after fake_stop, on the same port. */
void fake_restart(struct fake_server *server);
/* Closes its port and all connections. */
void fake_stop(struct fake_server *server);
void fake_say(struct fake_client *client, const char *bytes);
void fake_say_bytes(struct fake_client *client, const char *bytes, size_t len);
void fake_hang_up(struct fake_client *client);
struct fake_server *fake_of(struct fake_client *client);
/* Answers PING, AUTH and ROLE (as a master). False: another command. */
bool fake_greets(struct fake_client *client, const char *command);
/* Answers greetings, and "+OK" to all other commands. */
void fake_default(struct fake_client *client, const char *command);

struct redis *redis_to(enum redis_mode mode, const char *const *nodes, size_t len);
#define REDIS_TO(mode, ...) \
    redis_to(mode, (const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

/* A subscriber and a record of its events: "+topic" subscribed, "-topic" lost, "topic=payload" (of a pattern
 * "pattern>topic=payload"), each followed by a space. */
struct ears {
    struct subscriber *subscriber;
    struct buffer heard;
    unsigned messages, subscribed, lost;
};
void ears_open(struct ears *ears, struct redis *redis);
void ears_close(struct ears *ears);
/* True: the record contains text; the record is then cleared. */
bool ears_heard(struct ears *ears, const char *text);

/* The real servers of tests/servers/redis.sh, in the folder that the environment names; ports_r: read from `file`
 * there. */
size_t real_ports(const char *file, int *ports_r, size_t max);
/* The output of redis-cli, up to 64 KiB; the caller frees. Arguments as in printf. */
char *redis_cli(int port, const char *format, ...) __attribute__((format(printf, 2, 3)));
void real_kill(int port);
void real_signal(int port, int signal_number);
void real_start(int port);
/* From now on their wall clocks are that far ahead of the machine's. */
void real_set_clock(long long ahead_ms);

int stage_set_up(void **state);
/* A clock that runs fast while the loop is idle: for tests of things that take minutes. Servers keep their speed. */
int stage_set_up_in_haste(void **state);
int stage_tear_down(void **state);

#endif
