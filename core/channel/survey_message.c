#include "channel/survey_message.h"

#include "base/ids.h"
#include "bus/parts.h"
#include "channel/gossip_message.h"

static const uint64_t WALL_MAX_MS = UINT64_C(253402300799999); /* of the year 9999 */

static void write_head(struct buffer *out, enum survey_kind kind, uint64_t number) {
    buffer_append_char(out, (char)kind);
    parts_add_number(out, number);
}

void survey_write_question(struct buffer *out, uint64_t number, struct slice asker) {
    write_head(out, SURVEY_QUESTION, number);
    parts_add(out, asker);
}

void survey_write_answer(struct buffer *out, uint64_t number) {
    write_head(out, SURVEY_ANSWER, number);
}

void survey_write_sight(struct buffer *out, struct slice user_id, const struct presence_sight *sight) {
    gossip_write_entry(out, &(struct gossip_entry){user_id, sight->is_present, sight->word});
    parts_add_number(out, sight->last_seen_wall_ms);
}

enum survey_kind survey_read_head(struct slice *body, uint64_t *number_r) {
    if (body->len == 0) return 0;
    unsigned kind = (unsigned char)body->ptr[0];
    *body = slice_from(*body, 1);
    if (kind != SURVEY_QUESTION && kind != SURVEY_ANSWER) return 0;
    return parts_take_number(body, number_r) ? (enum survey_kind)kind : 0;
}

bool survey_read_question(struct slice body, struct slice *asker_r, struct slice *user_ids_r) {
    struct slice user_id;
    if (!parts_take(&body, asker_r) || asker_r->len != ID_OWNER_LEN) return false;
    *user_ids_r = body;
    while (body.len > 0) {
        if (!parts_take(&body, &user_id)) return false;
    }
    return true;
}

bool survey_read_sight(struct slice *sights, struct slice *user_id_r, struct presence_sight *sight_r) {
    struct gossip_entry entry;
    *sight_r = (struct presence_sight){.is_known = true};
    if (!gossip_read_entry(sights, &entry) || !parts_take_number(sights, &sight_r->last_seen_wall_ms)) return false;
    *user_id_r = entry.user_id;
    sight_r->is_present = entry.is_online;
    sight_r->word = entry.word;
    return sight_r->last_seen_wall_ms <= WALL_MAX_MS;
}

bool survey_read_answer(struct slice body) {
    struct slice user_id;
    struct presence_sight sight;
    while (body.len > 0) {
        if (!survey_read_sight(&body, &user_id, &sight)) return false;
    }
    return true;
}
