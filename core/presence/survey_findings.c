/* SPDX-License-Identifier: Apache-2.0 */
#include "presence/survey_findings.h"

#include <stdlib.h>

#include "base/map.h"
#include "presence/presence.h"
#include "presence/presence_sight.h"
#include "presence/presence_sync_message.h"
#include "presence/survey_message.h"

/* What was reported of a user. */
struct person {
    struct presence_sight sight;
    struct buffer message; /* owns the bytes of the sight's message */
    size_t id_len;
    char id[];
};

/* The users online in a channel: a user with devices on several workers is one person. */
struct survey_crowd {
    struct map *persons;
    size_t unnamed;
    size_t id_len;
    char id[];
};

struct survey_findings {
    const struct presence *presence;
    size_t *named;
    struct map *persons, *crowds;
};

static struct slice person_id(const struct person *person) {
    return (struct slice){person->id, person->id_len};
}

static struct slice crowd_id(const struct survey_crowd *crowd) {
    return (struct slice){crowd->id, crowd->id_len};
}

/* Persons. */

static struct person *person_get(struct map *persons, struct slice id) {
    struct person *person = map_find(persons, id);
    if (person) return person;
    person = memory_new(sizeof *person + id.len);
    person->id_len = id.len;
    memcpy(person->id, id.ptr, id.len);
    map_put(persons, person_id(person), person);
    return person;
}

static void person_hear(struct person *person, const struct presence_sight *sight) {
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

static void persons_free(struct map **persons) {
    size_t cursor = 0;
    for (struct person *person; (person = map_next(*persons, &cursor)); free(person)) buffer_done(&person->message);
    map_free(persons);
}

/* Channels. */

static void crowd_hear(struct survey_findings *findings, struct survey_crowd *crowd, struct slice user_id,
                       const struct presence_word *word, bool is_again) {
    const struct presence_sight sight = {.is_known = true, .is_present = true, .word = *word};
    bool is_new = !map_find(crowd->persons, user_id);
    if (is_new && *findings->named >= FINDINGS_NAMED_MAX) {
        crowd->unnamed += !is_again;
        return;
    }
    *findings->named += is_new;
    person_hear(person_get(crowd->persons, user_id), &sight);
}

static void hear_channel(struct survey_findings *findings, const struct survey_finding *finding, bool is_again) {
    struct survey_crowd *crowd = map_find(findings->crowds, survey_channel(finding->subject));
    struct slice rest = finding->entries;
    struct presence_sync_entry entry;
    if (!crowd) return;
    if (!is_again) crowd->unnamed += finding->unnamed;
    while (rest.len > 0 && presence_sync_read_entry(&rest, &entry))
        if (entry.is_online) crowd_hear(findings, crowd, entry.user_id, &entry.word, is_again);
}

/* All subjects. */

void survey_findings_add_user(struct survey_findings *findings, struct slice user_id) {
    (void)person_get(findings->persons, user_id);
}

void survey_findings_add_channel(struct survey_findings *findings, struct slice channel_id) {
    if (map_find(findings->crowds, channel_id)) return;
    struct survey_crowd *crowd = memory_new(sizeof *crowd + channel_id.len);
    crowd->persons = map_new();
    crowd->id_len = channel_id.len;
    memcpy(crowd->id, channel_id.ptr, channel_id.len);
    map_put(findings->crowds, crowd_id(crowd), crowd);
}

size_t survey_findings_asked(const struct survey_findings *findings) {
    return map_size(findings->persons) + map_size(findings->crowds);
}

void survey_findings_write_subjects(const struct survey_findings *findings, struct buffer *out) {
    size_t cursor = 0;
    for (const struct person *person; (person = map_next(findings->persons, &cursor));)
        survey_add_user(out, person_id(person));
    cursor = 0;
    for (const struct survey_crowd *crowd; (crowd = map_next(findings->crowds, &cursor));)
        survey_add_channel(out, crowd_id(crowd));
}

void survey_findings_hear(struct survey_findings *findings, const struct survey_finding *finding, bool is_again) {
    if (survey_channel(finding->subject).len > 0) {
        hear_channel(findings, finding, is_again);
        return;
    }
    struct person *person = map_find(findings->persons, finding->subject);
    if (person) person_hear(person, &finding->sight);
}

struct hearing {
    struct survey_findings *findings;
    struct survey_crowd *crowd;
};

static void hear_own(void *owner, struct slice user_id, const struct presence_word *word) {
    const struct hearing *hearing = owner;
    crowd_hear(hearing->findings, hearing->crowd, user_id, word, false);
}

void survey_findings_hear_own(struct survey_findings *findings) {
    size_t cursor = 0;
    for (struct person *person; (person = map_next(findings->persons, &cursor));) {
        struct presence_sight sight = presence_see(findings->presence, person_id(person));
        if (sight.is_known) person_hear(person, &sight);
    }
    cursor = 0;
    for (struct survey_crowd *crowd; (crowd = map_next(findings->crowds, &cursor));) {
        struct hearing hearing = {findings, crowd};
        presence_each_own(findings->presence, crowd_id(crowd), hear_own, &hearing);
    }
}

bool survey_findings_write_user(const struct survey_findings *findings, struct slice user_id, struct buffer *out) {
    const struct person *person = map_find(findings->persons, user_id);
    if (person) presence_write_sight(user_id, &person->sight, out);
    return person;
}

size_t survey_findings_write_channel(const struct survey_findings *findings, struct slice channel_id, size_t max,
                                     struct buffer *out) {
    const struct survey_crowd *crowd = map_find(findings->crowds, channel_id);
    size_t cursor = 0, written = 0;
    buffer_append_char(out, '[');
    for (const struct person *person; written < max && (person = map_next(crowd->persons, &cursor)); written++) {
        if (written > 0) buffer_append_char(out, ',');
        presence_write_sight(person_id(person), &person->sight, out);
    }
    buffer_append_char(out, ']');
    return map_size(crowd->persons) + crowd->unnamed;
}

struct survey_findings *survey_findings_new(const struct presence *presence, size_t *named) {
    struct survey_findings *findings = NEW(struct survey_findings);
    findings->presence = presence;
    findings->named = named;
    findings->persons = map_new();
    findings->crowds = map_new();
    return findings;
}

void survey_findings_free(struct survey_findings **findings_owner) {
    struct survey_findings *findings = *findings_owner;
    size_t cursor = 0;
    *findings_owner = NULL;
    if (!findings) return;
    for (struct survey_crowd *crowd; (crowd = map_next(findings->crowds, &cursor)); free(crowd)) {
        *findings->named -= map_size(crowd->persons);
        persons_free(&crowd->persons);
    }
    persons_free(&findings->persons);
    map_free(&findings->crowds);
    free(findings);
}
