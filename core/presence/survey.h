/* SPDX-License-Identifier: Apache-2.0 */
/* survey.h - who is online anywhere: asks all other workers about users whom this worker does not see itself, and about
 * channels that it does not follow.
 *
 * A worker sees its own connections and the members of channels that it follows (presence_sync.h). About any other user
 * or channel each live worker reports what it knows from its own connections; the answer is complete when all have
 * answered. If a worker misses SURVEY_DEADLINE_MS, the answer is marked stale. Simultaneous calls share one question.
 * The more workers there are, the less often each asks. Answers are not kept, neither here nor in Redis.
 */
#ifndef PRESENCE_SURVEY_H
#define PRESENCE_SURVEY_H

#include "base/list.h"
#include "base/slice.h"

struct bus;
struct bus_message;
struct presence_sync;
struct loop;
struct presence;
struct state;
struct survey;

enum {
    SURVEY_DEADLINE_MS = 500,
    SURVEY_PACE_MS = 5,          /* interval between questions, times the number of workers (with this one) */
    SURVEY_PACE_MAX_MS = 250,    /* upper bound of that interval */
    SURVEY_SUBJECTS_MAX = 20000, /* users and channels in one question: the rest are answered from this worker's
                                    knowledge, marked stale. An answer has at most this many names. */
    SURVEY_NAMES_MAX = 5000 /* if a channel has more users of one worker, or does not fit the answer: counts only */
};

/* name: this worker's; answers arrive on its topic (topic.h). All arguments must outlive it. */
struct survey *survey_new(struct loop *loop, const struct presence *presence, const struct presence_sync *presence_sync,
                          struct bus *bus, const struct state *state, struct slice name);
/* Calls under way are answered with what is known here, marked stale. */
void survey_free(struct survey **survey);

/* Embedded in the asker, which sets done and the subject: users or a channel. */
struct survey_call {
    /* Called once; within survey_ask if no worker must be asked. users: JSON, as presence_write_sight writes them: all
     * users asked about, in order, or the channel's users. online: how many the channel has. is_stale: a worker did not
     * answer and may know more. */
    void (*done)(struct survey_call *call, struct slice users, size_t online, bool is_stale);
    struct slice user_ids;   /* as parts (bus/fields.h), which must be valid; borrowed until done */
    struct slice channel_id; /* empty: users; borrowed until done */
    size_t names_max;        /* of a channel: at most this many are named */
    struct list link;        /* the survey's */
};
bool survey_must_ask(const struct survey *survey, const struct survey_call *call);
void survey_ask(struct survey *survey, struct survey_call *call);

/* A BUS_SURVEY from another worker. False: it is malformed. */
bool survey_take(struct survey *survey, struct slice topic, const struct bus_message *message) MUST_CHECK;

#endif
