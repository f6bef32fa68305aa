/* SPDX-License-Identifier: Apache-2.0 */
/* survey_message.h - the byte format of questions and answers between workers. For survey*.c only.
 *
 * A subject is a user's id, or a channel's id after a control character, which no user's id contains.
 */
#ifndef PRESENCE_SURVEY_MESSAGE_H
#define PRESENCE_SURVEY_MESSAGE_H

#include "base/buffer.h"
#include "presence/presence_sight.h"

enum survey_kind {
    SURVEY_QUESTION = 1, /* on the topic of all workers: the asker's name, subjects */
    SURVEY_ANSWER = 2    /* on the asker's topic: findings for the subjects that the worker knows */
};
/* What a worker knows of a subject. */
struct survey_finding {
    struct slice subject;
    struct presence_sight sight; /* of a user */
    uint64_t unnamed;            /* of a channel: number of the worker's online users there without their names */
    struct slice entries;        /* of a channel: the named ones, as presence_sync_write_entry writes them */
};

/* Followed by subjects, as parts. */
void survey_write_question(struct buffer *out, uint64_t number, struct slice asker);
void survey_add_user(struct buffer *question, struct slice user_id);
void survey_add_channel(struct buffer *question, struct slice channel_id);
/* Followed by findings. */
void survey_write_answer(struct buffer *out, uint64_t number);
void survey_write_sight(struct buffer *out, struct slice user_id, const struct presence_sight *sight);
/* Followed by as many entries as are named. */
void survey_write_channel(struct buffer *out, struct slice channel_id, uint64_t unnamed, uint64_t named);

/* The channel's id; empty: the subject is a user. */
struct slice survey_channel(struct slice subject);
/* Takes the kind and number off body; 0: invalid. */
enum survey_kind survey_read_head(struct slice *body, uint64_t *number_r);
bool survey_read_question(struct slice body, struct slice *asker_r, struct slice *subjects_r) MUST_CHECK;
/* All findings are sound. */
bool survey_read_answer(struct slice body) MUST_CHECK;
/* False: there is no further one. */
bool survey_read_finding(struct slice *findings, struct survey_finding *finding_r) MUST_CHECK;

#endif
