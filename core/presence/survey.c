/* SPDX-License-Identifier: Apache-2.0 */
#include "presence/survey.h"

#include <stdlib.h>

#include "base/ids.h"
#include "bus/bus.h"
#include "bus/fields.h"
#include "channel/topic.h"
#include "loop/loop.h"
#include "presence/presence.h"
#include "presence/presence_sight.h"
#include "presence/presence_sync.h"
#include "presence/presence_sync_message.h"
#include "presence/survey_findings.h"
#include "presence/survey_message.h"
#include "state/state.h"
#include "wire/user_id.h"

struct survey_question {
    struct survey *survey;
    struct list link; /* in survey->questions */
    struct list calls;
    struct survey_findings *findings;
    struct buffer awaited; /* workers that have not answered, as parts */
    uint64_t number;
    struct loop_timer timer; /* until the question is sent, then until the deadline */
};

struct survey {
    struct loop *loop;
    const struct presence *presence;
    const struct presence_sync *presence_sync;
    struct bus *bus;
    const struct state *state;
    struct list questions;
    struct survey_question *gathering; /* the question not sent yet; NULL: none */
    size_t named;                      /* names kept in the findings of all questions */
    uint64_t next_ms;                  /* no question is sent before this time */
    struct buffer body, topic;         /* of the current message */
    char name[ID_OWNER_LEN];
};

/* Answers to the askers. */

static void write_user(const struct survey *survey, const struct survey_findings *findings, struct slice user_id,
                       struct buffer *out) {
    if (findings && survey_findings_write_user(findings, user_id, out)) return;
    struct presence_sight sight = presence_see(survey->presence, user_id);
    presence_write_sight(user_id, &sight, out);
}

static void write_users(const struct survey *survey, const struct survey_findings *findings, struct slice user_ids,
                        struct buffer *out) {
    struct slice user_id;
    while (fields_take(&user_ids, &user_id)) {
        buffer_append_char(out, out->len > 0 ? ',' : '[');
        write_user(survey, findings, user_id, out);
    }
    buffer_append_str(out, out->len > 0 ? "]" : "[]");
}

/* findings NULL: no worker was asked. */
static void answer(const struct survey *survey, const struct survey_findings *findings, struct survey_call *call,
                   bool is_stale) {
    struct buffer users = {0};
    size_t online = 0;
    if (call->channel_id.len == 0)
        write_users(survey, findings, call->user_ids, &users);
    else if (findings)
        online = survey_findings_write_channel(findings, call->channel_id, call->names_max, &users);
    else
        online = presence_write_channel(survey->presence, call->channel_id, call->names_max, &users);
    call->done(call, buffer_slice(&users), online, is_stale);
    buffer_done(&users);
}

/* Questions. */

static void question_free(struct survey_question *question) {
    survey_findings_free(&question->findings);
    buffer_done(&question->awaited);
    loop_timer_cancel(&question->timer);
    free(question);
}

static void question_end(struct survey_question *question, bool is_stale) {
    struct survey *survey = question->survey;
    struct list *link;
    if (survey->gathering == question) survey->gathering = NULL;
    list_remove(&question->link);
    survey_findings_hear_own(question->findings);
    while ((link = list_pop(&question->calls)))
        answer(survey, question->findings, CONTAINER(link, struct survey_call, link), is_stale);
    question_free(question);
}

static void await(void *owner, struct slice worker_id) {
    fields_add(&((struct survey_question *)owner)->awaited, worker_id);
}

static void question_send(struct survey_question *question) {
    struct survey *survey = question->survey;
    uint64_t pace_ms = SURVEY_PACE_MS * (uint64_t)state_workers(survey->state);
    survey->gathering = NULL;
    survey->next_ms = loop_now_ms(survey->loop) + (pace_ms < SURVEY_PACE_MAX_MS ? pace_ms : SURVEY_PACE_MAX_MS);
    state_each_other(survey->state, await, question);
    if (question->awaited.len == 0) {
        question_end(question, false);
        return;
    }
    buffer_clear(&survey->body);
    survey_write_question(&survey->body, question->number, (struct slice){survey->name, sizeof survey->name});
    survey_findings_write_subjects(question->findings, &survey->body);
    const struct bus_message message = {.kind = BUS_SURVEY, .body = buffer_slice(&survey->body)};
    (void)!bus_publish(survey->bus, SLICE(""), &message); /* it is far below the limit */
    loop_timer_set(&question->timer, SURVEY_DEADLINE_MS);
}

/* A dead worker need not answer: if its users moved, their new workers report them. */
static bool is_anyone_silent(const struct survey_question *question) {
    struct slice rest = buffer_slice(&question->awaited), worker_id;
    while (fields_take(&rest, &worker_id))
        if (!state_is_gone(question->survey->state, worker_id)) return true;
    return false;
}

static void question_timer_fired(struct loop_timer *timer) {
    struct survey_question *question = CONTAINER(timer, struct survey_question, timer);
    if (question == question->survey->gathering)
        question_send(question);
    else
        question_end(question, is_anyone_silent(question));
}

static struct survey_question *gathering(struct survey *survey) {
    uint64_t now_ms = loop_now_ms(survey->loop);
    if (survey->gathering) return survey->gathering;
    struct survey_question *question = survey->gathering = NEW(struct survey_question);
    question->survey = survey;
    question->number = id_number();
    question->findings = survey_findings_new(survey->presence, &survey->named);
    list_init(&question->calls);
    list_append(&survey->questions, &question->link);
    loop_timer_init(&question->timer, survey->loop, question_timer_fired);
    loop_timer_set(&question->timer, survey->next_ms > now_ms ? survey->next_ms - now_ms : 0);
    return question;
}

static bool is_visible_here(const struct survey *survey, struct slice user_id) {
    struct presence_sight sight = presence_see(survey->presence, user_id);
    return presence_is_visible(&sight);
}

static bool knows(const struct survey *survey, const struct survey_call *call) {
    struct slice rest = call->user_ids, user_id;
    if (bus_is_alone(survey->bus)) return true;
    if (bus_is_degraded(survey->bus)) return false;
    if (call->channel_id.len > 0) return presence_sync_knows(survey->presence_sync, call->channel_id);
    while (fields_take(&rest, &user_id))
        if (!is_visible_here(survey, user_id)) return false;
    return true;
}

static bool may_ask(const struct survey *survey) {
    size_t asked = 0;
    LIST_EACH(&survey->questions, link)
    asked += survey_findings_asked(CONTAINER(link, struct survey_question, link)->findings);
    return !bus_is_degraded(survey->bus) && asked < SURVEY_SUBJECTS_MAX;
}

bool survey_must_ask(const struct survey *survey, const struct survey_call *call) {
    return !knows(survey, call) && may_ask(survey);
}

void survey_ask(struct survey *survey, struct survey_call *call) {
    struct slice rest = call->user_ids, user_id;
    if (!survey_must_ask(survey, call)) {
        answer(survey, NULL, call, !knows(survey, call));
        return;
    }
    struct survey_question *question = gathering(survey);
    list_append(&question->calls, &call->link);
    if (call->channel_id.len > 0) survey_findings_add_channel(question->findings, call->channel_id);
    while (fields_take(&rest, &user_id))
        if (!is_visible_here(survey, user_id)) survey_findings_add_user(question->findings, user_id);
}

/* Other workers. */

/* The answer to one question. */
struct telling {
    struct survey *survey;
    size_t names_left;
};

static void add_entry(void *owner, struct slice user_id, const struct presence_word *word) {
    presence_sync_write_entry(&((struct survey *)owner)->body, &(struct presence_sync_entry){user_id, true, *word});
}

/* An answer too large for the bus would be lost. */
enum { ENTRY_MAX_BYTES = USER_ID_MAX + PRESENCE_MESSAGE_MAX + 64, CROWD_MAX_BYTES = 256 };

static bool has_room(const struct survey *survey, size_t entries) {
    return survey->body.len + CROWD_MAX_BYTES + entries * ENTRY_MAX_BYTES <= BUS_BODY_MAX;
}

static void tell_user(struct telling *telling, struct slice user_id) {
    struct survey *survey = telling->survey;
    struct presence_sight sight = presence_see_own(survey->presence, user_id);
    if (!sight.is_known || !has_room(survey, 1)) return;
    survey_write_sight(&survey->body, user_id, &sight);
    telling->names_left -= telling->names_left > 0;
}

static void tell_channel(struct telling *telling, struct slice channel_id) {
    struct survey *survey = telling->survey;
    size_t online = presence_each_own(survey->presence, channel_id, NULL, NULL);
    bool is_named = online <= SURVEY_NAMES_MAX && online <= telling->names_left && has_room(survey, online);
    if (online == 0 || !has_room(survey, 0)) return;
    survey_write_channel(&survey->body, channel_id, is_named ? 0 : online, is_named ? online : 0);
    if (!is_named) return;
    presence_each_own(survey->presence, channel_id, add_entry, survey);
    telling->names_left -= online;
}

static bool take_question(struct survey *survey, uint64_t number, struct slice body) {
    struct telling telling = {survey, SURVEY_SUBJECTS_MAX};
    struct slice asker, subjects, subject;
    if (!survey_read_question(body, &asker, &subjects)) return false;
    buffer_clear(&survey->body);
    survey_write_answer(&survey->body, number);
    while (fields_take(&subjects, &subject)) {
        struct slice channel_id = survey_channel(subject);
        if (channel_id.len > 0)
            tell_channel(&telling, channel_id);
        else
            tell_user(&telling, subject);
    }
    buffer_clear(&survey->topic);
    topic_write_worker(&survey->topic, asker);
    const struct bus_message message = {.kind = BUS_SURVEY, .body = buffer_slice(&survey->body)};
    (void)!bus_publish(survey->bus, buffer_slice(&survey->topic), &message);
    return true;
}

static struct survey_question *question_find(const struct survey *survey, uint64_t number) {
    LIST_EACH(&survey->questions, link) {
        struct survey_question *question = CONTAINER(link, struct survey_question, link);
        if (question->number == number) return question;
    }
    return NULL;
}

static bool take_answer(struct survey *survey, uint64_t number, struct slice origin, struct slice body) {
    struct survey_question *question = question_find(survey, number);
    struct survey_finding finding;
    if (!survey_read_answer(body)) return false;
    if (!question) return true; /* too late */
    size_t awaited = question->awaited.len;
    fields_remove(&question->awaited, origin);
    bool is_again = question->awaited.len == awaited;
    while (body.len > 0 && survey_read_finding(&body, &finding))
        survey_findings_hear(question->findings, &finding, is_again);
    if (question->awaited.len == 0) question_end(question, false);
    return true;
}

bool survey_take(struct survey *survey, struct slice topic, const struct bus_message *message) {
    struct slice body = message->body;
    uint64_t number;
    switch (survey_read_head(&body, &number)) {
        case SURVEY_QUESTION:
            return topic.len == 0 && take_question(survey, number, body);
        case SURVEY_ANSWER:
            return take_answer(survey, number, message->origin, body);
    }
    return false;
}

/* Beginning and end. */

struct survey *survey_new(struct loop *loop, const struct presence *presence, const struct presence_sync *presence_sync,
                          struct bus *bus, const struct state *state, struct slice name) {
    struct survey *survey = NEW(struct survey);
    survey->loop = loop;
    survey->presence = presence;
    survey->presence_sync = presence_sync;
    survey->bus = bus;
    survey->state = state;
    list_init(&survey->questions);
    memcpy(survey->name, name.ptr, sizeof survey->name);
    return survey;
}

void survey_free(struct survey **survey_owner) {
    struct survey *survey = *survey_owner;
    *survey_owner = NULL;
    if (!survey) return;
    LIST_EACH(&survey->questions, link) question_end(CONTAINER(link, struct survey_question, link), true);
    buffer_done(&survey->body);
    buffer_done(&survey->topic);
    free(survey);
}
