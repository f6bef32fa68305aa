/* SPDX-License-Identifier: Apache-2.0 */
/* store_asking.h - for tests of stores: sends requests, waits for answers, keeps them. */
#ifndef TESTS_STORE_ASKING_H
#define TESTS_STORE_ASKING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "loop/loop.h"
#include "store/store.h"

enum { ANSWER_DEADLINE_MS = 30000 };

struct answer {
    enum store_status status;
    char *json;
    int64_t seq, floor, fork;
    char epoch[STORE_EPOCH_MAX], message_id[32], created_at[32];
    bool more, duplicate, came, partial;
};

/* A store (made by the test), its loop, and the requests to it. */
struct asking {
    struct loop *loop;
    struct store *store;
    struct loop_timer deadline;
    unsigned waiting;
    /* All answers returned so far; freed at the end. */
    struct answer *given[4096];
    unsigned count;
};

void asking_init(struct asking *asking);
/* Closes the store, if there is one, and frees all answers. */
void asking_done(struct asking *asking);
/* The answer is valid after asking_wait. */
struct answer *asking_submit(struct asking *asking, const struct store_request *wanted);
void asking_wait(struct asking *asking);
/* HEADS, USERS, USERS_SEEN or WORDS for the ids in a JSON array. The json of HEADS: [[channelId, seq, epoch], …] of
 * the known channels.
 */
struct answer *asking_submit_list(struct asking *asking, enum store_op op, struct slice ids);
struct answer *asking_list(struct asking *asking, enum store_op op, struct slice ids);
struct answer *asking_ask(struct asking *asking, const struct store_request *wanted);

/* ASK(asking, STORE_EVENTS, .channel_id = SLICE("hall"), .events.seq = 3) */
#define ASK(asking, op_, ...) asking_ask(asking, &(struct store_request){.op = op_, __VA_ARGS__})
#define SUBMIT(asking, op_, ...) asking_submit(asking, &(struct store_request){.op = op_, __VA_ARGS__})
#define S(str) slice_of(str)

/* Sends a message with the given id and content "text". */
#define SAY(asking, channel, user, client, id, text) ASK(asking, STORE_APPEND, SAYING(channel, user, client, id, text))
#define SAYING(channel, user, client, id, text)                                                              \
    .channel_id = S(channel), .user_id = S(user), .append.client_id = S(client), .append.message_id = S(id), \
    .append.content = S(text)

#define assert_status(answer, expected) \
    assert_string_equal(store_status_code((answer)->status), store_status_code(expected))
#define assert_has(answer, text)                                                                \
    do {                                                                                        \
        if (!strstr((answer)->json, text)) fail_msg("%s\nis not in\n%s", text, (answer)->json); \
    } while (0)
#define assert_has_not(answer, text)                                                       \
    do {                                                                                   \
        if (strstr((answer)->json, text)) fail_msg("%s\nis in\n%s", text, (answer)->json); \
    } while (0)

#endif
