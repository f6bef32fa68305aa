/* SPDX-License-Identifier: Apache-2.0 */
/* An accepted message lies within the bytes, and writes back to the same bytes. */
#include <stdlib.h>

#include "bus/fields.h"
#include "presence/presence_sync_message.h"
#include "presence/survey_message.h"

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t len);

static uint64_t count_entries(struct slice entries) {
    struct presence_sync_entry entry;
    uint64_t count = 0;
    for (; entries.len > 0; count++)
        if (!presence_sync_read_entry(&entries, &entry)) abort();
    return count;
}

static void write_findings(struct slice findings, struct buffer *out) {
    struct survey_finding finding;
    while (findings.len > 0) {
        if (!survey_read_finding(&findings, &finding)) abort();
        struct slice channel_id = survey_channel(finding.subject);
        if (channel_id.len == 0) {
            survey_write_sight(out, finding.subject, &finding.sight);
            continue;
        }
        survey_write_channel(out, channel_id, finding.unnamed, count_entries(finding.entries));
        buffer_append_slice(out, finding.entries);
    }
}

static void write_subjects(struct slice subjects, struct buffer *out) {
    struct slice subject;
    while (subjects.len > 0) {
        if (!fields_take(&subjects, &subject)) abort();
        struct slice channel_id = survey_channel(subject);
        if (channel_id.len > 0)
            survey_add_channel(out, channel_id);
        else
            survey_add_user(out, subject);
    }
}

static bool write_again(enum survey_kind kind, uint64_t number, struct slice body, struct buffer *out) {
    struct slice asker, subjects;
    switch (kind) {
        case SURVEY_QUESTION:
            if (!survey_read_question(body, &asker, &subjects)) return false;
            survey_write_question(out, number, asker);
            write_subjects(subjects, out);
            return true;
        case SURVEY_ANSWER:
            if (!survey_read_answer(body)) return false;
            survey_write_answer(out, number);
            write_findings(body, out);
            return true;
    }
    return false;
}

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t len) {
    struct slice given = {(const char *)bytes, len}, body = given;
    struct buffer again = {0};
    uint64_t number;
    enum survey_kind kind = survey_read_head(&body, &number);
    if (write_again(kind, number, body, &again) && !slice_equal(buffer_slice(&again), given)) abort();
    buffer_done(&again);
    return 0;
}
