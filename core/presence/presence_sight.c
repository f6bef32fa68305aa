/* SPDX-License-Identifier: Apache-2.0 */
#include "presence/presence_sight.h"

#include "base/wall_time.h"
#include "presence/presence_internal.h"
#include "wire/json.h"

const char *const presence_status_names[] = {"online", "away", "busy", "invisible"};

static void write_wall_time(uint64_t wall_ms, struct buffer *out) {
    char text[WALL_TIME_MAX];
    wall_time_write(text, (int64_t)wall_ms);
    json_write_string(out, slice_of(text));
}

bool presence_is_visible(const struct presence_sight *sight) {
    return sight->is_present && sight->word.status != STATUS_INVISIBLE;
}

void presence_write_sight(struct slice id, const struct presence_sight *sight, struct buffer *out) {
    bool is_visible = presence_is_visible(sight);
    const char *unseen = sight->is_known ? "offline" : "unknown";
    buffer_append_str(out, "{\"userId\":");
    json_write_string(out, id);
    buffer_printf(out, ",\"status\":\"%s\"", is_visible ? presence_status_names[sight->word.status] : unseen);
    if (is_visible && sight->word.message.len > 0) {
        buffer_append_str(out, ",\"statusMessage\":");
        json_write_string(out, sight->word.message);
    }
    if (!is_visible && sight->last_seen_wall_ms) {
        buffer_append_str(out, ",\"lastSeen\":");
        write_wall_time(sight->last_seen_wall_ms, out);
    }
    buffer_append_char(out, '}');
}

static struct presence_sight sight_of(const struct presence_user *user, bool is_present) {
    struct presence_sight sight = {.is_known = true, .is_present = is_present};
    if (is_present) sight.word = user_word(user);
    if (!user_is_visible(user)) sight.last_seen_wall_ms = user->last_seen_wall_ms;
    return sight;
}

void presence_write_as(const struct presence_user *user, bool online, struct buffer *out) {
    struct presence_sight sight = sight_of(user, online);
    presence_write_sight(user_id(user), &sight, out);
}

struct presence_sight presence_see(const struct presence *presence, struct slice of_user) {
    const struct presence_user *user = map_find(presence->users, of_user);
    if (!user) return (struct presence_sight){.is_known = false};
    return sight_of(user, user_is_present(user) && !user->is_settling);
}

struct presence_sight presence_see_own(const struct presence *presence, struct slice of_user) {
    const struct presence_user *user = map_find(presence->users, of_user);
    bool is_own = user && (user->is_here || !user_is_present(user)) && !user->is_settling;
    return is_own ? sight_of(user, user->is_here) : (struct presence_sight){.is_known = false};
}

size_t presence_write_channel(const struct presence *presence, struct slice channel_id, size_t max,
                              struct buffer *out) {
    const struct channel *channel = map_find(presence->channels, channel_id);
    buffer_append_char(out, '[');
    if (channel) {
        size_t written = 0;
        LIST_EACH(&channel->seats, link) {
            const struct presence_seat *seat = CONTAINER(link, struct presence_seat, channel_link);
            if (!seat->is_counted) continue;
            if (written == max) break;
            if (written++ > 0) buffer_append_char(out, ',');
            presence_write_as(seat->user, true, out);
        }
    }
    buffer_append_char(out, ']');
    return channel ? channel->online + channel->unnamed : 0;
}
