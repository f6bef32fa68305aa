/* SPDX-License-Identifier: Apache-2.0 */
#include "redis/resp.h"

#include <hiredis/hiredis.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/buffer.h"

/* hiredis's reader parses the structure; the values are ours, in an arena that is cleared for each reply. */
struct resp_reader {
    redisReader *reader;
    struct arena arena;
    struct redis_value root;
};

/* For differences of hiredis 1. Version 1 also reads RESP3, which none of our connections requests, and arrays of any
 * depth. Both are refused here; 0.14 refuses them itself. */
#if HIREDIS_MAJOR < 1
typedef int claimed_len;

static const redisReadTask *task_of(const redisReader *reader) {
    return &reader->rstack[reader->ridx];
}
#else
typedef size_t claimed_len;

static const redisReadTask *task_of(const redisReader *reader) {
    return reader->task[reader->ridx];
}

static void *refuse_double(const redisReadTask *task, double number, char *ptr, size_t len) {
    return NULL;
}
static void *refuse_bool(const redisReadTask *task, int truth) {
    return NULL;
}
#endif

static bool is_resp3(const redisReadTask *task) {
    return task->type == REDIS_REPLY_NIL || task->type > REDIS_REPLY_ERROR;
}

/* Where to store the value being read. */
static struct redis_value *place_of(const redisReadTask *task) {
    struct resp_reader *reader = task->privdata;
    struct redis_value *parent = task->parent ? task->parent->obj : NULL;
    return parent ? (struct redis_value *)&parent->items[task->idx] : &reader->root;
}

/* Returns NULL to stop the reader. */
static void *create_string(const redisReadTask *task, char *ptr, size_t len) {
    struct resp_reader *reader = task->privdata;
    char *copy = is_resp3(task) ? NULL : arena_take(&reader->arena, len + 1);
    if (!copy) return NULL;
    memcpy(copy, ptr, len);
    copy[len] = '\0';
    struct redis_value *value = place_of(task);
    *value =
        (struct redis_value){.type = task->type == REDIS_REPLY_ERROR ? REDIS_ERROR : REDIS_STRING, .text = {copy, len}};
    return value;
}

/* The peer claims the length: the arena checks its bound before any memory is touched. */
static void *create_array(const redisReadTask *task, claimed_len len) {
    struct resp_reader *reader = task->privdata;
    if (is_resp3(task) || reader->reader->ridx >= RESP_MAX_DEPTH) return NULL;
    struct redis_value *items = arena_take(&reader->arena, (size_t)len * sizeof(*items));
    if (!items) return NULL;
    memset(items, 0, (size_t)len * sizeof(*items));
    struct redis_value *value = place_of(task);
    *value = (struct redis_value){.type = REDIS_ARRAY, .items = items, .items_len = (size_t)len};
    return value;
}

static void *create_integer(const redisReadTask *task, long long integer) {
    struct redis_value *value = place_of(task);
    *value = (struct redis_value){.type = REDIS_INTEGER, .integer = integer};
    return value;
}

static void *create_nil(const redisReadTask *task) {
    if (is_resp3(task)) return NULL;
    struct redis_value *value = place_of(task);
    *value = (struct redis_value){.type = REDIS_NIL};
    return value;
}

static void free_nothing(void *value) {
    (void)value; /* freed with the arena */
}

struct resp_reader *resp_reader_new(size_t max_bytes) {
    static redisReplyObjectFunctions functions = {
        .createString = create_string,
        .createArray = create_array,
        .createInteger = create_integer,
        .createNil = create_nil,
#if HIREDIS_MAJOR >= 1
        .createDouble = refuse_double,
        .createBool = refuse_bool,
#endif
        .freeObject = free_nothing
    };
    struct resp_reader *reader = NEW(struct resp_reader);
    reader->arena.max_bytes = max_bytes;
    reader->reader = redisReaderCreateWithFunctions(&functions);
    if (!reader->reader) abort();
    reader->reader->privdata = reader;
    return reader;
}

void resp_reader_free(struct resp_reader **owner) {
    struct resp_reader *reader = *owner;
    if (!reader) return;
    redisReaderFree(reader->reader);
    arena_done(&reader->arena);
    free(reader);
    *owner = NULL;
}

void resp_reader_feed(struct resp_reader *reader, const char *ptr, size_t len) {
    redisReaderFeed(reader->reader, ptr, len); /* an error stays in the reader: the next reply is RESP_BROKEN */
}

/* Incomplete, but already too large: in bytes, or by the claimed length of the string being read.
 */
static bool is_too_large(const struct resp_reader *reader) {
    const redisReader *at = reader->reader;
    size_t max_bytes = reader->arena.max_bytes;
    if (at->len - at->pos > max_bytes) return true;
    bool in_string = at->ridx >= 0 && task_of(at)->type == REDIS_REPLY_STRING && at->pos < at->len;
    return in_string && strtoull(at->buf + at->pos, NULL, 10) > max_bytes;
}

enum resp_state resp_reader_next(struct resp_reader *reader, const struct redis_value **value_r) {
    /* Only between replies: an incomplete reply has values in the arena. */
    if (reader->reader->ridx == -1) arena_clear(&reader->arena);
    void *reply = NULL;
    if (redisReaderGetReply(reader->reader, &reply) != 0) return RESP_BROKEN;
    if (reply) {
        *value_r = reply;
        return RESP_WHOLE;
    }
    return is_too_large(reader) ? RESP_BROKEN : RESP_INCOMPLETE;
}

bool resp_copy(struct arena *arena, const struct redis_value *from, struct redis_value *to) {
    *to = *from;
    if (from->type == REDIS_STRING || from->type == REDIS_ERROR) {
        char *text = arena_take(arena, from->text.len + 1);
        if (!text) return false;
        memcpy(text, from->text.ptr, from->text.len + 1);
        to->text.ptr = text;
    }
    if (from->type == REDIS_ARRAY) {
        struct redis_value *items = arena_take(arena, from->items_len * sizeof(*items));
        if (!items) return false;
        to->items = items;
        for (size_t i = 0; i < from->items_len; i++)
            if (!resp_copy(arena, &from->items[i], &items[i])) return false;
    }
    return true;
}

bool resp_is(const struct redis_value *value, const char *text) {
    return value->type == REDIS_STRING && slice_is(value->text, text);
}

const struct redis_value *resp_item(const struct redis_value *value, size_t i) {
    static const struct redis_value nil = {.type = REDIS_NIL};
    return value->type == REDIS_ARRAY && i < value->items_len ? &value->items[i] : &nil;
}

enum { FEW = 64 };

void resp_append_command(struct buffer *out, const struct slice *argv, size_t argc) {
    const char *few_ptrs[FEW], **ptrs = argc <= FEW ? few_ptrs : NEW_ARRAY(const char *, argc);
    size_t few_lens[FEW], *lens = argc <= FEW ? few_lens : NEW_ARRAY(size_t, argc);
    for (size_t i = 0; i < argc; i++) {
        ptrs[i] = argv[i].ptr ? argv[i].ptr : "";
        lens[i] = argv[i].len;
    }
    char *command = NULL;
    long long len = redisFormatCommandArgv(&command, (int)argc, ptrs, lens);
    if (len < 0) abort(); /* out of memory */
    buffer_append(out, command, (size_t)len);
    redisFreeCommand(command);
    if (ptrs != few_ptrs) free(ptrs);
    if (lens != few_lens) free(lens);
}
