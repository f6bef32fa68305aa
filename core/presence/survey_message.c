/* SPDX-License-Identifier: Apache-2.0 */
#include "presence/survey_message.h"

#include "base/ids.h"
#include "bus/fields.h"
#include "presence/presence_sync_message.h"

enum { CHANNEL_MARK = 1 }; /* a user's id holds no control character */

static const uint64_t WALL_MAX_MS = UINT64_C(253402300799999); /* of the year 9999 */

static void write_head(struct buffer *out, enum survey_kind kind, uint64_t number) {
    buffer_append_char(out, (char)kind);
    fields_add_number(out, number);
}

void survey_write_question(struct buffer *out, uint64_t number, struct slice asker) {
    write_head(out, SURVEY_QUESTION, number);
    fields_add(out, asker);
}

void survey_add_user(struct buffer *question, struct slice user_id) {
    fields_add(question, user_id);
}

void survey_add_channel(struct buffer *question, struct slice channel_id) {
    struct buffer subject = {0};
    buffer_append_char(&subject, CHANNEL_MARK);
    buffer_append_slice(&subject, channel_id);
    fields_add(question, buffer_slice(&subject));
    buffer_done(&subject);
}

struct slice survey_channel(struct slice subject) {
    return subject.len > 0 && subject.ptr[0] == CHANNEL_MARK ? slice_from(subject, 1) : SLICE_NONE;
}

void survey_write_answer(struct buffer *out, uint64_t number) {
    write_head(out, SURVEY_ANSWER, number);
}

void survey_write_sight(struct buffer *out, struct slice user_id, const struct presence_sight *sight) {
    presence_sync_write_entry(out, &(struct presence_sync_entry){user_id, sight->is_present, sight->word});
    fields_add_number(out, sight->last_seen_wall_ms);
}

void survey_write_channel(struct buffer *out, struct slice channel_id, uint64_t unnamed, uint64_t named) {
    survey_add_channel(out, channel_id);
    fields_add_number(out, unnamed);
    fields_add_number(out, named);
}

enum survey_kind survey_read_head(struct slice *body, uint64_t *number_r) {
    if (body->len == 0) return 0;
    unsigned kind = (unsigned char)body->ptr[0];
    *body = slice_from(*body, 1);
    if (kind != SURVEY_QUESTION && kind != SURVEY_ANSWER) return 0;
    return fields_take_number(body, number_r) ? (enum survey_kind)kind : 0;
}

bool survey_read_question(struct slice body, struct slice *asker_r, struct slice *subjects_r) {
    struct slice subject;
    if (!fields_take(&body, asker_r) || asker_r->len != ID_OWNER_LEN) return false;
    *subjects_r = body;
    while (body.len > 0) {
        if (!fields_take(&body, &subject)) return false;
    }
    return true;
}

static bool read_sight(struct slice *rest, struct survey_finding *finding) {
    struct presence_sync_entry entry;
    uint64_t last_seen_wall_ms;
    if (!presence_sync_read_entry(rest, &entry) || !fields_take_number(rest, &last_seen_wall_ms)) return false;
    finding->subject = entry.user_id;
    finding->sight = (struct presence_sight){
        .is_known = true, .is_present = entry.is_online, .word = entry.word, .last_seen_wall_ms = last_seen_wall_ms};
    return last_seen_wall_ms <= WALL_MAX_MS;
}

static bool read_channel(struct slice *rest, struct survey_finding *finding) {
    struct presence_sync_entry entry;
    uint64_t named;
    if (!fields_take(rest, &finding->subject) || !fields_take_number(rest, &finding->unnamed) ||
        finding->unnamed > UINT32_MAX || !fields_take_number(rest, &named))
        return false;
    finding->entries = *rest;
    for (; named > 0; named--)
        if (!presence_sync_read_entry(rest, &entry)) return false;
    finding->entries.len -= rest->len;
    return true;
}

bool survey_read_finding(struct slice *findings, struct survey_finding *finding_r) {
    struct slice ahead = *findings, subject;
    *finding_r = (struct survey_finding){.unnamed = 0};
    if (!fields_take(&ahead, &subject)) return false;
    return survey_channel(subject).len > 0 ? read_channel(findings, finding_r) : read_sight(findings, finding_r);
}

bool survey_read_answer(struct slice body) {
    struct survey_finding finding;
    while (body.len > 0) {
        if (!survey_read_finding(&body, &finding)) return false;
    }
    return true;
}
