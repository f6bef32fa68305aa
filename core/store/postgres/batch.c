/* SPDX-License-Identifier: Apache-2.0 */
#include "store/postgres/batch.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/metrics.h"
#include "base/wall_time.h"
#include "store/postgres/ask.h"
#include "store/postgres/rows.h"
#include "store/store_json.h"

/* stoa_advance checks that this is the known log, on the right server, with the required durability. */
#define APPEND(function)                                                                    \
    "SELECT a.ord, a.status, a.at_seq, currval('log_position'), (a.event).* FROM " function \
    "(stoa_advance($1, $2, $3), $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) a"
enum { COLUMN_ORD, COLUMN_STATUS, COLUMN_SEQ, COLUMN_REACHED, COLUMN_EVENT };

enum { WAITED_MS = 200 }; /* longer than a commit takes whose standby is working */

struct batch *batch_new(struct shard *shard, bool hot, void (*ended)(struct batch *batch, enum batch_end end),
                        void *owner) {
    struct batch *batch = NEW(struct batch);
    batch->shard = shard;
    batch->hot = hot;
    batch->ended = ended;
    batch->owner = owner;
    return batch;
}

void entry_free(struct batch_entry *entry) {
    list_remove(&entry->link);
    list_remove(&entry->age);
    free(entry);
}

void batch_free(struct batch **owned) {
    free(*owned);
    *owned = NULL;
}

static bool is_change(const struct batch_entry *entry) {
    return entry->request->append.kind != STORE_MESSAGE_NEW;
}

bool batch_takes(const struct batch *batch, const struct batch_entry *entry) {
    if (entry->request->op != STORE_APPEND) return false;
    if (batch->len == BATCH_MAX || (batch->len > 0 && batch->bytes + entry->request->arena_bytes > BATCH_BYTES_MAX))
        return false;
    return batch->len == 0 || batch->of_changes == is_change(entry);
}

void batch_add(struct batch *batch, struct batch_entry *entry, struct lane *lane) {
    list_remove(&entry->link);
    if (batch->len == 0) batch->of_changes = is_change(entry);
    batch->entries[batch->len] = entry;
    batch->lanes[batch->len++] = lane;
    batch->bytes += entry->request->arena_bytes;
}

static void texts(struct parameters *out, const struct batch *batch, size_t field) {
    parameters_add_texts(out, batch->sent_len);
    for (unsigned i = 0; i < batch->sent_len; i++)
        parameters_text_item(out,
                             *(const struct slice *)((const char *)batch->entries[batch->sent[i]]->request + field));
}

#define TEXTS(out, batch, field) texts(out, batch, offsetof(struct store_request, field))

static int64_t fingerprint_of(const struct store_request *request) {
    return store_fingerprint(&request->append);
}

static int64_t kind_of(const struct store_request *request) {
    return request->append.kind;
}

static int64_t now_of(const struct store_request *request) {
    return request->driver.now_ms;
}

static void integers(struct parameters *out, const struct batch *batch,
                     int64_t (*number)(const struct store_request *request)) {
    parameters_add_integers(out, batch->sent_len);
    for (unsigned i = 0; i < batch->sent_len; i++)
        parameters_integer_item(out, number(batch->entries[batch->sent[i]]->request));
}

static struct query *build(struct batch *batch, void (*done)(struct query *query)) {
    struct query *query = query_new(done, batch);
    struct parameters *out =
        query_add(query, batch->of_changes ? APPEND("stoa_add_changes") : APPEND("stoa_add_messages"));
    parameters_add_text(out, slice_of(batch->epoch_text));
    parameters_add_integer(out, primary_reached(&batch->shard->primary));
    parameters_add_text(out, slice_of(primary_durability(&batch->shard->primary)));
    parameters_add_flag(out, batch->waits);
    if (batch->of_changes) integers(out, batch, kind_of);
    TEXTS(out, batch, channel_id);
    TEXTS(out, batch, user_id);
    TEXTS(out, batch, append.client_id);
    integers(out, batch, fingerprint_of);
    TEXTS(out, batch, append.message_id);
    TEXTS(out, batch, append.content);
    if (batch->of_changes) {
        TEXTS(out, batch, append.emoji);
    } else {
        TEXTS(out, batch, append.thread_id);
        TEXTS(out, batch, append.attachments);
    }
    integers(out, batch, now_of);
    query->waits_for_commit = true;
    query->due_ms = batch->entries[batch->sent[0]]->due_ms;
    return query;
}

/* ---- results */

static void answer(struct batch *batch, unsigned i, enum store_status status) {
    struct batch_entry *entry = batch->entries[i];
    if (entry->request)
        postgres_complete(batch->shard->store, entry->request, status);
    else
        metric_add(METRIC_STALE, 1);
    entry_free(entry);
    batch->entries[i] = NULL;
}

/* A stored message equals the one sent, except for its number. */
static void answer_message(struct batch *batch, struct store_request *request, int64_t seq) {
    struct store_message message = {.channel_id = request->channel_id,
                                    .message_id = request->append.message_id,
                                    .user_id = request->user_id,
                                    .content = request->append.content,
                                    .thread_id = request->append.thread_id,
                                    .attachments = request->append.attachments,
                                    .message_seq = seq,
                                    .created_ms = request->driver.now_ms};
    struct buffer body = {0};
    request->at.seq = seq;
    memcpy(request->at.epoch, batch->epoch_text, sizeof request->at.epoch);
    snprintf(request->append.message_id_r, sizeof request->append.message_id_r, "%.*s",
             SLICE_ARG(request->append.message_id));
    wall_time_write(request->append.created_at_r, request->driver.now_ms);
    store_write_message_body(&body, &message);
    store_write_event(&request->json, STORE_MESSAGE_NEW, buffer_slice(&body), seq, seq, batch->epoch_text);
    buffer_done(&body);
}

static enum store_status refusal_of(struct slice status) {
    if (slice_is(status, "conflict")) return STORE_CONFLICT;
    return slice_is(status, "too_large") ? STORE_TOO_LARGE : STORE_NOT_FOUND;
}

/* The entry that a row belongs to; each matches once; -1: none. */
static int entry_of(const struct batch *batch, int64_t ord) {
    bool is_sent = ord >= 1 && ord <= batch->sent_len;
    return is_sent && batch->entries[batch->sent[ord - 1]] ? (int)batch->sent[ord - 1] : -1;
}

static void take_row(struct batch *batch, const struct query *query, unsigned row) {
    int i = entry_of(batch, query_integer(query, 0, row, COLUMN_ORD));
    if (i < 0) return;
    struct store_request *request = batch->entries[i]->request;
    struct slice status = query_text(query, 0, row, COLUMN_STATUS);
    if (slice_is(status, "locked")) {
        batch->lanes[i]->is_hot = true;
        return;
    }
    batch->locked_any = true;
    bool duplicate = slice_is(status, "duplicate");
    if (slice_is(status, "ok") || duplicate) {
        if (request) request->append.duplicate_r = duplicate;
        if (request && !duplicate && !batch->of_changes)
            answer_message(batch, request, query_integer(query, 0, row, COLUMN_SEQ));
        else if (request)
            row_answer_append(request, query, row, COLUMN_EVENT);
        answer(batch, (unsigned)i, STORE_OK);
    } else {
        answer(batch, (unsigned)i, refusal_of(status));
    }
}

static void call(struct batch *batch);

/* Sends the rest, or ends the batch. */
static void go_on(struct batch *batch) {
    batch->from = batch->to;
    batch->to = batch->len;
    if (batch->from < batch->len)
        call(batch);
    else
        batch->ended(batch, BATCH_DONE);
}

/* One entry cannot be stored: tries halves until it is alone. */
static void split(struct batch *batch) {
    if (batch->to - batch->from == 1) {
        answer(batch, batch->from, STORE_BAD);
        go_on(batch);
        return;
    }
    batch->to = batch->from + (batch->to - batch->from) / 2;
    call(batch);
}

static void refuse(struct batch *batch, enum store_status status) {
    for (unsigned i = batch->from; i < batch->len; i++) answer(batch, i, status);
    batch->ended(batch, BATCH_DONE);
}

static void take_answer(struct batch *batch, const struct query *query) {
    metric_add(METRIC_APPEND_BATCHES, 1);
    metric_add(METRIC_COMMIT_TIME, (int64_t)(loop_now_ms(batch->shard->store->loop) - batch->sent_ms) * 1000);
    primary_reach(&batch->shard->primary, batch->epoch, query_integer(query, 0, 0, COLUMN_REACHED));
    for (unsigned row = 0; row < query_rows(query, 0); row++) take_row(batch, query, row);
    go_on(batch);
}

/* Removing standbys from the configuration lets commits finish that wait for one. */
static bool may_have_been_let_go(const struct batch *batch) {
    return batch->shard->store->durability == STORE_QUORUM &&
           loop_now_ms(batch->shard->store->loop) - batch->called_ms > WAITED_MS;
}

static void confirmed(struct query *query) {
    struct batch *batch = query->owner;
    struct query *answer = batch->answer;
    bool is_known = query->outcome == QUERY_OK, keeps = is_known && query_text(query, 0, 0, 0).len == 0;
    batch->answer = NULL;
    if (keeps)
        take_answer(batch, answer);
    else
        batch->ended(batch, BATCH_AGAIN); /* the retry with the same ids gets the outcome, once durability is back */
    query_free(&answer);
}

static void confirm(struct batch *batch, struct query *answer) {
    struct query *query = query_new(confirmed, batch);
    batch->answer = query_take(answer);
    parameters_add_text(query_add(query, "SELECT stoa_lacks($1)"),
                        slice_of(primary_durability(&batch->shard->primary)));
    pool_submit(batch->shard->primary.pool, &query);
}

static void sent(struct query *query) {
    struct batch *batch = query->owner;
    if (query->outcome == QUERY_OK && primary_is_over(&batch->shard->primary, batch->epoch)) {
        batch->ended(batch, BATCH_STALE); /* perhaps by an old primary: the retry with the same ids gets the outcome */
    } else if (query->outcome == QUERY_OK && may_have_been_let_go(batch)) {
        confirm(batch, query);
    } else if (query->outcome == QUERY_OK) {
        take_answer(batch, query);
    } else if (query->outcome != QUERY_REFUSED || sqlstate_is_transient(query->sqlstate)) {
        batch->ended(batch, BATCH_AGAIN);
    } else if (query_is(query, "CH002")) {
        primary_lack(&batch->shard->primary, query->message);
        refuse(batch, STORE_UNAVAILABLE);
    } else if (query_is(query, "CH001") || sqlstate_dooms(query->sqlstate)) {
        batch->ended(batch, BATCH_STALE);
    } else if (sqlstate_is_of_data(query->sqlstate)) {
        split(batch);
    } else {
        refuse(batch, postgres_status(query));
    }
}

static void call(struct batch *batch) {
    batch->sent_len = 0;
    for (unsigned i = batch->from; i < batch->to; i++)
        if (batch->entries[i]->request) batch->sent[batch->sent_len++] = i;
    if (batch->sent_len == 0) { /* all entries are overdue */
        go_on(batch);
        return;
    }
    struct query *query = build(batch, sent);
    batch->called_ms = loop_now_ms(batch->shard->store->loop);
    pool_submit(batch->shard->primary.pool, &query);
}

void batch_send(struct batch *batch) {
    batch->to = batch->len;
    batch->sent_ms = loop_now_ms(batch->shard->store->loop);
    for (unsigned i = 0; i < batch->len; i++)
        metric_add(METRIC_APPEND_WAIT,
                   (int64_t)(batch->sent_ms + APPEND_DEADLINE_MS - batch->entries[i]->due_ms) * 1000);
    batch->epoch = batch->shard->primary.epoch;
    memcpy(batch->epoch_text, batch->shard->primary.epoch_text, sizeof batch->epoch_text);
    call(batch);
}
