/* SPDX-License-Identifier: Apache-2.0 */
/* survey_findings.h - the subjects of one question, and the merged findings of all workers. For survey.c only. */
#ifndef PRESENCE_SURVEY_FINDINGS_H
#define PRESENCE_SURVEY_FINDINGS_H

#include "base/buffer.h"

enum { FINDINGS_NAMED_MAX = 100000 };

struct survey_findings;
struct presence;
struct survey_finding;

/* presence: this worker's. named: number of users of channels that are kept by name, over all findings that share it;
 * users beyond FINDINGS_NAMED_MAX are only counted. Both must outlive the findings. */
struct survey_findings *survey_findings_new(const struct presence *presence, size_t *named);
void survey_findings_free(struct survey_findings **findings);

/* Adds a subject. May be called again for the same one. */
void survey_findings_add_user(struct survey_findings *findings, struct slice user_id);
void survey_findings_add_channel(struct survey_findings *findings, struct slice channel_id);
size_t survey_findings_asked(const struct survey_findings *findings);
/* Appends the subjects for survey_write_question. */
void survey_findings_write_subjects(const struct survey_findings *findings, struct buffer *out);

/* Adds another worker's finding; ignores one that was not asked for. is_again: it may be a repetition. */
void survey_findings_hear(struct survey_findings *findings, const struct survey_finding *finding, bool is_again);
/* Adds this worker's findings: once, after all others. */
void survey_findings_hear_own(struct survey_findings *findings);

/* Appends a user as presence_write_sight does. False: appends nothing; the user is not a subject. */
bool survey_findings_write_user(const struct survey_findings *findings, struct slice user_id,
                                struct buffer *out) MUST_CHECK;
/* As presence_write_channel. The channel must be a subject. */
size_t survey_findings_write_channel(const struct survey_findings *findings, struct slice channel_id, size_t max,
                                     struct buffer *out);

#endif
