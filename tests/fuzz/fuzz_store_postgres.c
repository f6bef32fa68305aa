/* SPDX-License-Identifier: Apache-2.0 */
/* The store in PostgreSQL, with databases that answer as the input says, refuse, stall and disconnect: each request is
 * completed once, in bounded time. The first byte selects the store's settings. */
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "loop/loop.h"
#include "store/postgres/store_postgres.h"
#include "store/store.h"
#include "support/change.h"
#include "support/fuzz_postgres.h"
#include "support/program.h"

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t len);

enum { STEPS_MAX = 100, TURNS_MAX = 1000, DATABASES = 3, SHARDS = 2, END_STEP_MS = 10000, END_STEPS = 30 };

struct stage {
    struct loop *loop;
    struct store *store;
    struct fuzz_postgres *databases[DATABASES]; /* the shards behind the global one */
    struct program program;
    unsigned under_way;
};

static const char *const channels[] = {"lobby", "yard", "attic", "cellar", ""};
static const char *const users[] = {"alice", "bob", ""};
static const char *const texts[] = {
    "[\"lobby\",\"yard\",\"attic\"]", "[]", "[\"alice\",\"bob\"]", "member", "+1", "{}", "public", ""};
static const char *const contents[] = {"{\"text\":\"hello\"}", "[1,null]", "\"x\""};
static const char *const epochs[] = {"3-x", "2-y", ""};
#define LEN(table) (sizeof(table) / sizeof *(table))

static void fail(const char *what) {
    fprintf(stderr, "%s\n", what);
    abort();
}

static void ignore(void *owner, struct slice line) {
    (void)owner, (void)line;
}

static void turn(struct stage *stage) {
    for (unsigned i = 0; i < TURNS_MAX && loop_turn(stage->loop); i++) continue;
}

/* ---- requests */

static void answered(struct store_request *request) {
    struct stage *stage = request->owner;
    if (stage->under_way-- == 0) fail("a request was completed twice");
}

static struct slice copy_one(struct stage *stage, struct store_request *request, const char *const *table, size_t len) {
    return store_request_copy(request, slice_of(table[program_byte(&stage->program) % len]));
}

/* What the request's part says: of which it is, its operation knows. */
static void fill(struct store_request *request, const struct store_append *said, struct slice text, struct slice epoch,
                 unsigned what, unsigned bits) {
    const int64_t seq = bits & 128 ? 1 : 0;
    switch (request->op) {
        case STORE_APPEND:
        case STORE_APPENDED:
            request->append = *said;
            break;
        case STORE_EVENTS:
            request->events.seq = seq;
            request->events.epoch = epoch;
            request->events.limit = bits & 3;
            break;
        case STORE_MESSAGES:
        case STORE_MESSAGE:
            request->messages = (struct store_messages){.message_id = said->message_id,
                                                        .before = what & 64 ? 9 : 0,
                                                        .after = what & 128 ? 1 : 0,
                                                        .limit = bits & 3};
            break;
        case STORE_CHANNEL_PUT:
            request->channel = (struct store_channel){.name = SLICE("Name"), .visibility = text};
            break;
        case STORE_MEMBER_PUT:
        case STORE_READ_MARK:
            request->member = (struct store_member){.role = text, .read_seq = seq};
            break;
        case STORE_HEADS:
            for (unsigned i = 0; i < bits % LEN(channels); i++) store_heads_add(request, slice_of(channels[i]));
            break;
        case STORE_USER_PUT:
            request->user = (struct store_user){.name = SLICE("Name"), .avatar = text};
            break;
        case STORE_USERS:
        case STORE_USERS_SEEN:
        case STORE_WORDS:
            for (unsigned i = 0; i < bits % LEN(users); i++) store_ids_add(request, slice_of(users[i]));
            break;
        case STORE_WORD_PUT:
            request->word = (struct store_word){.status = text, .message = SLICE("Name"), .ends_ms = 1 << 30};
            break;
        case STORE_SESSION_PUT:
        case STORE_SESSION:
        case STORE_SESSION_DELETE:
            request->session = (struct store_session){.token = SLICE("token"), .expires_ms = 1 << 30};
            break;
        case STORE_AUDIT:
        case STORE_AUDITS:
            request->audit = (struct store_audit){.action = SLICE("Name"), .detail = text, .limit = bits & 3};
            break;
        default: /* no part of their own */
            break;
    }
}

static void ask(struct stage *stage) {
    unsigned what = program_byte(&stage->program), bits = program_byte(&stage->program);
    struct store_request *request = store_request_new((enum store_op)(what % (STORE_PROBE + 1)), answered, stage);
    request->channel_id = copy_one(stage, request, channels, LEN(channels));
    request->user_id = copy_one(stage, request, users, LEN(users));
    struct slice text = copy_one(stage, request, texts, LEN(texts));
    struct slice content = copy_one(stage, request, contents, LEN(contents));
    struct slice epoch = copy_one(stage, request, epochs, LEN(epochs));
    const struct store_append said = {.kind = (enum store_kind)(bits % (STORE_REACTION_REMOVE + 1)),
                                      .client_id = bits & 32 ? SLICE("c1") : SLICE_NONE,
                                      .message_id = bits & 16 ? SLICE("m1") : SLICE_NONE,
                                      .thread_id = bits & 64 ? SLICE("m1") : SLICE_NONE,
                                      .content = content,
                                      .emoji = text};
    fill(request, &said, text, epoch, what, bits);
    stage->under_way++;
    store_submit(stage->store, &request);
}

/* ---- the stage */

static bool open_store(struct stage *stage, unsigned kind) {
    const struct store_postgres_replica replica = {fuzz_postgres_conninfo(PORT_SHARD_1), 0};
    const struct store_postgres_shard shards[SHARDS] = {{fuzz_postgres_conninfo(PORT_SHARD_0), &replica, kind & 1},
                                                        {fuzz_postgres_conninfo(PORT_SHARD_1), NULL, 0}};
    struct error error;
    struct store_postgres_settings settings = {.global = fuzz_postgres_conninfo(PORT_GLOBAL),
                                               .shards = shards,
                                               .shards_len = SHARDS,
                                               .durability = (enum store_durability)(kind / 2 % 3),
                                               .gather_ms = kind & 8 ? 5 : -1,
                                               .write_max = 2,
                                               .read_max = 1,
                                               .min = 1,
                                               .reserve = 1,
                                               .budget = 9,
                                               .reserve_after_ms = 100,
                                               .connect_timeout_ms = 500,
                                               .query_timeout_ms = 1000,
                                               .wait_ms = 1000,
                                               .idle_ms = 20000,
                                               .lifetime_ms = 60000,
                                               .config = "stoa.lua"};
    stage->store = store_postgres_new(stage->loop, &settings, &error);
    return stage->store;
}

static void step(struct stage *stage) {
    unsigned what = program_byte(&stage->program);
    if (what % 8 < 4)
        ask(stage);
    else if (what % 8 < 7)
        fuzz_postgres_step(stage->databases[what % 8 - 4], &stage->program);
    else
        loop_advance(stage->loop, (uint64_t)program_byte(&stage->program) * 20);
    if (!(what & 128)) turn(stage);
}

/* The databases stay as they are: even silent ones must not keep a request waiting for ever. */
static void close_stage(struct stage *stage) {
    for (unsigned i = 0; i < END_STEPS && stage->under_way > 0; i++) loop_advance(stage->loop, END_STEP_MS);
    if (stage->under_way > 0) fail("time has passed, but requests wait for their answer");
    store_close(&stage->store, 1000);
}

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t len) {
    static const enum fuzz_port ports[DATABASES] = {PORT_GLOBAL, PORT_SHARD_0, PORT_SHARD_1};
    struct stage stage = {.program.rest = {(const char *)bytes, len}, .loop = loop_new_with_fake_clock()};
    unsigned kind = program_byte(&stage.program);
    log_set_sink(ignore, NULL);
    for (size_t i = 0; i < DATABASES; i++) stage.databases[i] = fuzz_postgres_new(stage.loop, ports[i]);
    if (kind & 128) fuzz_postgres_go_away(stage.databases[kind / 16 % DATABASES]);
    if (open_store(&stage, kind)) {
        for (unsigned i = 0; i < STEPS_MAX && !program_over(&stage.program); i++) step(&stage);
        close_stage(&stage);
    }
    for (size_t i = 0; i < DATABASES; i++) fuzz_postgres_free(&stage.databases[i]);
    while (loop_turn(stage.loop)) continue;
    loop_free(&stage.loop);
    return 0;
}
