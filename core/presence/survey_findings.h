/* SPDX-License-Identifier: Apache-2.0 */
/* survey_findings.h - what one question is about, and what workers have found out, put together. survey.c's own. */
#ifndef PRESENCE_SURVEY_FINDINGS_H
#define PRESENCE_SURVEY_FINDINGS_H

#include "base/buffer.h"

enum { FINDINGS_NAMED_MAX = 100000 };

struct survey_findings;
struct presence;
struct survey_finding;

/* presence is this worker's. named: how many of channels are remembered by name, over all findings that share it; who
 * comes beyond FINDINGS_NAMED_MAX is counted only. Both outlive the findings. */
struct survey_findings *survey_findings_new(const struct presence *presence, size_t *named);
void survey_findings_free(struct survey_findings **findings);

/* It is asked about; once or more often. */
void survey_findings_add_user(struct survey_findings *findings, struct slice user_id);
void survey_findings_add_channel(struct survey_findings *findings, struct slice channel_id);
size_t survey_findings_asked(const struct survey_findings *findings);
/* Appends what is asked about, as survey_write_question wants it. */
void survey_findings_write_subjects(const struct survey_findings *findings, struct buffer *out);

/* Another worker's; what is not asked about is ignored. is_again: it may be one of those that were heard. */
void survey_findings_hear(struct survey_findings *findings, const struct survey_finding *finding, bool is_again);
/* This worker's: once, the last ones. */
void survey_findings_hear_own(struct survey_findings *findings);

/* Appends a user as presence_write_sight does. False: nothing, he is not asked about. */
bool survey_findings_write_user(const struct survey_findings *findings, struct slice user_id,
                                struct buffer *out) MUST_CHECK;
/* As presence_write_channel; the channel is asked about. */
size_t survey_findings_write_channel(const struct survey_findings *findings, struct slice channel_id, size_t max,
                                     struct buffer *out);

#endif
