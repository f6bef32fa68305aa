/* SPDX-License-Identifier: Apache-2.0 */
/* redis_stage.h - a loop on which a redis under test talks to servers: scripted ones of this process, and real ones. */
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

/* Turns the loop until it holds; fails the test after STAGE_PATIENCE_MS. */
#define stage_until(condition)                                                                   \
    do {                                                                                         \
        uint64_t stage_end_ms = loop_now_ms(stage_loop) + STAGE_PATIENCE_MS;                     \
        while (!(condition)) {                                                                   \
            if (loop_now_ms(stage_loop) > stage_end_ms) fail_msg("not in time: %s", #condition); \
            stage_turn();                                                                        \
        }                                                                                        \
    } while (0)
/* One turn; waits for a moment when there is nothing to do. */
void stage_turn(void);
/* For so long, whatever happens. */
void stage_pass(unsigned ms);

/* A call that remembers its answer. */
struct asked {
    struct redis_call call;
    unsigned answers;
    enum redis_status status;
    char reason[32];
    bool unsure;
    enum redis_type type;
    int64_t integer;
    char text[512]; /* of a string or an error; an array: its items, separated by spaces */
};
/* Zeroed; deadline of ten seconds. */
void asked_init(struct asked *asked);
/* The command's words are separated by spaces; the second one routes it, unless there is none or it begins with "-". */
void ask(struct redis *redis, struct asked *asked, const char *command);
/* Asks and waits. */
struct asked answer_to(struct redis *redis, const char *command);

/* A server that says what the test lets it say. */
struct fake_client;
struct fake_server {
    int port;
    char address[32];
    /* Each command, as its words separated by spaces. Default (NULL): fake_default. */
    void (*on_command)(struct fake_client *client, const char *command);
    bool swallows;                     /* takes bytes, says nothing: a black hole */
    unsigned connections, open;        /* so far; at present */
    unsigned reads, lookups, commands; /* pieces of bytes; CLUSTER SLOTS; what is neither that nor a greeting */
    char last[256];                    /* of the commands */
    struct fake_state *state;
};
void fake_start(struct fake_server *server);
/* The same port again after fake_stop: port is kept. */
void fake_restart(struct fake_server *server);
/* Closes its port and all connections. */
void fake_stop(struct fake_server *server);
void fake_say(struct fake_client *client, const char *bytes);
void fake_say_bytes(struct fake_client *client, const char *bytes, size_t len);
void fake_hang_up(struct fake_client *client);
struct fake_server *fake_of(struct fake_client *client);
/* PING, AUTH, ROLE (of a master): answered. False: something else. */
bool fake_greets(struct fake_client *client, const char *command);
/* Greets; "+OK" to all else. */
void fake_default(struct fake_client *client, const char *command);

struct redis *redis_to(enum redis_mode mode, const char *const *nodes, size_t len);
#define REDIS_TO(mode, ...) \
    redis_to(mode, (const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

/* A subscriber, and what it heard: "+topic" subscribed, "-topic" lost, "topic=payload" (of a pattern
 * "pattern>topic=payload"), each followed by a space. */
struct ears {
    struct subscriber *subscriber;
    struct buffer heard;
    unsigned messages, subscribed, lost;
};
void ears_open(struct ears *ears, struct redis *redis);
void ears_close(struct ears *ears);
/* And forgets it. */
bool ears_heard(struct ears *ears, const char *text);

/* Real servers: those of tests/servers/redis.sh in the folder that the environment names; ports_r from its file. */
size_t real_ports(const char *file, int *ports_r, size_t max);
/* What redis-cli prints, up to 64 KiB; the caller's. The arguments as in printf. */
char *redis_cli(int port, const char *format, ...) __attribute__((format(printf, 2, 3)));
void real_kill(int port);
void real_signal(int port, int signal_number);
void real_start(int port);
/* Their wall clocks are so far ahead of the machine's from now on. */
void real_set_clock(long long ahead_ms);

int stage_set_up(void **state);
/* A clock that runs fast while nothing happens: for what takes minutes. Servers are as quick as ever. */
int stage_set_up_in_haste(void **state);
int stage_tear_down(void **state);

#endif
