/* SPDX-License-Identifier: Apache-2.0 */
#include "support/fuzz_redis.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/list.h"
#include "bus/bus_message.h"
#include "loop/loop.h"
#include "loop/loop_fd.h"
#include "redis/resp.h"
#include "support/change.h"
#include "support/fuzz_port.h"
#include "support/program.h"

enum { ARGUMENT_BYTES_MAX = 1 << 20, READ_MAX = 65536, HEARD = 8, TOPICS = 8 };

static const long long CLOCK_MS = 1767225600000;

struct fuzz_redis_client {
    struct list link;
    struct fuzz_redis *redis;
    int fd;
    struct loop_fd *io;
    struct resp_reader *reader; /* a command is an array of strings: what a reply may be too */
    bool listens, knows_scripts;
    struct loop_task reap;
};

/* What was published. */
struct fuzz_redis_heard {
    bool is_sharded;
    struct buffer topic, payload;
};

struct fuzz_redis {
    struct fuzz_server server;
    bool is_silent;
    unsigned lies_left; /* so many answers are lie */
    struct buffer lie, out;
    struct fuzz_redis_heard heard[HEARD];
    unsigned heard_len, topics_len;
    struct buffer topics[TOPICS]; /* that were subscribed to */
    long long clock_ms;
};

static const char *const lies[] = {
    "+OK\r\n",
    ":1\r\n",
    ":0\r\n",
    ":-1\r\n",
    "$-1\r\n",
    "*-1\r\n",
    "*0\r\n",
    "$0\r\n\r\n",
    "$5\r\nhello\r\n",
    "*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n",
    "*2\r\n:0\r\n:7\r\n",
    "*3\r\n$34\r\nv----------------------------{\"a\":1\r\n:60000\r\n:1\r\n",
    "*3\r\n$36\r\nv----------------------------{\"a\":1}\r\n\r\n:60000\r\n:1\r\n",
    "*7\r\n:0\r\n:1767225600000\r\n:9\r\n:2\r\n:1\r\n$6\r\nn2.0.x\r\n:1\r\n",
    "*7\r\n:1\r\n:1767225600000\r\n:9\r\n:1\r\n:0\r\n$6\r\nn2.0.x\r\n:0\r\n",
    "*5\r\n:9223372036854775807\r\n:-9223372036854775808\r\n:9223372036854775807\r\n:-1\r\n:1\r\n",
    "*1\r\n$40\r\n[\"message:new\",{\"seq\":1,\"content\":\"lie\"}]\r\n",
    "*1\r\n*4\r\n:90\r\n:75\r\n:100\r\n:0\r\n",
    "*1\r\n*4\r\n:99\r\n:75\r\n:100\r\n:0\r\n",
    "-ERR unknown command\r\n",
    "-NOSCRIPT No matching script\r\n",
    "-LOADING Redis is loading\r\n",
    "-READONLY You can't write\r\n",
    "-OOM command not allowed\r\n",
    "-NOAUTH Authentication required.\r\n",
    "-MOVED 1 127.0.0.1:1\r\n",
    "-ASK 16383 127.0.0.1:1\r\n",
    "-CLUSTERDOWN The cluster is down\r\n",
    "-TRYAGAIN later\r\n",
    "+PONG\r\n",
    "$99999999999\r\n",
    "*2147483647\r\n",
    "*3\r\n$9\r\nsubscribe\r\n$1\r\nx\r\n:1\r\n",
    "!nonsense\r\n",
};
#define LITERAL(text) \
    { text, sizeof(text) - 1 }
/* What servers of Node.js say, in both forms of their adapter. */
static const struct {
    const char *pattern, *topic; /* no pattern: sharded, if it begins with "s:", or classic */
    struct slice payload;
} node_says[] = {
    {"socket.io#/#*", "socket.io#/#lobby#",
     LITERAL("\x93\xa7"
             "emitter\x83\xa4type\x02\xa4"
             "data\x92\xa2hi\xc4\x02\x01\x02\xa3nsp\xa1/\x82\xa5rooms\x91\xa5"
             "attic\xa5"
             "flags\xd4\x00\x00")},
    {NULL, "socket.io-request#/#", LITERAL("{\"uid\":\"u\",\"requestId\":\"q\",\"type\":0,\"rooms\":[]}")},
    {NULL, "socket.io-request#/#", LITERAL("{\"uid\":\"u\",\"requestId\":\"q\",\"type\":1}")},
    {NULL, "socket.io-request#/#",
     LITERAL("{\"uid\":\"u\",\"type\":2,\"opts\":{\"rooms\":[],\"except\":[]},\"rooms\":[\"attic\"]}")},
    {NULL, "socket.io-request#/#",
     LITERAL("{\"uid\":\"u\",\"type\":3,\"opts\":{\"rooms\":[\"attic\"],\"except\":[]},\"rooms\":[\"attic\"]}")},
    {NULL, "socket.io-request#/#",
     LITERAL("{\"uid\":\"u\",\"type\":4,\"opts\":{\"rooms\":[],\"except\":[\"x\"]},\"close\":true}")},
    {NULL, "socket.io-request#/#",
     LITERAL("{\"uid\":\"u\",\"requestId\":\"q\",\"type\":5,\"opts\":{\"rooms\":[],\"except\":[]}}")},
    {NULL, "socket.io-request#/#", LITERAL("{\"uid\":\"u\",\"requestId\":\"q\",\"type\":6,\"data\":[\"hello\",1]}")},
    {NULL, "s:socket.io#/#",
     LITERAL("{\"uid\":\"00112233445566ff\",\"nsp\":\"/\",\"type\":3,\"data\":{\"opts\":{\"rooms\":[\"attic\",7],"
             "\"except\":[],\"flags\":{\"timeout\":9}},\"packet\":{\"type\":2,\"data\":[\"hi\"],\"nsp\":\"/\"},"
             "\"requestId\":\"r1\"}}")},
    {NULL, "s:socket.io#/#",
     LITERAL("{\"uid\":\"00112233445566ff\",\"nsp\":\"/\",\"type\":8,\"data\":{\"opts\":{\"rooms\":[],\"except\":[]},"
             "\"requestId\":\"r2\",\"rooms\":[\"attic\"],\"packet\":[\"hello\"]}}")},
};
#define LEN(table) (sizeof(table) / sizeof *(table))

const char *fuzz_redis_address(void) {
    static char address[32];
    snprintf(address, sizeof address, "127.0.0.1:%d", fuzz_port(PORT_REDIS));
    return address;
}

/* ---- answers */

static void send_bytes(struct fuzz_redis_client *client, struct slice bytes) {
    if (client->fd >= 0 && bytes.len > 0) (void)!send(client->fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);
}

static void add_text(struct buffer *out, struct slice text) {
    buffer_printf(out, "$%zu\r\n", text.len);
    buffer_append_slice(out, text);
    buffer_append_str(out, "\r\n");
}

/* To all that listen to anything: what a worker has not subscribed to is not for it. */
static void push_to_all(struct fuzz_redis *redis, struct slice push) {
    LIST_EACH(&redis->server.clients, link) {
        struct fuzz_redis_client *client = CONTAINER(link, struct fuzz_redis_client, link);
        if (client->listens) send_bytes(client, push);
    }
}

static void tell(struct fuzz_redis *redis, const struct fuzz_redis_heard *heard) {
    struct buffer push = {0};
    buffer_append_str(&push, "*3\r\n");
    add_text(&push, heard->is_sharded ? SLICE("smessage") : SLICE("message"));
    add_text(&push, buffer_slice(&heard->topic));
    add_text(&push, buffer_slice(&heard->payload));
    push_to_all(redis, buffer_slice(&push));
    buffer_done(&push);
}

static void say_as_node(struct fuzz_redis *redis, struct program *program) {
    unsigned which = program_byte(program) % LEN(node_says);
    const char *pattern = node_says[which].pattern, *topic = node_says[which].topic;
    struct buffer push = {0}, payload = {0};
    bool is_sharded = strncmp(topic, "s:", 2) == 0;
    buffer_append_slice(&payload, node_says[which].payload);
    change(&payload, program);
    buffer_append_str(&push, pattern ? "*4\r\n" : "*3\r\n");
    add_text(&push, pattern ? SLICE("pmessage") : is_sharded ? SLICE("smessage") : SLICE("message"));
    if (pattern) add_text(&push, slice_of(pattern));
    add_text(&push, slice_of(topic + (is_sharded ? 2 : 0)));
    add_text(&push, buffer_slice(&payload));
    push_to_all(redis, buffer_slice(&push));
    buffer_done(&push);
    buffer_done(&payload);
}

static void publish(struct fuzz_redis *redis, const struct redis_value *words) {
    struct fuzz_redis_heard *heard = &redis->heard[redis->heard_len++ % HEARD];
    buffer_clear(&heard->topic);
    buffer_clear(&heard->payload);
    heard->is_sharded = resp_is(resp_item(words, 0), "SPUBLISH");
    buffer_append_slice(&heard->topic, resp_item(words, 1)->text);
    buffer_append_slice(&heard->payload, resp_item(words, 2)->text);
    buffer_append_str(&redis->out, ":1\r\n");
    tell(redis, heard);
}

static void subscribe(struct fuzz_redis_client *client, const struct redis_value *words) {
    struct buffer *out = &client->redis->out;
    struct slice command = resp_item(words, 0)->text;
    client->listens = true;
    for (size_t i = 1; i < words->items_len; i++) {
        buffer_printf(out, "*3\r\n$%zu\r\n", command.len);
        for (size_t j = 0; j < command.len; j++) buffer_append_char(out, (char)(command.ptr[j] | 0x20));
        buffer_append_str(out, "\r\n");
        add_text(out, words->items[i].text);
        buffer_append_str(out, ":1\r\n");
        struct buffer *topic = &client->redis->topics[client->redis->topics_len++ % TOPICS];
        buffer_clear(topic);
        buffer_append_slice(topic, words->items[i].text);
    }
}

/* What the server's scripts answer, by the key that they are about. */
static void evaluate(struct fuzz_redis *redis, const struct redis_value *words) {
    struct slice key = resp_item(words, 3)->text;
    struct buffer *out = &redis->out;
    if (slice_is(key, "stoa:{workers}")) {
        redis->clock_ms += 1000;
        buffer_printf(out, "*7\r\n:1\r\n:%lld\r\n:5\r\n:2\r\n:1\r\n$6\r\nn2.0.x\r\n:1\r\n", redis->clock_ms);
    } else if (key.len > 8 && memcmp(key.ptr, "stoa:{u:", 8) == 0) {
        buffer_append_str(out, "*2\r\n:1\r\n:0\r\n");
    } else if (key.len > 7 && memcmp(key.ptr, "stoa:l:", 7) == 0) {
        buffer_printf(out, "*3\r\n:%.*s\r\n:0\r\n:0\r\n", SLICE_ARG(resp_item(words, 8)->text));
    } else if (slice_is(resp_item(words, 2)->text, "0")) {
        buffer_append_str(out, "*4\r\n:0\r\n:0\r\n:0\r\n:0\r\n");
    } else {
        buffer_append_str(out, ":1\r\n");
    }
}

static void answer(struct fuzz_redis_client *client, const struct redis_value *words) {
    static const char role[] = "*1\r\n$6\r\nmaster\r\n";
    struct fuzz_redis *redis = client->redis;
    const struct redis_value *command = resp_item(words, 0);
    struct slice name = command->text;
    buffer_clear(&redis->out);
    if (resp_is(command, "PING"))
        buffer_append_str(&redis->out, client->listens ? "*2\r\n$4\r\npong\r\n$0\r\n\r\n" : "+PONG\r\n");
    else if (resp_is(command, "ROLE"))
        buffer_append_str(&redis->out, role);
    else if (resp_is(command, "CLUSTER"))
        buffer_printf(&redis->out, "*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$9\r\n127.0.0.1\r\n:%d\r\n",
                      fuzz_port(PORT_REDIS));
    else if (resp_is(command, "PUBLISH") || resp_is(command, "SPUBLISH"))
        publish(redis, words);
    else if (name.len > 8 && memcmp(name.ptr + name.len - 9, "SUBSCRIBE", 9) == 0)
        subscribe(client, words);
    else if (resp_is(command, "EVALSHA") && !client->knows_scripts)
        client->knows_scripts = true, buffer_append_str(&redis->out, "-NOSCRIPT No matching script\r\n");
    else if (resp_is(command, "EVALSHA") || resp_is(command, "EVAL"))
        evaluate(redis, words);
    else if (resp_is(command, "ZRANGEBYSCORE"))
        buffer_append_str(&redis->out, "*0\r\n");
    else
        buffer_append_str(&redis->out, resp_is(command, "DEL") ? ":1\r\n" : "+OK\r\n");
    send_bytes(client, buffer_slice(&redis->out));
}

static void command_came(struct fuzz_redis_client *client, const struct redis_value *words) {
    struct fuzz_redis *redis = client->redis;
    if (redis->is_silent) return;
    if (redis->lies_left == 0) {
        answer(client, words);
        return;
    }
    redis->lies_left--;
    send_bytes(client, buffer_slice(&redis->lie));
}

/* ---- connections */

static void free_client(struct loop_task *task) {
    struct fuzz_redis_client *client = CONTAINER(task, struct fuzz_redis_client, reap);
    loop_task_cancel(&client->reap);
    list_remove(&client->link);
    resp_reader_free(&client->reader);
    free(client);
}

static void hang_up(struct fuzz_redis_client *client) {
    if (client->fd < 0) return;
    loop_fd_free(&client->io);
    close(client->fd);
    client->fd = -1;
    loop_reap(client->redis->server.loop, &client->reap);
}

static void readable(void *owner, int fd, int what) {
    struct fuzz_redis_client *client = owner;
    static char bytes[READ_MAX];
    const struct redis_value *words;
    ssize_t len = recv(fd, bytes, sizeof bytes, 0);
    if (len <= 0) {
        hang_up(client);
        return;
    }
    resp_reader_feed(client->reader, bytes, (size_t)len);
    while (client->fd >= 0 && resp_reader_next(client->reader, &words) == RESP_WHOLE) command_came(client, words);
}

static void accepted(struct fuzz_server *server, int fd) {
    struct fuzz_redis_client *client = NEW(struct fuzz_redis_client);
    client->redis = CONTAINER(server, struct fuzz_redis, server);
    client->fd = fd;
    client->reader = resp_reader_new(ARGUMENT_BYTES_MAX);
    client->io = loop_fd_new(server->loop, fd, LOOP_READ, readable, client);
    loop_task_init(&client->reap, free_client);
    list_append(&server->clients, &client->link);
}

static void hang_up_all(struct fuzz_redis *redis) {
    LIST_EACH(&redis->server.clients, link) hang_up(CONTAINER(link, struct fuzz_redis_client, link));
}

static void go_away(struct fuzz_redis *redis) {
    hang_up_all(redis);
    fuzz_server_leave(&redis->server);
}

static void come_back(struct fuzz_redis *redis) {
    redis->is_silent = false;
    redis->lies_left = 0;
    fuzz_server_come(&redis->server);
}

struct fuzz_redis *fuzz_redis_new(struct loop *loop) {
    struct fuzz_redis *redis = NEW(struct fuzz_redis);
    redis->clock_ms = CLOCK_MS;
    fuzz_server_init(&redis->server, loop, PORT_REDIS, accepted);
    come_back(redis);
    return redis;
}

void fuzz_redis_free(struct fuzz_redis **owned) {
    struct fuzz_redis *redis = *owned;
    if (!redis) return;
    go_away(redis);
    LIST_EACH(&redis->server.clients, link) free_client(&CONTAINER(link, struct fuzz_redis_client, link)->reap);
    for (size_t i = 0; i < HEARD; i++) {
        buffer_done(&redis->heard[i].topic);
        buffer_done(&redis->heard[i].payload);
    }
    for (size_t i = 0; i < TOPICS; i++) buffer_done(&redis->topics[i]);
    buffer_done(&redis->lie);
    buffer_done(&redis->out);
    free(redis);
    *owned = NULL;
}

/* ---- what befalls it */

/* A wrong answer: one of the table's, perhaps changed, or bytes of the program. */
static void make_up(struct fuzz_redis *redis, struct program *program) {
    unsigned which = program_byte(program);
    buffer_clear(&redis->lie);
    if (which & 128)
        buffer_append_slice(&redis->lie, program_bytes(program));
    else
        buffer_append_str(&redis->lie, lies[which % LEN(lies)]);
    change(&redis->lie, program);
}

/* Says again what a worker said, as if another one had: perhaps changed, of another kind, on another topic. */
static void forge(struct fuzz_redis *redis, struct program *program) {
    static const char other[] = "n2.0.x";
    unsigned most = redis->heard_len < HEARD ? redis->heard_len : HEARD;
    if (most == 0) return;
    unsigned which = program_byte(program);
    struct fuzz_redis_heard *heard = &redis->heard[which % most], forged = {.is_sharded = heard->is_sharded};
    struct slice payload = buffer_slice(&heard->payload), origin = bus_message_origin(payload);
    const struct buffer *topic = which & 64 ? &redis->topics[which / 8 % TOPICS] : &heard->topic;
    buffer_append_slice(&forged.topic, buffer_slice(topic));
    if (origin.len > 0) {
        size_t before = (size_t)(origin.ptr - payload.ptr);
        buffer_append(&forged.payload, payload.ptr, before);
        if (which & 128) forged.payload.ptr[2] = (char)(which / 8 % BUS_KINDS);
        forged.payload.ptr[3] = sizeof other - 1;
        buffer_append_str(&forged.payload, other);
        payload = slice_from(payload, before + origin.len);
    }
    buffer_append_slice(&forged.payload, payload);
    change(&forged.payload, program);
    tell(redis, &forged);
    buffer_done(&forged.topic);
    buffer_done(&forged.payload);
}

void fuzz_redis_step(struct fuzz_redis *redis, struct program *program) {
    unsigned what = program_byte(program);
    switch (what % 8) {
        case 0:
            go_away(redis);
            break;
        case 1:
            come_back(redis);
            break;
        case 2:
            hang_up_all(redis);
            break;
        case 3:
            redis->is_silent = !redis->is_silent;
            break;
        case 4:
            make_up(redis, program);
            redis->lies_left = what / 8;
            break;
        case 5: /* nobody has asked */
            make_up(redis, program);
            LIST_EACH(&redis->server.clients, link)
            send_bytes(CONTAINER(link, struct fuzz_redis_client, link), buffer_slice(&redis->lie));
            break;
        case 6:
            forge(redis, program);
            break;
        default:
            say_as_node(redis, program);
    }
}
