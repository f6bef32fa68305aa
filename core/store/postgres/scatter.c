/* SPDX-License-Identifier: Apache-2.0 */
/* Requests to several shards at once: HEADS, USER_CHANNELS. Channels of an unavailable shard are left out, and the
 * answer is marked partial. A list shown to a user does not wait long for a shard; a request for heads waits for each
 * shard. */
#include <stdio.h>
#include <stdlib.h>

#include "store/postgres/ask.h"
#include "store/postgres/postgres_internal.h"
#include "store/store_json.h"
#include "store/store_sound.h"

enum { CHANNELS_MAX = 10000, LIST_MS = 2000 };

/* A requested channel, in the order of the answer. */
struct scatter_asked {
    struct slice channel_id, name, visibility;
    int64_t read_seq;
    struct store_head *head; /* HEADS: where the answer goes */
    int shard;               /* -1: none */
};

struct scatter {
    struct postgres_store *store;
    struct store_request *request; /* NULL: already answered, without the late shards */
    struct loop_timer deadline;
    struct scatter_asked *channels;
    unsigned channels_len, waiting;
    void (*write)(struct scatter *scatter, const struct scatter_asked *channel, const struct query *answer,
                  unsigned row);
    struct part {
        struct scatter *scatter;
        struct query *answer; /* rows in the order of the requested channels; NULL: none */
        unsigned row;         /* the next row */
    } * parts;                /* one per shard */
};

/* Columns of stoa_heads. */
enum { HEADS_CHANNEL, HEADS_SEQ, HEADS_EPOCH, HEADS_UNREAD, HEADS_READ };
#define HEADS "SELECT * FROM stoa_heads($1, $2, $3, $4)"

static void free_scatter(struct scatter *scatter) {
    for (size_t i = 0; i < scatter->store->shards_len; i++) query_free(&scatter->parts[i].answer);
    free(scatter->parts);
    free(scatter->channels);
    free(scatter);
}

/* The shard's next row, if it is the channel's. */
static bool take_row(struct part *part, const struct scatter_asked *channel, unsigned *row_r) {
    if (!part->answer || part->row >= query_rows(part->answer, 0)) return false;
    if (!slice_equal(query_text(part->answer, 0, part->row, HEADS_CHANNEL), channel->channel_id)) return false;
    *row_r = part->row++;
    return true;
}

/* Merges the shards' answers, each in order, into one. */
static void gather(struct scatter *scatter) {
    struct store_request *request = scatter->request;
    for (unsigned i = 0; i < scatter->channels_len; i++) {
        const struct scatter_asked *channel = &scatter->channels[i];
        struct part *part = channel->shard >= 0 ? &scatter->parts[channel->shard] : NULL;
        unsigned row = 0;
        bool found = part && take_row(part, channel, &row);
        if (!part || !part->answer) request->partial_r = true;
        scatter->write(scatter, channel, found ? part->answer : NULL, row);
    }
    if (request->op == STORE_USER_CHANNELS) buffer_append_str(&request->json, request->json.len == 0 ? "[]" : "]");
    scatter->request = NULL;
    postgres_complete(scatter->store, request, STORE_OK);
}

static void overdue(struct loop_timer *timer) {
    gather(CONTAINER(timer, struct scatter, deadline));
}

/* Call when an awaited answer has come. */
static void count_down(struct scatter *scatter) {
    if (--scatter->waiting > 0) return;
    loop_timer_cancel(&scatter->deadline);
    if (scatter->request) gather(scatter);
    free_scatter(scatter);
}

static void part_came(struct query *query) {
    struct part *part = query->owner;
    if (query->outcome == QUERY_OK && part->scatter->request) part->answer = query_take(query);
    count_down(part->scatter);
}

/* The limit for each channel, so that a list's total cost is bounded. */
static int64_t unread_most(const struct scatter *scatter) {
    int64_t share = STORE_UNREAD_LOOKS / (scatter->channels_len ? scatter->channels_len : 1);
    return share < STORE_UNREAD_MAX ? share : STORE_UNREAD_MAX;
}

static void ask_part(struct scatter *scatter, int shard, bool with_unread) {
    struct query *query = query_new(part_came, &scatter->parts[shard]);
    struct parameters *out = query_add(query, HEADS);
    unsigned len = 0;
    for (unsigned i = 0; i < scatter->channels_len; i++) len += scatter->channels[i].shard == shard;
    parameters_add_texts(out, len);
    for (unsigned i = 0; i < scatter->channels_len; i++)
        if (scatter->channels[i].shard == shard) parameters_text_item(out, scatter->channels[i].channel_id);
    parameters_add_integers(out, with_unread ? len : 0);
    for (unsigned i = 0; i < scatter->channels_len && with_unread; i++)
        if (scatter->channels[i].shard == shard) parameters_integer_item(out, scatter->channels[i].read_seq);
    parameters_add_integer(out, unread_most(scatter));
    parameters_add_text(out, scatter->request->user_id);
    pool_submit(scatter->store->shards[shard].primary.pool, &query);
}

static void scatter_run(struct scatter *scatter, bool with_unread) {
    struct postgres_store *store = scatter->store;
    bool *wanted = NEW_ARRAY(bool, store->shards_len);
    scatter->parts = NEW_ARRAY(struct part, store->shards_len);
    for (unsigned i = 0; i < scatter->channels_len; i++) {
        const struct shard *shard = postgres_shard_of(store, scatter->channels[i].channel_id);
        scatter->channels[i].shard = shard ? (int)shard->number : -1;
        if (shard) wanted[shard->number] = true;
    }
    scatter->waiting = 1;
    for (size_t i = 0; i < store->shards_len; i++) {
        scatter->parts[i].scatter = scatter;
        if (!wanted[i] || store->shards[i].primary.is_fenced) continue;
        scatter->waiting++;
        ask_part(scatter, (int)i, with_unread);
    }
    free(wanted);
    if (with_unread) loop_timer_set(&scatter->deadline, LIST_MS);
    count_down(scatter);
}

static struct scatter *scatter_new(struct postgres_store *store, struct store_request *request, unsigned most) {
    struct scatter *scatter = NEW(struct scatter);
    scatter->store = store;
    scatter->request = request;
    loop_timer_init(&scatter->deadline, store->loop, overdue);
    scatter->channels = NEW_ARRAY(struct scatter_asked, most + 1);
    return scatter;
}

/* ---- HEADS */

static void write_head(struct scatter *scatter, const struct scatter_asked *channel, const struct query *answer,
                       unsigned row) {
    struct store_cursor *at = &channel->head->at;
    if (!answer) return;
    at->seq = query_integer(answer, 0, row, HEADS_SEQ);
    snprintf(at->epoch, sizeof at->epoch, "%.*s", SLICE_ARG(query_text(answer, 0, row, HEADS_EPOCH)));
}

void postgres_heads(struct postgres_store *store, struct store_request *request) {
    struct scatter *scatter = scatter_new(store, request, STORE_HEADS_MAX);
    size_t len;
    struct store_head *heads = store_heads(request, &len);
    scatter->write = write_head;
    for (size_t i = 0; i < len && i < STORE_HEADS_MAX; i++)
        if (store_id_sound(heads[i].channel_id, STORE_ID_MAX))
            scatter->channels[scatter->channels_len++] =
                (struct scatter_asked){.channel_id = heads[i].channel_id, .head = &heads[i]};
    scatter_run(scatter, false);
}

/* ---- USER_CHANNELS: the channels, then their shards */

static void write_channel(struct scatter *scatter, const struct scatter_asked *channel, const struct query *answer,
                          unsigned row) {
    struct buffer *out = &scatter->request->json;
    buffer_append_str(out, out->len > 0 ? ",{" : "[{");
    store_write_member(out, "channelId", channel->channel_id);
    store_write_member(out, "name", channel->name);
    store_write_member(out, "visibility", channel->visibility);
    if (answer) {
        store_write_member_number(out, "seq", query_integer(answer, 0, row, HEADS_SEQ));
        store_write_member(out, "epoch", query_text(answer, 0, row, HEADS_EPOCH));
    }
    store_write_member_number(out, "readSeq", answer ? query_integer(answer, 0, row, HEADS_READ) : channel->read_seq);
    if (answer) store_write_member_number(out, "unread", query_integer(answer, 0, row, HEADS_UNREAD));
    buffer_append_char(out, '}');
}

static int take_channels(struct postgres_store *store, struct store_request *request, const struct query *query) {
    struct scatter *scatter = scatter_new(store, request, query_rows(query, 0));
    scatter->write = write_channel;
    for (unsigned row = 0; row < query_rows(query, 0); row++)
        scatter->channels[scatter->channels_len++] =
            (struct scatter_asked){.channel_id = store_request_copy(request, query_text(query, 0, row, 0)),
                                   .name = store_request_copy(request, query_text(query, 0, row, 1)),
                                   .visibility = store_request_copy(request, query_text(query, 0, row, 2)),
                                   .read_seq = query_integer(query, 0, row, 3)};
    scatter_run(scatter, true);
    return STEP_GOES_ON;
}

static void build_channels(struct store_request *request, struct query *query) {
    struct parameters *out = query_add(query,
                                       "SELECT c.channel_id, c.name, c.visibility, m.read_seq FROM channel_members m "
                                       "JOIN channels c USING (channel_id) WHERE m.user_id = $1 ORDER BY c.channel_id "
                                       "LIMIT $2");
    parameters_add_text(out, request->user_id);
    parameters_add_integer(out, CHANNELS_MAX);
}

void postgres_user_channels(struct postgres_store *store, struct store_request *request) {
    postgres_ask(&store->global, request, build_channels, take_channels, AGAIN);
}
