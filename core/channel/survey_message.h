/* survey_message.h - what workers ask and answer of users, as bytes. survey.c's own. */
#ifndef CHANNEL_SURVEY_MESSAGE_H
#define CHANNEL_SURVEY_MESSAGE_H

#include "base/buffer.h"
#include "channel/presence.h"

enum survey_kind {
    SURVEY_QUESTION = 1, /* on everyone's topic: the asker's name, users */
    SURVEY_ANSWER = 2    /* on the asker's: what is known of those of whom anything is */
};

/* Followed by users' ids, as parts. */
void survey_write_question(struct buffer *out, uint64_t number, struct slice asker);
/* Followed by sights. */
void survey_write_answer(struct buffer *out, uint64_t number);
void survey_write_sight(struct buffer *out, struct slice user_id, const struct presence_sight *sight);

/* Kind and number are taken off body; 0: it is none. */
enum survey_kind survey_read_head(struct slice *body, uint64_t *number_r);
bool survey_read_question(struct slice body, struct slice *asker_r, struct slice *user_ids_r) MUST_CHECK;
/* All sights are sound. */
bool survey_read_answer(struct slice body) MUST_CHECK;
/* False: there is no further one. */
bool survey_read_sight(struct slice *sights, struct slice *user_id_r, struct presence_sight *sight_r) MUST_CHECK;

#endif
