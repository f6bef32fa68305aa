/* SPDX-License-Identifier: Apache-2.0 */
/* survey.h - who is online anywhere: all other workers are asked of users whom this one does not see itself, and of
 * channels that it does not follow.
 *
 * A worker sees its own connections and the members of channels that it follows (presence_sync.h). Of anyone else, and
 * of any other channel, each worker that is alive says what it knows by its connections, so that it is known when all
 * have answered; who has not within SURVEY_DEADLINE_MS makes the answer stale. What is asked at the same time goes in
 * one question, and a worker asks the less often, the more there are. Nothing of it is kept: not here, and not in
 * Redis.
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
    SURVEY_PACE_MS = 5,          /* times the workers, this one included: so long between two questions … */
    SURVEY_PACE_MAX_MS = 250,    /* … and at most so long */
    SURVEY_SUBJECTS_MAX = 20000, /* users and channels asked about at once: what is beyond is answered as far as it is
                                    known here, and stale; an answer has as many names at most, those of … */
    SURVEY_NAMES_MAX = 5000 /* … a channel with more users of one worker, or that has no room there, are counted */
};

/* name: the worker's, on whose topic it hears (topic.h). All of them outlive it. */
struct survey *survey_new(struct loop *loop, const struct presence *presence, const struct presence_sync *presence_sync,
                          struct bus *bus, const struct state *state, struct slice name);
/* Calls under way are answered with what is known here, as stale. */
void survey_free(struct survey **survey);

/* Embedded in the asker, who sets done, and what it is about: users or a channel. */
struct survey_call {
    /* Once; within survey_ask if nobody must be asked. users: JSON, as presence_write_sight writes them: all of them in
     * their order, or whom the channel has, and online how many. is_stale: others may know better, and cannot be heard.
     */
    void (*done)(struct survey_call *call, struct slice users, size_t online, bool is_stale);
    struct slice user_ids;   /* as parts (bus/fields.h), sound ones; borrowed until done */
    struct slice channel_id; /* empty: users; borrowed until done */
    size_t names_max;        /* of a channel: so many are named */
    struct list link;        /* the survey's */
};
bool survey_must_ask(const struct survey *survey, const struct survey_call *call);
void survey_ask(struct survey *survey, struct survey_call *call);

/* A BUS_SURVEY of another worker. False: it is malformed. */
bool survey_take(struct survey *survey, struct slice topic, const struct bus_message *message) MUST_CHECK;

#endif
