/* What clients see of presence: users as JSON. */
#include <time.h>

#include "channel/presence_state.h"
#include "wire/json.h"

const char *const presence_status_names[] = {"online", "away", "busy", "invisible"};

static void write_wall_time(uint64_t wall_ms, struct buffer *out) {
    char text[32];
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm utc;
    gmtime_r(&seconds, &utc);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
    buffer_printf(out, "\"%s.%03uZ\"", text, (unsigned)(wall_ms % 1000));
}

void presence_write_as(const struct user *user, bool online, struct buffer *out) {
    buffer_append_str(out, "{\"userId\":");
    json_write_string(out, user_id(user));
    buffer_printf(out, ",\"status\":\"%s\"", online ? presence_status_names[user->status] : "offline");
    if (online && user->message) {
        buffer_append_str(out, ",\"statusMessage\":");
        json_write_string(out, slice_of(user->message));
    }
    if (!user_is_visible(user) && user->last_seen_wall_ms) {
        buffer_append_str(out, ",\"lastSeen\":");
        write_wall_time(user->last_seen_wall_ms, out);
    }
    buffer_append_char(out, '}');
}

void presence_write_user(const struct presence *presence, struct slice of_user, struct buffer *out) {
    const struct user *user = map_find(presence->users, of_user);
    if (user) {
        presence_write_as(user, user_is_visible(user), out);
        return;
    }
    buffer_append_str(out, "{\"userId\":");
    json_write_string(out, of_user);
    buffer_append_str(out, ",\"status\":\"unknown\"}");
}

size_t presence_write_channel(const struct presence *presence, struct slice channel_id, size_t max,
                              struct buffer *out) {
    const struct channel *channel = map_find(presence->channels, channel_id);
    buffer_append_char(out, '[');
    if (channel) {
        size_t written = 0;
        LIST_EACH(&channel->seats, link) {
            const struct seat *seat = CONTAINER(link, struct seat, channel_link);
            if (!seat->is_counted) continue;
            if (written == max) break;
            if (written++ > 0) buffer_append_char(out, ',');
            presence_write_as(seat->user, true, out);
        }
    }
    buffer_append_char(out, ']');
    return channel ? channel->online + channel->unnamed : 0;
}
