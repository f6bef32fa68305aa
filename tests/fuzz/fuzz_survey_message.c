/* What is taken lies within the bytes, and writes back as it came. */
#include <stdlib.h>

#include "bus/parts.h"
#include "channel/survey_message.h"

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t len);

static void write_sights(struct slice sights, struct buffer *out) {
    struct slice user_id;
    struct presence_sight sight;
    while (sights.len > 0) {
        if (!survey_read_sight(&sights, &user_id, &sight)) abort();
        survey_write_sight(out, user_id, &sight);
    }
}

static void write_users(struct slice user_ids, struct buffer *out) {
    struct slice user_id;
    while (user_ids.len > 0) {
        if (!parts_take(&user_ids, &user_id)) abort();
        parts_add(out, user_id);
    }
}

static bool write_again(enum survey_kind kind, uint64_t number, struct slice body, struct buffer *out) {
    struct slice asker, user_ids;
    switch (kind) {
        case SURVEY_QUESTION:
            if (!survey_read_question(body, &asker, &user_ids)) return false;
            survey_write_question(out, number, asker);
            write_users(user_ids, out);
            return true;
        case SURVEY_ANSWER:
            if (!survey_read_answer(body)) return false;
            survey_write_answer(out, number);
            write_sights(body, out);
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
