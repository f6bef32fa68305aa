/* SPDX-License-Identifier: Apache-2.0 */
/* Users, sessions, audit: in the global database. */
#include <openssl/sha.h>

#include "base/wall_time.h"
#include "store/postgres/ask.h"
#include "store/postgres/postgres_internal.h"
#include "store/store_json.h"
#include "store/store_sound.h"

enum { AUDITS_MAX = 1000, USERS_MAX = 1000 };

static int take_nothing(struct postgres_store *store, struct store_request *request, const struct query *query) {
    return STORE_OK;
}

/* ---- users */

static void build_user_put(struct store_request *request, struct query *query) {
    struct parameters *out =
        query_add(query,
                  "INSERT INTO users AS u (user_id, name, avatar) VALUES ($1, coalesce($2, $1), $3) "
                  "ON CONFLICT (user_id) DO UPDATE SET name = coalesce($2, u.name), avatar = "
                  "coalesce($3, u.avatar)");
    parameters_add_text(out, request->user_id);
    parameters_add_text(out, request->user.name);
    parameters_add_text(out, request->user.avatar);
}

static void add_ids(struct parameters *out, const struct store_request *request) {
    size_t len;
    const struct slice *ids = store_ids(request, &len);
    if (len > USERS_MAX) len = USERS_MAX;
    parameters_add_texts(out, (unsigned)len);
    for (size_t i = 0; i < len; i++)
        parameters_text_item(out, store_id_sound(ids[i], STORE_USER_ID_MAX) ? ids[i] : SLICE_NONE);
}

/* In order, or two workers could deadlock. Skips a user whose row is locked, so that the others of the list do not
 * wait. */
#define SEE                                                                                                           \
    "WITH asked AS MATERIALIZED (SELECT DISTINCT id FROM unnest($1) AS a (id) WHERE id IS NOT NULL), free AS "        \
    "MATERIALIZED (SELECT user_id FROM users JOIN asked ON user_id = id ORDER BY user_id FOR NO KEY UPDATE OF users " \
    "SKIP LOCKED), seen AS (UPDATE users u SET last_seen_ms = $2 FROM free WHERE u.user_id = free.user_id) INSERT "   \
    "INTO "                                                                                                           \
    "users (user_id, name, last_seen_ms) SELECT id, id, $2 FROM asked WHERE NOT EXISTS (SELECT FROM users WHERE "     \
    "user_id = id) ORDER BY id ON CONFLICT DO NOTHING"

static void build_users_seen(struct store_request *request, struct query *query) {
    struct parameters *out = query_add(query, SEE);
    add_ids(out, request);
    parameters_add_integer(out, request->driver.now_ms);
}

static void build_users(struct store_request *request, struct query *query) {
    struct parameters *out = query_add(query,
                                       "SELECT u.user_id, u.name, u.avatar, u.last_seen_ms FROM unnest($1) WITH "
                                       "ORDINALITY a (user_id, o) JOIN users u USING (user_id) ORDER BY a.o");
    add_ids(out, request);
}

static int take_users(struct postgres_store *store, struct store_request *request, const struct query *query) {
    struct buffer *out = &request->json;
    buffer_append_char(out, '[');
    for (unsigned row = 0; row < query_rows(query, 0); row++) {
        char seen[32] = "";
        int64_t seen_ms = query_integer(query, 0, row, 3);
        if (seen_ms) wall_time_write(seen, seen_ms);
        buffer_append_str(out, row > 0 ? ",{" : "{");
        store_write_member(out, "userId", query_text(query, 0, row, 0));
        store_write_member(out, "name", query_text(query, 0, row, 1));
        store_write_member(out, "avatar", query_text(query, 0, row, 2));
        store_write_member(out, "lastSeen", slice_of(seen));
        buffer_append_char(out, '}');
    }
    buffer_append_char(out, ']');
    return STORE_OK;
}

/* ---- users' own statuses */

static void build_word_put(struct store_request *request, struct query *query) {
    struct parameters *out = query_add(
        query,
        "WITH gone AS (DELETE FROM words WHERE user_id = $1 AND $2::text IS NULL) INSERT INTO words (user_id, "
        "status, message, until_ms) SELECT $1, $2, $3, $4::bigint WHERE $2::text IS NOT NULL ON CONFLICT (user_id) DO "
        "UPDATE SET status = excluded.status, message = excluded.message, until_ms = excluded.until_ms");
    parameters_add_text(out, request->user_id);
    parameters_add_text(out, request->word.status);
    parameters_add_text(out, request->word.message);
    parameters_add_integer(out, request->word.ends_ms);
}

static void build_words(struct store_request *request, struct query *query) {
    struct parameters *out = query_add(query,
                                       "SELECT w.user_id, w.status, w.message, w.until_ms FROM unnest($1) WITH "
                                       "ORDINALITY a (user_id, o) JOIN words w USING (user_id) WHERE w.until_ms = 0 OR "
                                       "w.until_ms > $2 ORDER BY a.o");
    add_ids(out, request);
    parameters_add_integer(out, request->driver.now_ms);
}

static int take_words(struct postgres_store *store, struct store_request *request, const struct query *query) {
    buffer_append_char(&request->json, '[');
    for (unsigned row = 0; row < query_rows(query, 0); row++)
        store_write_word(&request->json, query_text(query, 0, row, 0), query_text(query, 0, row, 1),
                         query_text(query, 0, row, 2), query_integer(query, 0, row, 3));
    buffer_append_char(&request->json, ']');
    return STORE_OK;
}

/* ---- sessions */

static void add_token(struct parameters *out, struct slice token) {
    unsigned char hash[SHA256_DIGEST_LENGTH];
    SHA256((const unsigned char *)token.ptr, token.len, hash);
    parameters_add_bytes(out, (struct slice){(const char *)hash, sizeof hash});
}

/* Deletes faster than sessions are created, however many have expired; skips rows that another worker is deleting. */
#define SWEEP                                                                                                    \
    "DELETE FROM sessions WHERE token_hash IN (SELECT token_hash FROM sessions WHERE expires_ms <= $1 ORDER BY " \
    "expires_ms LIMIT 100 FOR UPDATE SKIP LOCKED)"

static void build_session_put(struct store_request *request, struct query *query) {
    parameters_add_integer(query_add(query, SWEEP), request->driver.now_ms);
    struct parameters *out =
        query_add(query,
                  "INSERT INTO sessions VALUES ($1, $2, $3) ON CONFLICT (token_hash) DO UPDATE SET "
                  "user_id = excluded.user_id, expires_ms = excluded.expires_ms");
    add_token(out, request->session.token);
    parameters_add_text(out, request->user_id);
    parameters_add_integer(out, request->session.expires_ms);
}

static void build_session(struct store_request *request, struct query *query) {
    struct parameters *out =
        query_add(query, "SELECT user_id, expires_ms FROM sessions WHERE token_hash = $1 AND expires_ms > $2");
    add_token(out, request->session.token);
    parameters_add_integer(out, request->driver.now_ms);
}

static void build_session_delete(struct store_request *request, struct query *query) {
    struct parameters *out = query_add(
        query, "DELETE FROM sessions WHERE token_hash = $1 AND expires_ms > $2 RETURNING user_id, expires_ms");
    add_token(out, request->session.token);
    parameters_add_integer(out, request->driver.now_ms);
}

static int take_session(struct postgres_store *store, struct store_request *request, const struct query *query) {
    char expires[32];
    if (query_rows(query, 0) == 0) return STORE_NOT_FOUND;
    wall_time_write(expires, query_integer(query, 0, 0, 1));
    buffer_append_char(&request->json, '{');
    store_write_member(&request->json, "userId", query_text(query, 0, 0, 0));
    store_write_member(&request->json, "expiresAt", slice_of(expires));
    buffer_append_char(&request->json, '}');
    return STORE_OK;
}

/* ---- audit */

static void build_audit(struct store_request *request, struct query *query) {
    struct parameters *out = query_add(query,
                                       "INSERT INTO audit (at_ms, actor, action, channel_id, detail) VALUES ($1, $2, "
                                       "$3, $4, coalesce($5, 'null'))");
    parameters_add_integer(out, request->driver.now_ms);
    parameters_add_text(out, request->user_id);
    parameters_add_text(out, request->audit.action);
    parameters_add_text(out, request->channel_id);
    parameters_add_text(out, request->audit.detail);
}

static void build_audits(struct store_request *request, struct query *query) {
    struct parameters *out =
        query_add(query,
                  "SELECT at_ms, actor, action, channel_id, detail FROM audit WHERE $1::text IS NULL "
                  "OR channel_id = $1 ORDER BY audit_id DESC LIMIT $2");
    parameters_add_text(out, request->channel_id);
    parameters_add_integer(
        out, request->audit.limit && request->audit.limit < AUDITS_MAX ? request->audit.limit : AUDITS_MAX);
}

static int take_audits(struct postgres_store *store, struct store_request *request, const struct query *query) {
    struct buffer *out = &request->json;
    buffer_append_char(out, '[');
    for (unsigned row = 0; row < query_rows(query, 0); row++) {
        char at[32];
        wall_time_write(at, query_integer(query, 0, row, 0));
        buffer_append_str(out, row > 0 ? ",{" : "{");
        store_write_member(out, "at", slice_of(at));
        store_write_member(out, "actor", query_text(query, 0, row, 1));
        store_write_member(out, "action", query_text(query, 0, row, 2));
        store_write_member(out, "channelId", query_text(query, 0, row, 3));
        store_write_member_json(out, "detail", query_text(query, 0, row, 4));
        buffer_append_char(out, '}');
    }
    buffer_append_char(out, ']');
    return STORE_OK;
}

/* ONCE for writes that a repetition would change: an unknown outcome is better than a double effect. */
static const struct operation {
    enum store_op op;
    postgres_build *build;
    postgres_take *take;
    enum postgres_again again;
} operations[] = {
    {STORE_USER_PUT, build_user_put, take_nothing, AGAIN},
    {STORE_USERS, build_users, take_users, AGAIN},
    {STORE_USERS_SEEN, build_users_seen, take_nothing, AGAIN},
    {STORE_WORD_PUT, build_word_put, take_nothing, AGAIN},
    {STORE_WORDS, build_words, take_words, AGAIN},
    {STORE_SESSION_PUT, build_session_put, take_nothing, AGAIN},
    {STORE_SESSION, build_session, take_session, AGAIN},
    {STORE_SESSION_DELETE, build_session_delete, take_session, ONCE},
    {STORE_AUDIT, build_audit, take_nothing, ONCE},
    {STORE_AUDITS, build_audits, take_audits, AGAIN},
};

void postgres_users(struct postgres_store *store, struct store_request *request) {
    const struct operation *operation = operations;
    while (operation->op != request->op) operation++;
    postgres_ask(&store->global, request, operation->build, operation->take, operation->again);
}
