#include "channel/survey.h"

#include <stdlib.h>

#include "base/ids.h"
#include "base/map.h"
#include "bus/bus.h"
#include "bus/parts.h"
#include "channel/presence.h"
#include "channel/survey_message.h"
#include "channel/topic.h"
#include "loop/loop.h"
#include "state/state.h"

/* Of whom it is asked, and what was heard of him. */
struct person {
    struct presence_sight sight;
    struct buffer message; /* the sight's */
    size_t id_len;
    char id[];
};

struct question {
    struct survey *survey;
    struct list link; /* in survey->questions */
    struct list calls;
    struct map *persons;
    struct buffer awaited; /* workers that have not answered, as parts */
    uint64_t number;
    struct loop_timer timer; /* until it is asked, then until it is too late */
};

struct survey {
    struct loop *loop;
    const struct presence *presence;
    struct bus *bus;
    const struct state *state;
    struct list questions;
    struct question *gathering; /* not asked yet; NULL: none */
    size_t persons_len;         /* of all questions */
    uint64_t next_ms;           /* not before it is asked again */
    struct buffer body, topic;  /* of the message at hand */
    char name[ID_OWNER_LEN];
};

/* Answers to the askers. */

static void hear(struct person *person, const struct presence_sight *sight) {
    struct presence_sight *known = &person->sight;
    known->is_known = true;
    if (known->last_seen_wall_ms < sight->last_seen_wall_ms) known->last_seen_wall_ms = sight->last_seen_wall_ms;
    if (!sight->is_present || (known->is_present && !presence_word_is_newer(&sight->word, &known->word))) return;
    known->is_present = true;
    known->word = sight->word;
    buffer_clear(&person->message);
    buffer_append_slice(&person->message, sight->word.message);
    known->word.message = buffer_slice(&person->message);
}

static bool is_visible_here(const struct survey *survey, struct slice user_id) {
    struct presence_sight sight = presence_see(survey->presence, user_id);
    return presence_is_visible(&sight);
}

/* question: NULL: nobody was asked. */
static void write_user(const struct survey *survey, struct question *question, struct slice user_id,
                       struct buffer *out) {
    struct presence_sight sight = presence_see(survey->presence, user_id);
    struct person *person = question ? map_find(question->persons, user_id) : NULL;
    if (person && sight.is_known) hear(person, &sight);
    presence_write_sight(user_id, person ? &person->sight : &sight, out);
}

static void answer(struct survey *survey, struct question *question, struct survey_call *call, bool is_stale) {
    struct buffer users = {0};
    struct slice rest = call->user_ids, user_id;
    while (parts_take(&rest, &user_id)) {
        buffer_append_char(&users, users.len > 0 ? ',' : '[');
        write_user(survey, question, user_id, &users);
    }
    buffer_append_str(&users, users.len > 0 ? "]" : "[]");
    call->done(call, buffer_slice(&users), is_stale);
    buffer_done(&users);
}

/* Questions. */

static void question_free(struct question *question) {
    struct survey *survey = question->survey;
    size_t cursor = 0;
    survey->persons_len -= map_size(question->persons);
    for (struct person *person; (person = map_next(question->persons, &cursor)); free(person))
        buffer_done(&person->message);
    map_free(&question->persons);
    buffer_done(&question->awaited);
    loop_timer_cancel(&question->timer);
    free(question);
}

static void question_end(struct question *question, bool is_stale) {
    struct survey *survey = question->survey;
    struct list *link;
    if (survey->gathering == question) survey->gathering = NULL;
    list_remove(&question->link);
    while ((link = list_pop(&question->calls)))
        answer(survey, question, CONTAINER(link, struct survey_call, link), is_stale);
    question_free(question);
}

static void await(void *owner, struct slice worker_id) {
    parts_add(&((struct question *)owner)->awaited, worker_id);
}

static void question_ask(struct question *question) {
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
    size_t cursor = 0;
    for (const struct person *person; (person = map_next(question->persons, &cursor));)
        parts_add(&survey->body, (struct slice){person->id, person->id_len});
    const struct bus_message message = {.kind = BUS_SURVEY, .body = buffer_slice(&survey->body)};
    (void)!bus_publish(survey->bus, SLICE(""), &message); /* it is far from too large */
    loop_timer_set(&question->timer, SURVEY_DEADLINE_MS);
}

/* Of a dead worker's users others tell, if they have come to them. */
static bool is_anyone_silent(const struct question *question) {
    struct slice rest = buffer_slice(&question->awaited), worker_id;
    while (parts_take(&rest, &worker_id))
        if (!state_is_gone(question->survey->state, worker_id)) return true;
    return false;
}

static void question_timer_fired(struct loop_timer *timer) {
    struct question *question = CONTAINER(timer, struct question, timer);
    if (question == question->survey->gathering)
        question_ask(question);
    else
        question_end(question, is_anyone_silent(question));
}

static struct question *gathering(struct survey *survey) {
    uint64_t now_ms = loop_now_ms(survey->loop);
    if (survey->gathering) return survey->gathering;
    struct question *question = survey->gathering = NEW(struct question);
    question->survey = survey;
    question->number = id_number();
    question->persons = map_new();
    list_init(&question->calls);
    list_append(&survey->questions, &question->link);
    loop_timer_init(&question->timer, survey->loop, question_timer_fired);
    loop_timer_set(&question->timer, survey->next_ms > now_ms ? survey->next_ms - now_ms : 0);
    return question;
}

static void question_add(struct question *question, struct slice user_id) {
    if (map_find(question->persons, user_id)) return;
    struct person *person = memory_new(sizeof *person + user_id.len);
    person->id_len = user_id.len;
    memcpy(person->id, user_id.ptr, user_id.len);
    map_put(question->persons, (struct slice){person->id, person->id_len}, person);
    question->survey->persons_len++;
}

static bool sees_all(const struct survey *survey, struct slice user_ids) {
    struct slice user_id;
    while (parts_take(&user_ids, &user_id))
        if (!is_visible_here(survey, user_id)) return false;
    return true;
}

bool survey_must_ask(const struct survey *survey, struct slice user_ids) {
    return !bus_is_alone(survey->bus) && !bus_is_degraded(survey->bus) && survey->persons_len < SURVEY_USERS_MAX &&
           !sees_all(survey, user_ids);
}

void survey_ask(struct survey *survey, struct survey_call *call) {
    struct slice rest = call->user_ids, user_id;
    if (!survey_must_ask(survey, rest)) {
        bool could_know = bus_is_alone(survey->bus) || (!bus_is_degraded(survey->bus) && sees_all(survey, rest));
        answer(survey, NULL, call, !could_know);
        return;
    }
    struct question *question = gathering(survey);
    list_append(&question->calls, &call->link);
    while (parts_take(&rest, &user_id))
        if (!is_visible_here(survey, user_id)) question_add(question, user_id);
}

/* Other workers. */

static bool take_question(struct survey *survey, uint64_t number, struct slice body) {
    struct slice asker, user_ids, user_id;
    if (!survey_read_question(body, &asker, &user_ids)) return false;
    buffer_clear(&survey->body);
    survey_write_answer(&survey->body, number);
    while (parts_take(&user_ids, &user_id)) {
        struct presence_sight sight = presence_see_own(survey->presence, user_id);
        if (sight.is_known) survey_write_sight(&survey->body, user_id, &sight);
    }
    buffer_clear(&survey->topic);
    topic_write_worker(&survey->topic, asker);
    const struct bus_message message = {.kind = BUS_SURVEY, .body = buffer_slice(&survey->body)};
    (void)!bus_publish(survey->bus, buffer_slice(&survey->topic), &message);
    return true;
}

static struct question *question_find(const struct survey *survey, uint64_t number) {
    LIST_EACH(&survey->questions, link) {
        struct question *question = CONTAINER(link, struct question, link);
        if (question->number == number) return question;
    }
    return NULL;
}

static bool take_answer(struct survey *survey, uint64_t number, struct slice origin, struct slice body) {
    struct question *question = question_find(survey, number);
    struct slice user_id;
    struct presence_sight sight;
    if (!survey_read_answer(body)) return false;
    if (!question) return true; /* too late */
    while (body.len > 0 && survey_read_sight(&body, &user_id, &sight)) {
        struct person *person = map_find(question->persons, user_id);
        if (person) hear(person, &sight);
    }
    parts_remove(&question->awaited, origin);
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

/* The whole. */

struct survey *survey_new(struct loop *loop, const struct presence *presence, struct bus *bus,
                          const struct state *state, struct slice name) {
    struct survey *survey = NEW(struct survey);
    survey->loop = loop;
    survey->presence = presence;
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
    LIST_EACH(&survey->questions, link) question_end(CONTAINER(link, struct question, link), true);
    buffer_done(&survey->body);
    buffer_done(&survey->topic);
    free(survey);
}
