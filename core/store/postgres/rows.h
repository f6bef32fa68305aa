/* SPDX-License-Identifier: Apache-2.0 */
/* rows.h - turns rows of the views event_rows and message_rows into the JSON that every driver returns. */
#ifndef STORE_POSTGRES_ROWS_H
#define STORE_POSTGRES_ROWS_H

#include <stdint.h>

#include "base/buffer.h"

struct query;
struct store_request;

#define EVENT_COLUMNS                                                                                              \
    "e.channel_id, e.seq, e.epoch, e.kind, e.sender, e.emoji, e.message_seq, e.message_id, e.user_id, e.content, " \
    "e.thread_id, e.attachments, e.reactions, e.created_ms, e.edited_ms, e.deleted_ms"
#define MESSAGE_COLUMNS                                                                                           \
    "m.channel_id, m.message_seq, m.message_id, m.user_id, m.content, m.thread_id, m.attachments, m.created_ms, " \
    "m.edited_ms, m.deleted_ms, m.reactions"

/* column: the row's first one, in the answer to the query's first statement. */
void row_write_event(struct buffer *out, const struct query *query, unsigned row, unsigned column);
void row_write_message(struct buffer *out, const struct query *query, unsigned row, unsigned column);
/* Sets seq_r, epoch_r, message_id_r, created_at_r and json of an APPEND. */
void row_answer_append(struct store_request *request, const struct query *query, unsigned row, unsigned column);

#endif
