/* SPDX-License-Identifier: Apache-2.0 */
/* Channels and their members are in the global database; a channel's head is on its shard. */
#include <stdio.h>

#include "base/log.h"
#include "store/postgres/ask.h"
#include "store/postgres/postgres_internal.h"
#include "store/store_json.h"

enum { MEMBERS_MAX = 10000 };

#define HEAD "SELECT head, epoch FROM stoa_cursor($1, 0, NULL)"

static void add_channel(struct parameters *out, const struct store_request *request) {
    parameters_add_text(out, request->channel_id);
}

static void add_member(struct parameters *out, const struct store_request *request) {
    parameters_add_text(out, request->channel_id);
    parameters_add_text(out, request->user_id);
}

/* ---- CHANNEL: the head, then the rest */

static void build_channel(struct store_request *request, struct query *query) {
    add_channel(query_add(query,
                          "SELECT name, visibility, (SELECT count(*) FROM channel_members m WHERE m.channel_id = "
                          "c.channel_id) FROM channels c WHERE channel_id = $1"),
                request);
}

static int take_channel(struct postgres_store *store, struct store_request *request, const struct query *query) {
    struct buffer *out = &request->json;
    if (query_rows(query, 0) == 0) return STORE_NOT_FOUND;
    buffer_append_char(out, '{');
    store_write_member(out, "channelId", request->channel_id);
    store_write_member(out, "name", query_text(query, 0, 0, 0));
    store_write_member(out, "visibility", query_text(query, 0, 0, 1));
    store_write_member_number(out, "seq", request->at.seq);
    store_write_member(out, "epoch", slice_of(request->at.epoch));
    store_write_member_number(out, "members", query_integer(query, 0, 0, 2));
    buffer_append_char(out, '}');
    return STORE_OK;
}

static void build_head(struct store_request *request, struct query *query) {
    add_channel(query_add(query, HEAD), request);
}

static bool take_head(struct store_request *request, const struct query *query, unsigned statement) {
    if (query_rows(query, statement) == 0) return false;
    request->at.seq = query_integer(query, statement, 0, 0);
    snprintf(request->at.epoch, sizeof request->at.epoch, "%.*s", SLICE_ARG(query_text(query, statement, 0, 1)));
    return true;
}

static void ask_shard(struct postgres_store *store, struct store_request *request, postgres_take *take) {
    struct shard *shard = postgres_shard_of(store, request->channel_id);
    if (shard)
        postgres_ask_shard(shard, request, build_head, take);
    else
        postgres_complete(store, request, STORE_UNAVAILABLE);
}

static int take_channel_head(struct postgres_store *store, struct store_request *request, const struct query *query) {
    if (!take_head(request, query, 0)) return STORE_NOT_FOUND;
    postgres_ask(&store->global, request, build_channel, take_channel, AGAIN);
    return STEP_GOES_ON;
}

/* ---- CHANNEL_PUT: its place, then its head, then its current state. Each step may be repeated. */

static void build_new_head(struct store_request *request, struct query *query) {
    add_channel(query_add(query, "INSERT INTO channel_heads (channel_id) VALUES ($1) ON CONFLICT DO NOTHING"), request);
    add_channel(query_add(query, HEAD), request);
}

static int take_new_head(struct postgres_store *store, struct store_request *request, const struct query *query) {
    if (!take_head(request, query, 1)) return STORE_UNAVAILABLE;
    postgres_ask(&store->global, request, build_channel, take_channel, AGAIN);
    return STEP_GOES_ON;
}

static int take_place(struct postgres_store *store, struct store_request *request, const struct query *query) {
    struct shard *shard = postgres_shard_of(store, request->channel_id);
    if (query_rows(query, 0) == 0 || !shard) {
        LOG(LOG_ERROR, "store.channel_elsewhere", LOG_SLICE("channel", request->channel_id),
            LOG_TEXT("reason", "its log is not on the shard in the shard map"));
        return STORE_UNAVAILABLE;
    }
    postgres_ask_shard(shard, request, build_new_head, take_new_head);
    return STEP_GOES_ON;
}

static void build_place(struct store_request *request, struct query *query) {
    struct parameters *out = query_add(query, "SELECT shard FROM stoa_channel_put($1, $2, $3, $4, $5, $6)");
    add_channel(out, request);
    parameters_add_text(out, request->channel.name);
    parameters_add_text(out, request->channel.visibility);
    parameters_add_integer(out, request->driver.now_ms);
    parameters_add_integer(out, shard_map_bucket(request->channel_id));
    parameters_add_integer(out, request->channel.shard);
}

static void channel_put(struct postgres_store *store, struct store_request *request) {
    struct shard *shard = postgres_shard_of(store, request->channel_id);
    if (!shard) {
        postgres_complete(store, request, STORE_UNAVAILABLE);
        return;
    }
    request->channel.shard = shard->number;
    postgres_ask(&store->global, request, build_place, take_place, AGAIN);
}

/* ---- members */

static int take_change(struct postgres_store *store, struct store_request *request, const struct query *query) {
    return query_changed(query, 0) > 0 ? STORE_OK : STORE_NOT_FOUND;
}

/* MEMBER_PUT: changes an existing member's role; else reads the head, up to which a new member has read, then adds the
 * member. */

static void build_role(struct store_request *request, struct query *query) {
    struct parameters *out =
        query_add(query, "UPDATE channel_members SET role = $3 WHERE channel_id = $1 AND user_id = $2");
    add_member(out, request);
    parameters_add_text(out, request->member.role);
}

static void build_new_member(struct store_request *request, struct query *query) {
    struct parameters *out = query_add(
        query,
        "INSERT INTO channel_members (channel_id, user_id, role, joined_ms, read_seq) SELECT channel_id, $2, $3, $4, "
        "$5 "
        "FROM channels WHERE channel_id = $1 ON CONFLICT (channel_id, user_id) DO UPDATE SET role = excluded.role");
    add_member(out, request);
    parameters_add_text(out, request->member.role);
    parameters_add_integer(out, request->driver.now_ms);
    parameters_add_integer(out, request->at.seq);
}

static int take_join_head(struct postgres_store *store, struct store_request *request, const struct query *query) {
    if (!take_head(request, query, 0)) return STORE_NOT_FOUND;
    postgres_ask(&store->global, request, build_new_member, take_change, AGAIN);
    return STEP_GOES_ON;
}

static int take_role(struct postgres_store *store, struct store_request *request, const struct query *query) {
    if (query_changed(query, 0) > 0) return STORE_OK;
    ask_shard(store, request, take_join_head);
    return STEP_GOES_ON;
}

static void build_member_delete(struct store_request *request, struct query *query) {
    add_member(query_add(query, "DELETE FROM channel_members WHERE channel_id = $1 AND user_id = $2"), request);
}

static void build_member(struct store_request *request, struct query *query) {
    add_member(query_add(query, "SELECT user_id, role FROM channel_members WHERE channel_id = $1 AND user_id = $2"),
               request);
}

static void write_member(struct buffer *out, const struct query *query, unsigned row) {
    buffer_append_char(out, '{');
    store_write_member(out, "userId", query_text(query, 0, row, 0));
    store_write_member(out, "role", query_text(query, 0, row, 1));
    buffer_append_char(out, '}');
}

static int take_member(struct postgres_store *store, struct store_request *request, const struct query *query) {
    if (query_rows(query, 0) == 0) return STORE_NOT_FOUND;
    write_member(&request->json, query, 0);
    return STORE_OK;
}

static void build_members(struct store_request *request, struct query *query) {
    struct parameters *out =
        query_add(query, "SELECT user_id, role FROM channel_members WHERE channel_id = $1 ORDER BY user_id LIMIT $2");
    add_channel(out, request);
    parameters_add_integer(out, MEMBERS_MAX);
}

static int take_members(struct postgres_store *store, struct store_request *request, const struct query *query) {
    buffer_append_char(&request->json, '[');
    for (unsigned row = 0; row < query_rows(query, 0); row++) {
        if (row > 0) buffer_append_char(&request->json, ',');
        write_member(&request->json, query, row);
    }
    buffer_append_char(&request->json, ']');
    return STORE_OK;
}

/* ---- READ_MARK: the head, which caps it, then the mark */

static void build_mark(struct store_request *request, struct query *query) {
    struct parameters *out = query_add(query,
                                       "UPDATE channel_members SET read_seq = greatest(read_seq, least($3, $4)) WHERE "
                                       "channel_id = $1 AND user_id = $2");
    add_member(out, request);
    parameters_add_integer(out, request->member.read_seq);
    parameters_add_integer(out, request->at.seq);
}

static int take_mark_head(struct postgres_store *store, struct store_request *request, const struct query *query) {
    if (!take_head(request, query, 0)) return STORE_NOT_FOUND;
    postgres_ask(&store->global, request, build_mark, take_change, AGAIN);
    return STEP_GOES_ON;
}

void postgres_channels(struct postgres_store *store, struct store_request *request) {
    switch (request->op) {
        case STORE_CHANNEL:
            ask_shard(store, request, take_channel_head);
            break;
        case STORE_CHANNEL_PUT:
            channel_put(store, request);
            break;
        case STORE_MEMBER_PUT:
            postgres_ask(&store->global, request, build_role, take_role, AGAIN);
            break;
        case STORE_MEMBER_DELETE:
            postgres_ask(&store->global, request, build_member_delete, take_change, ONCE);
            break;
        case STORE_MEMBER:
            postgres_ask(&store->global, request, build_member, take_member, AGAIN);
            break;
        case STORE_MEMBERS:
            postgres_ask(&store->global, request, build_members, take_members, AGAIN);
            break;
        default: /* STORE_READ_MARK */
            ask_shard(store, request, take_mark_head);
    }
}
