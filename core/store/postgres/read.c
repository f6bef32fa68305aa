/* SPDX-License-Identifier: Apache-2.0 */
/* Reads of a channel: from a replica if it is up to date, else from the primary.
 *
 * Numbers have no gaps, so a replica's answer can be checked: it is valid if its epoch is the primary's and its head
 * is not behind. Both are asked at once; events on the replica above the primary's head, which nobody has been told of
 * yet, are left out. */
#include <stdio.h>
#include <stdlib.h>

#include "base/fault.h"
#include "base/metrics.h"
#include "store/postgres/ask.h"
#include "store/postgres/postgres_internal.h"
#include "store/postgres/replica.h"
#include "store/postgres/rows.h"
#include "store/store_json.h"

/* Every answer begins with the channel's head on that server. */
#define HEAD_COLUMNS "c.head, c.epoch, c.floor, c.fork, "
#define ANY_CURSOR "FROM stoa_cursor($1, 0, NULL) c "
enum { HEAD_SEQ, HEAD_EPOCH, HEAD_FLOOR, HEAD_FORK, HEAD_COLUMNS_LEN };

/* Stops at the row that makes the answer larger than STORE_ANSWER_BYTES; one more row shows that there are more. */
#define WITHIN_BYTES(rows, order)                                                                       \
    "(SELECT * FROM (SELECT *, sum(octet_length(content)) OVER (ORDER BY " order                        \
    " ROWS BETWEEN UNBOUNDED PRECEDING AND 2 PRECEDING) AS bytes_before FROM (" rows " ORDER BY " order \
    " LIMIT $3) "                                                                                       \
    "limited) counted WHERE coalesce(bytes_before, 0) < 1048576)"

#define READ_EVENTS                                                                                         \
    "SELECT " HEAD_COLUMNS EVENT_COLUMNS " FROM stoa_cursor($1, $2, $4) c LEFT JOIN LATERAL " WITHIN_BYTES( \
        "SELECT * FROM event_rows WHERE channel_id = $1 AND seq > c.after", "seq") " e ON true ORDER BY e.seq"
#define READ_MESSAGES(condition, order)                                                      \
    "SELECT " HEAD_COLUMNS MESSAGE_COLUMNS " " ANY_CURSOR "LEFT JOIN LATERAL " WITHIN_BYTES( \
        "SELECT * FROM message_rows WHERE channel_id = $1 AND " condition, order) " m ON true ORDER BY m." order
#define READ_MESSAGE                                      \
    "SELECT " HEAD_COLUMNS MESSAGE_COLUMNS " " ANY_CURSOR \
    "LEFT JOIN message_rows m ON m.channel_id = $1 AND "  \
    "m.message_id = $2"
#define READ_HEAD "SELECT c.head, c.epoch " ANY_CURSOR

static unsigned limit_of(unsigned limit, unsigned most) {
    return limit && limit < most ? limit : most;
}

/* ---- EVENTS */

static void build_events(struct store_request *request, struct query *query) {
    struct parameters *out = query_add(query, READ_EVENTS);
    parameters_add_text(out, request->channel_id);
    parameters_add_integer(out, request->events.seq);
    parameters_add_integer(out, limit_of(request->events.limit, STORE_EVENTS_MAX) + 1);
    parameters_add_text(out, fault_planted("cursor_without_epoch") ? SLICE("") : request->events.epoch);
}

static void take_head(struct store_request *request, const struct query *query) {
    request->at.seq = query_integer(query, 0, 0, HEAD_SEQ);
    snprintf(request->at.epoch, sizeof request->at.epoch, "%.*s", SLICE_ARG(query_text(query, 0, 0, HEAD_EPOCH)));
}

/* Is there a row, and is its event within the primary's head? */
static bool is_row(const struct query *query, unsigned row, unsigned seq_column, int64_t last_seq) {
    int64_t seq = query_integer(query, 0, row, seq_column);
    return seq > 0 && seq <= last_seq;
}

static enum store_status take_events(struct store_request *request, const struct query *query, int64_t last_seq) {
    if (query_rows(query, 0) == 0) return STORE_NOT_FOUND;
    take_head(request, query);
    if (request->at.seq > last_seq) request->at.seq = last_seq;
    request->events.fork_r = query_integer(query, 0, 0, HEAD_FORK);
    int64_t floor = query_integer(query, 0, 0, HEAD_FLOOR);
    if ((request->events.fork_r >= 0 ? request->events.fork_r : request->events.seq) < floor)
        request->events.floor_r = floor;
    for (unsigned row = 0; row < query_rows(query, 0); row++) {
        if (!is_row(query, row, HEAD_COLUMNS_LEN + 1, last_seq)) break;
        request->events.more_r =
            row == limit_of(request->events.limit, STORE_EVENTS_MAX) || request->json.len >= STORE_ANSWER_BYTES;
        if (request->events.more_r) break;
        int64_t seq = query_integer(query, 0, row, HEAD_COLUMNS_LEN + 1);
        row_write_event(store_events_next(request, seq), query, row, HEAD_COLUMNS_LEN);
    }
    store_events_end(request);
    return STORE_OK;
}

/* ---- MESSAGES, MESSAGE */

static bool is_onwards(const struct store_request *request) {
    return request->messages.onwards || request->messages.after > 0;
}

/* before, or neither: the newest of that range, read backwards and returned in ascending order. after: forwards from
 * there. */
static const char *messages_sql(const struct store_request *request) {
    bool of_thread = request->messages.message_id.len > 0;
    if (is_onwards(request))
        return of_thread ? READ_MESSAGES("thread_id = $4 AND message_seq > $2", "message_seq")
                         : READ_MESSAGES("$4::text IS NULL AND message_seq > $2", "message_seq");
    return of_thread ? READ_MESSAGES("thread_id = $4 AND message_seq < $2", "message_seq DESC")
                     : READ_MESSAGES("$4::text IS NULL AND message_seq < $2", "message_seq DESC");
}

static void build_messages(struct store_request *request, struct query *query) {
    struct parameters *out = query_add(query, messages_sql(request));
    int64_t before = request->messages.before > 0 ? request->messages.before : INT64_MAX;
    parameters_add_text(out, request->channel_id);
    parameters_add_integer(out, is_onwards(request) ? request->messages.after : before);
    parameters_add_integer(out, limit_of(request->messages.limit, STORE_MESSAGES_MAX) + 1);
    parameters_add_text(out, request->messages.message_id);
}

static enum store_status take_messages(struct store_request *request, const struct query *query, int64_t last_seq) {
    struct buffer texts[STORE_MESSAGES_MAX] = {{0}};
    unsigned limit = limit_of(request->messages.limit, STORE_MESSAGES_MAX), count = 0;
    size_t bytes = 0;
    for (unsigned row = 0; row < query_rows(query, 0); row++) {
        if (!is_row(query, row, HEAD_COLUMNS_LEN + 1, last_seq)) continue;
        request->messages.more_r = count == limit || bytes >= STORE_ANSWER_BYTES;
        if (request->messages.more_r) break;
        row_write_message(&texts[count], query, row, HEAD_COLUMNS_LEN);
        bytes += texts[count++].len;
    }
    buffer_append_char(&request->json, '[');
    for (unsigned i = 0; i < count; i++) {
        if (i) buffer_append_char(&request->json, ',');
        buffer_append_slice(&request->json, buffer_slice(&texts[is_onwards(request) ? i : count - 1 - i]));
    }
    buffer_append_char(&request->json, ']');
    for (unsigned i = 0; i < count; i++) buffer_done(&texts[i]);
    return STORE_OK;
}

static void build_message(struct store_request *request, struct query *query) {
    struct parameters *out = query_add(query, READ_MESSAGE);
    parameters_add_text(out, request->channel_id);
    parameters_add_text(out, request->messages.message_id);
}

static enum store_status take_message(struct store_request *request, const struct query *query, int64_t last_seq) {
    if (query_rows(query, 0) == 0 || !is_row(query, 0, HEAD_COLUMNS_LEN + 1, last_seq)) return STORE_NOT_FOUND;
    row_write_message(&request->json, query, 0, HEAD_COLUMNS_LEN);
    return STORE_OK;
}

/* ---- APPENDED */

static void build_appended(struct store_request *request, struct query *query) {
    struct parameters *out =
        query_add(query, "SELECT fingerprint FROM events WHERE channel_id = $1 AND sender = $2 AND client_id = $3");
    parameters_add_text(out, request->channel_id);
    parameters_add_text(out, request->user_id);
    parameters_add_text(out, request->append.client_id);
}

static int take_appended(struct postgres_store *store, struct store_request *request, const struct query *query) {
    (void)store;
    if (query_rows(query, 0) == 0) return STORE_NOT_FOUND;
    return query_integer(query, 0, 0, 0) == store_fingerprint(&request->append) ? STORE_OK : STORE_CONFLICT;
}

/* ---- the replica and the primary */

struct kind {
    enum store_op op;
    enum store_purpose purpose;
    postgres_build *build;
    enum store_status (*take)(struct store_request *request, const struct query *query, int64_t last_seq);
};
static const struct kind kinds[] = {{STORE_EVENTS, STORE_FOR_SYNC, build_events, take_events},
                                    {STORE_MESSAGES, STORE_FOR_HISTORY, build_messages, take_messages},
                                    {STORE_MESSAGE, STORE_FOR_HISTORY, build_message, take_message}};

static const struct kind *kind_of(const struct store_request *request) {
    const struct kind *kind = kinds;
    while (kind->op != request->op) kind++;
    return kind;
}

static int take_from_primary(struct postgres_store *store, struct store_request *request, const struct query *query) {
    metric_add_labelled(METRIC_STORE_READS, "primary", 1);
    return kind_of(request)->take(request, query, INT64_MAX);
}

static void read_primary(struct shard *shard, struct store_request *request) {
    postgres_ask_shard(shard, request, kind_of(request)->build, take_from_primary);
}

/* Waits for two answers. */
struct comparison {
    struct shard *shard;
    struct store_request *request;
    struct query *head, *rows; /* from the primary, from the replica; NULL: not yet */
};

static bool is_proven(const struct comparison *comparison) {
    const struct query *head = comparison->head, *rows = comparison->rows;
    return head->outcome == QUERY_OK && rows->outcome == QUERY_OK && query_rows(head, 0) > 0 &&
           query_rows(rows, 0) > 0 &&
           slice_equal(query_text(head, 0, 0, HEAD_EPOCH), query_text(rows, 0, 0, HEAD_EPOCH)) &&
           query_integer(rows, 0, 0, HEAD_SEQ) >= query_integer(head, 0, 0, HEAD_SEQ);
}

static void compare(struct comparison *comparison) {
    struct store_request *request = comparison->request;
    if (!comparison->head || !comparison->rows) return;
    if (is_proven(comparison)) {
        metric_add_labelled(METRIC_STORE_READS, "replica", 1);
        int64_t last_seq = query_integer(comparison->head, 0, 0, HEAD_SEQ);
        postgres_complete(comparison->shard->store, request,
                          kind_of(request)->take(request, comparison->rows, last_seq));
    } else {
        metric_add_labelled(METRIC_STORE_READS, "behind", 1);
        read_primary(comparison->shard, request);
    }
    query_free(&comparison->head);
    query_free(&comparison->rows);
    free(comparison);
}

static void head_came(struct query *query) {
    struct comparison *comparison = query->owner;
    comparison->head = query_take(query);
    compare(comparison);
}

static void rows_came(struct query *query) {
    struct comparison *comparison = query->owner;
    comparison->rows = query_take(query);
    compare(comparison);
}

void postgres_read(struct shard *shard, struct store_request *request) {
    if (request->op == STORE_CHANNEL) {
        postgres_channels(shard->store, request);
        return;
    }
    if (request->op == STORE_APPENDED) { /* a replica would have to be up to date */
        postgres_ask_shard(shard, request, build_appended, take_appended);
        return;
    }
    struct replica *replica = shard->primary.is_fenced ? NULL : replica_find(shard, kind_of(request)->purpose);
    if (!replica) {
        read_primary(shard, request);
        return;
    }
    struct comparison *comparison = NEW(struct comparison);
    comparison->shard = shard;
    comparison->request = request;
    struct query *head = query_new(head_came, comparison), *rows = query_new(rows_came, comparison);
    parameters_add_text(query_add(head, READ_HEAD), request->channel_id);
    kind_of(request)->build(request, rows);
    pool_submit(shard->primary.pool, &head);
    pool_submit(replica->pool, &rows);
}
