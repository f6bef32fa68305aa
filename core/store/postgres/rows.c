/* SPDX-License-Identifier: Apache-2.0 */
#include "store/postgres/rows.h"

#include <stdio.h>

#include "base/wall_time.h"
#include "postgres/query.h"
#include "store/store_json.h"

/* Columns of EVENT_COLUMNS. */
enum {
    EVENT_CHANNEL,
    EVENT_SEQ,
    EVENT_EPOCH,
    EVENT_KIND,
    EVENT_SENDER,
    EVENT_EMOJI,
    EVENT_MESSAGE_SEQ,
    EVENT_MESSAGE_ID,
    EVENT_USER,
    EVENT_CONTENT,
    EVENT_THREAD,
    EVENT_ATTACHMENTS,
    EVENT_REACTIONS,
    EVENT_CREATED,
    EVENT_EDITED,
    EVENT_DELETED
};
/* Columns of MESSAGE_COLUMNS. */
enum {
    MESSAGE_CHANNEL,
    MESSAGE_SEQ,
    MESSAGE_ID,
    MESSAGE_USER,
    MESSAGE_CONTENT,
    MESSAGE_THREAD,
    MESSAGE_ATTACHMENTS,
    MESSAGE_CREATED,
    MESSAGE_EDITED,
    MESSAGE_DELETED,
    MESSAGE_REACTIONS
};

static void write_body(struct buffer *out, const struct query *query, unsigned row, unsigned column,
                       enum store_kind kind) {
    struct slice channel = query_text(query, 0, row, column + EVENT_CHANNEL);
    struct slice message_id = query_text(query, 0, row, column + EVENT_MESSAGE_ID);
    if (kind == STORE_DELETE) {
        store_write_deleted_body(out, channel, message_id);
    } else if (kind == STORE_REACTION_ADD || kind == STORE_REACTION_REMOVE) {
        struct store_reaction reaction = {.channel_id = channel,
                                          .message_id = message_id,
                                          .user_id = query_text(query, 0, row, column + EVENT_SENDER),
                                          .emoji = query_text(query, 0, row, column + EVENT_EMOJI),
                                          .added = kind == STORE_REACTION_ADD};
        store_write_reaction_body(out, &reaction);
    } else {
        struct store_message message = {.channel_id = channel,
                                        .message_id = message_id,
                                        .user_id = query_text(query, 0, row, column + EVENT_USER),
                                        .content = query_text(query, 0, row, column + EVENT_CONTENT),
                                        .thread_id = query_text(query, 0, row, column + EVENT_THREAD),
                                        .attachments = query_text(query, 0, row, column + EVENT_ATTACHMENTS),
                                        .created_ms = query_integer(query, 0, row, column + EVENT_CREATED),
                                        .edited_ms = query_integer(query, 0, row, column + EVENT_EDITED),
                                        .deleted_ms = query_integer(query, 0, row, column + EVENT_DELETED)};
        store_write_message_body(out, &message);
    }
}

void row_write_event(struct buffer *out, const struct query *query, unsigned row, unsigned column) {
    enum store_kind kind = (enum store_kind)query_integer(query, 0, row, column + EVENT_KIND);
    char epoch[STORE_EPOCH_MAX];
    struct buffer body = {0};
    snprintf(epoch, sizeof epoch, "%.*s", SLICE_ARG(query_text(query, 0, row, column + EVENT_EPOCH)));
    write_body(&body, query, row, column, kind);
    store_write_event(out, kind, buffer_slice(&body), query_integer(query, 0, row, column + EVENT_MESSAGE_SEQ),
                      query_integer(query, 0, row, column + EVENT_SEQ), epoch);
    buffer_done(&body);
}

void row_write_message(struct buffer *out, const struct query *query, unsigned row, unsigned column) {
    struct store_message message = {.channel_id = query_text(query, 0, row, column + MESSAGE_CHANNEL),
                                    .message_seq = query_integer(query, 0, row, column + MESSAGE_SEQ),
                                    .message_id = query_text(query, 0, row, column + MESSAGE_ID),
                                    .user_id = query_text(query, 0, row, column + MESSAGE_USER),
                                    .content = query_text(query, 0, row, column + MESSAGE_CONTENT),
                                    .thread_id = query_text(query, 0, row, column + MESSAGE_THREAD),
                                    .attachments = query_text(query, 0, row, column + MESSAGE_ATTACHMENTS),
                                    .created_ms = query_integer(query, 0, row, column + MESSAGE_CREATED),
                                    .edited_ms = query_integer(query, 0, row, column + MESSAGE_EDITED),
                                    .deleted_ms = query_integer(query, 0, row, column + MESSAGE_DELETED),
                                    .reactions = query_text(query, 0, row, column + MESSAGE_REACTIONS)};
    store_write_message(out, &message);
}

void row_answer_append(struct store_request *request, const struct query *query, unsigned row, unsigned column) {
    request->at.seq = query_integer(query, 0, row, column + EVENT_SEQ);
    snprintf(request->at.epoch, sizeof request->at.epoch, "%.*s",
             SLICE_ARG(query_text(query, 0, row, column + EVENT_EPOCH)));
    snprintf(request->append.message_id_r, sizeof request->append.message_id_r, "%.*s",
             SLICE_ARG(query_text(query, 0, row, column + EVENT_MESSAGE_ID)));
    wall_time_write(request->append.created_at_r, query_integer(query, 0, row, column + EVENT_CREATED));
    row_write_event(&request->json, query, row, column);
}
