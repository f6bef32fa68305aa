/* SPDX-License-Identifier: Apache-2.0 */
#include "store/store_request.h"

#include <stdlib.h>

struct store_request *store_request_new(enum store_op op, void (*done)(struct store_request *request), void *owner) {
    struct store_request *request = NEW(struct store_request);
    request->op = op;
    request->done = done;
    request->owner = owner;
    if (op == STORE_EVENTS) request->events.fork_r = -1;
    list_init(&request->link);
    return request;
}

/* A chain of blocks instead of one that grows: slices keep their addresses. */
struct block {
    struct block *next;
    size_t used, size;
    char bytes[];
};

enum { BLOCK_BYTES = 512 };

struct slice store_request_copy(struct store_request *request, struct slice bytes) {
    struct block *block = request->arena;
    if (!block || block->size - block->used < bytes.len) {
        size_t size = bytes.len > BLOCK_BYTES ? bytes.len : BLOCK_BYTES;
        block = memory_new(sizeof *block + size);
        block->size = size;
        block->next = request->arena;
        request->arena = block;
    }
    char *to = block->bytes + block->used;
    if (bytes.len) memcpy(to, bytes.ptr, bytes.len);
    block->used += bytes.len;
    request->arena_bytes += bytes.len;
    return (struct slice){to, bytes.len};
}

void store_request_free(struct store_request **owned) {
    struct store_request *request = *owned;
    if (!request) return;
    for (struct block *block = request->arena, *next; block; block = next) {
        next = block->next;
        free(block);
    }
    buffer_done(&request->json);
    buffer_done(&request->rows);
    free(request);
    *owned = NULL;
}

/* Where an event begins; a comma, or the array's end, precedes the next one. */
struct event_row {
    int64_t seq;
    size_t start;
};

struct buffer *store_events_next(struct store_request *request, int64_t seq) {
    buffer_append_char(&request->json, request->json.len == 0 ? '[' : ',');
    struct event_row row = {seq, request->json.len};
    buffer_append(&request->rows, (const char *)&row, sizeof row);
    return &request->json;
}

void store_events_end(struct store_request *request) {
    buffer_append_str(&request->json, request->json.len == 0 ? "[]" : "]");
}

size_t store_events_len(const struct store_request *request) {
    return request->rows.len / sizeof(struct event_row);
}

struct store_event store_event_at(const struct store_request *request, size_t i) {
    const struct event_row *rows = (const void *)request->rows.ptr;
    size_t next = i + 1 < store_events_len(request) ? rows[i + 1].start : request->json.len;
    return (struct store_event){rows[i].seq, {request->json.ptr + rows[i].start, next - 1 - rows[i].start}};
}

void store_heads_add(struct store_request *request, struct slice channel_id) {
    const struct store_head head = {store_request_copy(request, channel_id), {.seq = -1}};
    buffer_append(&request->rows, (const char *)&head, sizeof head);
    request->arena_bytes += sizeof head;
}

struct store_head *store_heads(const struct store_request *request, size_t *len_r) {
    *len_r = request->rows.len / sizeof(struct store_head);
    return (void *)request->rows.ptr;
}

void store_ids_add(struct store_request *request, struct slice user_id) {
    const struct slice id = store_request_copy(request, user_id);
    buffer_append(&request->rows, (const char *)&id, sizeof id);
    request->arena_bytes += sizeof id;
}

const struct slice *store_ids(const struct store_request *request, size_t *len_r) {
    *len_r = request->rows.len / sizeof(struct slice);
    return (const void *)request->rows.ptr;
}

void store_request_unanswer(struct store_request *request) {
    buffer_clear(&request->json);
    if (request->op == STORE_EVENTS) buffer_clear(&request->rows);
    if (request->op == STORE_APPEND) request->append.duplicate_r = false;
}

struct store_request *store_request_keep(struct store_request *request) {
    struct store_request *kept = NEW(struct store_request);
    *kept = *request;
    list_init(&kept->link);
    request->json = request->rows = (struct buffer){0};
    request->arena = NULL;
    return kept;
}

const char *store_status_code(enum store_status status) {
    static const char *const codes[] = {
        [STORE_OK] = "ok",
        [STORE_NOT_FOUND] = "not_found",
        [STORE_CONFLICT] = "id_conflict",
        [STORE_TOO_LARGE] = "too_large",
        [STORE_BAD] = "bad_request",
        [STORE_FULL] = "storage_full",
        [STORE_UNAVAILABLE] = "unavailable",
    };
    return codes[status];
}

bool store_is_write(enum store_op op) {
    switch (op) {
        case STORE_APPENDED:
        case STORE_EVENTS:
        case STORE_MESSAGES:
        case STORE_MESSAGE:
        case STORE_CHANNEL:
        case STORE_MEMBER:
        case STORE_MEMBERS:
        case STORE_USER_CHANNELS:
        case STORE_HEADS:
        case STORE_USERS:
        case STORE_WORDS:
        case STORE_SESSION:
        case STORE_AUDITS:
            return false;
        default:
            return true;
    }
}
