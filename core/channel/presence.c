#include "channel/presence.h"

#include <assert.h>
#include <stdlib.h>
#include <time.h>

#include "base/list.h"
#include "base/map.h"
#include "loop/loop.h"
#include "wire/json.h"

enum status { STATUS_ONLINE, STATUS_AWAY, STATUS_BUSY, STATUS_INVISIBLE };
enum { FORGET_MAX = 10000 };
static const char *const status_names[] = {"online", "away", "busy", "invisible"};

/* A user is present while he has a connection, and for a grace after the last one. */
struct user {
    struct presence *presence;
    struct list seats;     /* user_link: in channels */
    struct list gone_link; /* in presence->gone while not present */
    unsigned connections;
    bool is_present;
    enum status status;
    char *message;    /* NULL: none */
    uint64_t changed; /* counts what he said of himself: compared with what seats have told */
    uint64_t last_seen_wall_ms, gone_ms;
    struct loop_timer grace;
    size_t id_len;
    char id[];
};

/* A user in a channel: taken while one of his connections looks at it, and for a grace. Lives until the others have
 * been told that it is empty. */
struct seat {
    struct user *user;
    struct channel *channel;
    struct list user_link, channel_link, dirty_link;
    unsigned looks;
    bool is_taken, is_counted; /* counted: taken and visible */
    bool told_online;          /* what the channel's members know of it */
    uint64_t told_changed;
    struct loop_timer grace;
};

struct channel {
    struct list seats, dirty; /* dirty: what its members know is not so any more */
    struct list due_link;     /* in presence->due */
    size_t online, told_online;
    size_t id_len;
    char id[];
};

/* One connection, and the seats at which it looks. */
struct connection {
    struct user *user;
    struct list looks;
    size_t id_len;
    char id[];
};
struct look {
    struct list link;
    struct seat *seat;
};

struct presence {
    struct loop *loop;
    struct presence_settings settings;
    const struct presence_events *events;
    void *owner;
    struct map *users, *channels, *connections;
    struct list due;  /* channels to tell at the next tick */
    struct list gone; /* users, who went first first */
    size_t gone_len;
    struct loop_timer tick, forget;
};

static void user_end_grace(struct loop_timer *timer);
static void seat_end_grace(struct loop_timer *timer);

static struct slice user_id(const struct user *user) {
    return (struct slice){user->id, user->id_len};
}

static bool user_is_visible(const struct user *user) {
    return user->is_present && user->status != STATUS_INVISIBLE;
}

static void channel_due(struct presence *presence, struct channel *channel) {
    if (list_empty(&channel->due_link)) list_append(&presence->due, &channel->due_link);
    if (!loop_timer_pending(&presence->tick)) loop_timer_set(&presence->tick, presence->settings.tick_ms);
}

/* Something of the seat or its user has changed. */
static void seat_refresh(struct seat *seat) {
    struct channel *channel = seat->channel;
    bool counts = seat->is_taken && user_is_visible(seat->user);
    if (counts != seat->is_counted) channel->online += counts ? 1 : (size_t)-1;
    seat->is_counted = counts;
    list_remove(&seat->dirty_link);
    if (seat->told_online == counts && (!counts || seat->told_changed == seat->user->changed) && seat->is_taken) return;
    list_append(&channel->dirty, &seat->dirty_link);
    channel_due(seat->user->presence, channel);
}

static void user_refresh(struct user *user) {
    LIST_EACH(&user->seats, link) seat_refresh(CONTAINER(link, struct seat, user_link));
}

static struct channel *channel_get(struct presence *presence, struct slice id) {
    struct channel *channel = map_find(presence->channels, id);
    if (channel) return channel;
    channel = memory_new(sizeof *channel + id.len);
    channel->id_len = id.len;
    memcpy(channel->id, id.ptr, id.len);
    list_init(&channel->seats);
    list_init(&channel->dirty);
    list_init(&channel->due_link);
    map_put(presence->channels, (struct slice){channel->id, channel->id_len}, channel);
    return channel;
}

static void channel_free(struct presence *presence, struct channel *channel) {
    map_remove(presence->channels, (struct slice){channel->id, channel->id_len});
    list_remove(&channel->due_link);
    free(channel);
}

static struct seat *seat_find(const struct user *user, struct slice channel_id) {
    LIST_EACH(&user->seats, link) {
        struct seat *seat = CONTAINER(link, struct seat, user_link);
        if (slice_equal((struct slice){seat->channel->id, seat->channel->id_len}, channel_id)) return seat;
    }
    return NULL;
}

static struct seat *seat_get(struct user *user, struct slice channel_id) {
    struct seat *seat = seat_find(user, channel_id);
    if (seat) return seat;
    seat = NEW(struct seat);
    seat->user = user;
    seat->channel = channel_get(user->presence, channel_id);
    list_append(&user->seats, &seat->user_link);
    list_append(&seat->channel->seats, &seat->channel_link);
    list_init(&seat->dirty_link);
    loop_timer_init(&seat->grace, user->presence->loop, seat_end_grace);
    return seat;
}

static void seat_free(struct seat *seat) {
    loop_timer_cancel(&seat->grace);
    list_remove(&seat->user_link);
    list_remove(&seat->channel_link);
    list_remove(&seat->dirty_link);
    free(seat);
}

static void seat_end_grace(struct loop_timer *timer) {
    struct seat *seat = CONTAINER(timer, struct seat, grace);
    seat->is_taken = false;
    seat_refresh(seat);
}

static struct user *user_get(struct presence *presence, struct slice id) {
    struct user *user = map_find(presence->users, id);
    if (user) return user;
    user = memory_new(sizeof *user + id.len);
    user->presence = presence;
    user->id_len = id.len;
    memcpy(user->id, id.ptr, id.len);
    list_init(&user->seats);
    list_init(&user->gone_link);
    loop_timer_init(&user->grace, presence->loop, user_end_grace);
    map_put(presence->users, user_id(user), user);
    return user;
}

static void user_free(struct user *user) {
    struct presence *presence = user->presence;
    if (!list_empty(&user->gone_link)) presence->gone_len--;
    map_remove(presence->users, user_id(user));
    list_remove(&user->gone_link);
    loop_timer_cancel(&user->grace);
    free(user->message);
    free(user);
}

/* Forgets who went long ago, FORGET_MAX in one go; those whose seats the others do not know to be empty yet wait at the
 * end of the queue. */
static void presence_forget(struct presence *presence) {
    uint64_t now_ms = loop_now_ms(presence->loop);
    size_t left = presence->gone_len < FORGET_MAX ? presence->gone_len : FORGET_MAX;
    for (; left > 0; left--) {
        struct user *user = CONTAINER(presence->gone.next, struct user, gone_link);
        if (presence->gone_len <= PRESENCE_GONE_MAX && user->gone_ms + PRESENCE_GONE_MS > now_ms) break;
        if (list_empty(&user->seats)) {
            user_free(user);
            continue;
        }
        user->gone_ms = now_ms;
        list_remove(&user->gone_link);
        list_append(&presence->gone, &user->gone_link);
    }
    if (presence->gone_len > 0 && !loop_timer_pending(&presence->forget))
        loop_timer_set(&presence->forget, PRESENCE_GONE_MS / 10);
}

static void presence_forget_due(struct loop_timer *timer) {
    presence_forget(CONTAINER(timer, struct presence, forget));
}

static void user_end_grace(struct loop_timer *timer) {
    struct user *user = CONTAINER(timer, struct user, grace);
    struct presence *presence = user->presence;
    bool was_visible = user_is_visible(user);
    user->is_present = false;
    user->status = STATUS_ONLINE;
    free(user->message);
    user->message = NULL;
    user->gone_ms = loop_now_ms(presence->loop);
    list_append(&presence->gone, &user->gone_link);
    presence->gone_len++;
    user_refresh(user);
    if (was_visible && presence->events->offline) presence->events->offline(presence->owner, user_id(user));
    presence_forget(presence);
}

static struct connection *connection_get(struct presence *presence, struct slice id, struct slice of_user) {
    struct connection *connection = map_find(presence->connections, id);
    if (connection) return slice_equal(user_id(connection->user), of_user) ? connection : NULL;
    struct user *user = user_get(presence, of_user);
    connection = memory_new(sizeof *connection + id.len);
    connection->user = user;
    connection->id_len = id.len;
    memcpy(connection->id, id.ptr, id.len);
    list_init(&connection->looks);
    map_put(presence->connections, (struct slice){connection->id, connection->id_len}, connection);
    user->connections++;
    loop_timer_cancel(&user->grace);
    if (!list_empty(&user->gone_link)) {
        list_remove(&user->gone_link);
        presence->gone_len--;
    }
    if (!user->is_present) {
        user->is_present = true;
        user_refresh(user);
    }
    return connection;
}

static void look_end(struct look *look) {
    struct seat *seat = look->seat;
    list_remove(&look->link);
    free(look);
    if (--seat->looks == 0) loop_timer_set(&seat->grace, seat->user->presence->settings.grace_ms);
}

static struct look *look_find(const struct connection *connection, const struct seat *seat) {
    LIST_EACH(&connection->looks, link) {
        struct look *look = CONTAINER(link, struct look, link);
        if (look->seat == seat) return look;
    }
    return NULL;
}

void presence_connected(struct presence *presence, struct slice user, struct slice connection_id) {
    (void)connection_get(presence, connection_id, user);
}

void presence_disconnected(struct presence *presence, struct slice of_user, struct slice connection_id) {
    struct connection *connection = map_find(presence->connections, connection_id);
    if (!connection || !slice_equal(user_id(connection->user), of_user)) return;
    struct user *user = connection->user;
    LIST_EACH(&connection->looks, link) look_end(CONTAINER(link, struct look, link));
    map_remove(presence->connections, connection_id);
    free(connection);
    if (--user->connections > 0) return;
    if (user->status != STATUS_INVISIBLE) user->last_seen_wall_ms = loop_wall_ms(presence->loop);
    loop_timer_set(&user->grace, presence->settings.grace_ms);
}

void presence_joined(struct presence *presence, struct slice channel_id, struct slice of_user,
                     struct slice connection_id) {
    struct connection *connection = connection_get(presence, connection_id, of_user);
    if (!connection) return;
    struct seat *seat = seat_get(connection->user, channel_id);
    if (look_find(connection, seat)) return;
    struct look *look = NEW(struct look);
    look->seat = seat;
    list_append(&connection->looks, &look->link);
    seat->looks++;
    seat->is_taken = true;
    loop_timer_cancel(&seat->grace);
    seat_refresh(seat);
}

void presence_left(struct presence *presence, struct slice channel_id, struct slice of_user,
                   struct slice connection_id) {
    struct connection *connection = map_find(presence->connections, connection_id);
    if (!connection || !slice_equal(user_id(connection->user), of_user)) return;
    struct seat *seat = seat_find(connection->user, channel_id);
    struct look *look = seat ? look_find(connection, seat) : NULL;
    if (look) look_end(look);
}

bool presence_update(struct presence *presence, struct slice of_user, struct slice status, struct slice message) {
    struct user *user = map_find(presence->users, of_user);
    enum status new_status = STATUS_ONLINE;
    while (new_status <= STATUS_INVISIBLE && !slice_is(status, status_names[new_status])) new_status++;
    if (!user || user->connections == 0 || new_status > STATUS_INVISIBLE || message.len > PRESENCE_MESSAGE_MAX)
        return false;
    bool hides = new_status == STATUS_INVISIBLE && user->status != STATUS_INVISIBLE;
    if (hides) user->last_seen_wall_ms = loop_wall_ms(presence->loop);
    user->status = new_status;
    free(user->message);
    user->message = message.len ? memory_copy(message.ptr, message.len) : NULL;
    user->changed++;
    user_refresh(user);
    if (hides && presence->events->offline) presence->events->offline(presence->owner, of_user);
    return true;
}

static void write_wall_time(uint64_t wall_ms, struct buffer *out) {
    char text[32];
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm utc;
    gmtime_r(&seconds, &utc);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
    buffer_printf(out, "\"%s.%03uZ\"", text, (unsigned)(wall_ms % 1000));
}

static void write_user(const struct user *user, bool online, struct buffer *out) {
    buffer_append_str(out, "{\"userId\":");
    json_write_string(out, user_id(user));
    buffer_printf(out, ",\"status\":\"%s\"", online ? status_names[user->status] : "offline");
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
        write_user(user, user_is_visible(user), out);
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
            write_user(seat->user, true, out);
        }
    }
    buffer_append_char(out, ']');
    return channel ? channel->online : 0;
}

size_t presence_connections(const struct presence *presence, struct slice of_user) {
    const struct user *user = map_find(presence->users, of_user);
    return user ? user->connections : 0;
}

/* Takes the changes of a channel that tells names, and frees the seats that nobody needs any more. */
static void channel_take_changes(struct channel *channel, struct buffer *users) {
    LIST_EACH(&channel->dirty, link) {
        struct seat *seat = CONTAINER(link, struct seat, dirty_link);
        bool changed =
            seat->told_online != seat->is_counted || (seat->is_counted && seat->told_changed != seat->user->changed);
        list_remove(link);
        if (changed) {
            buffer_append_char(users, users->len ? ',' : '[');
            /* Out of this channel may still be online elsewhere; here he is offline. */
            write_user(seat->user, seat->is_counted, users);
        }
        seat->told_online = seat->is_counted;
        seat->told_changed = seat->user->changed;
        if (!seat->is_taken) seat_free(seat);
    }
    if (users->len) buffer_append_char(users, ']');
}

/* While a channel tells counts only, its changes are kept: once it is small again its members hear the difference. Only
 * seats of which they never heard need not be. */
static void channel_free_unheard(struct channel *channel) {
    LIST_EACH(&channel->dirty, link) {
        struct seat *seat = CONTAINER(link, struct seat, dirty_link);
        if (!seat->is_taken && !seat->told_online) seat_free(seat);
    }
}

static void channel_tell(struct presence *presence, struct channel *channel) {
    struct buffer users = {0}, id = {0};
    size_t online = channel->online;
    bool has_news = online != channel->told_online;
    if (online > presence->settings.names_max) {
        channel_free_unheard(channel);
    } else {
        channel_take_changes(channel, &users);
        has_news = users.len > 0;
    }
    channel->told_online = online;
    buffer_append(&id, channel->id, channel->id_len);
    if (list_empty(&channel->seats)) channel_free(presence, channel);
    if (has_news) presence->events->changed(presence->owner, buffer_slice(&id), buffer_slice(&users), online);
    buffer_done(&users);
    buffer_done(&id);
}

static void presence_tick(struct loop_timer *timer) {
    struct presence *presence = CONTAINER(timer, struct presence, tick);
    struct list due, *link;
    list_init(&due);
    list_splice(&due, &presence->due);
    while ((link = list_pop(&due))) channel_tell(presence, CONTAINER(link, struct channel, due_link));
}

struct presence *presence_new(struct loop *loop, const struct presence_settings *settings,
                              const struct presence_events *events, void *owner) {
    struct presence *presence = NEW(struct presence);
    presence->loop = loop;
    presence->settings = *settings;
    presence->events = events;
    presence->owner = owner;
    presence->users = map_new();
    presence->channels = map_new();
    presence->connections = map_new();
    list_init(&presence->due);
    list_init(&presence->gone);
    loop_timer_init(&presence->tick, loop, presence_tick);
    loop_timer_init(&presence->forget, loop, presence_forget_due);
    return presence;
}

void presence_set(struct presence *presence, const struct presence_settings *settings) {
    presence->settings = *settings;
}

void presence_free(struct presence **presence_owner) {
    struct presence *presence = *presence_owner;
    if (!presence) return;
    size_t cursor = 0;
    for (struct connection *connection; (connection = map_next(presence->connections, &cursor)); free(connection))
        LIST_EACH(&connection->looks, link) free(CONTAINER(link, struct look, link));
    cursor = 0;
    for (struct channel *channel; (channel = map_next(presence->channels, &cursor));) {
        LIST_EACH(&channel->seats, link) seat_free(CONTAINER(link, struct seat, channel_link));
        channel_free(presence, channel);
    }
    cursor = 0;
    for (struct user *user; (user = map_next(presence->users, &cursor));) user_free(user);
    map_free(&presence->connections);
    map_free(&presence->channels);
    map_free(&presence->users);
    loop_timer_cancel(&presence->tick);
    loop_timer_cancel(&presence->forget);
    free(presence);
    *presence_owner = NULL;
}
