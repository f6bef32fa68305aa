/* SPDX-License-Identifier: Apache-2.0 */
#include "presence/presence.h"

#include <stddef.h>
#include <stdlib.h>

#include "presence/presence_internal.h"

enum { FORGET_MAX = 10000, ENDS_LOOK_MS = 24 * 3600 * 1000 };

static void user_waited(struct loop_timer *timer);
static void word_ended(struct loop_timer *timer);
static void seat_end_grace(struct loop_timer *timer);

static bool seat_is_taken(const struct presence_seat *seat) {
    return seat->is_here || seat->elsewhere > 0;
}

static void channel_due(struct presence *presence, struct channel *channel) {
    if (list_empty(&channel->due_link)) list_append(&presence->due, &channel->due_link);
    if (!loop_timer_pending(&presence->tick)) loop_timer_set(&presence->tick, presence->settings.tick_ms);
}

/* For other workers: updates the seat's state by this worker's own connections. */
static void seat_refresh_own(struct presence_seat *seat) {
    const struct presence_user *user = seat->user;
    const struct presence *presence = user->presence;
    bool is_own = seat->is_here && user->is_here && user_is_visible(user);
    if (seat->is_own == is_own && (!is_own || seat->own_changed == user->changed)) return;
    if (seat->is_own != is_own) seat->channel->own += is_own ? 1 : (size_t)-1;
    seat->is_own = is_own;
    seat->own_changed = user->changed;
    if (presence->events->moved) presence->events->moved(presence->owner, channel_id_of(seat->channel), user_id(user));
}

/* Called when the seat or its user has changed. */
static void seat_refresh(struct presence_seat *seat) {
    struct channel *channel = seat->channel;
    bool taken = seat_is_taken(seat), counts = taken && user_is_visible(seat->user);
    seat_refresh_own(seat);
    if (counts != seat->is_counted) channel->online += counts ? 1 : (size_t)-1;
    seat->is_counted = counts;
    list_remove(&seat->dirty_link);
    if (seat->told_online == counts && (!counts || seat->told_changed == seat->user->changed) && taken) return;
    list_append(&channel->dirty, &seat->dirty_link);
    channel_due(seat->user->presence, channel);
}

static void user_refresh(struct presence_user *user) {
    LIST_EACH(&user->seats, link) seat_refresh(CONTAINER(link, struct presence_seat, user_link));
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
    map_put(presence->channels, channel_id_of(channel), channel);
    return channel;
}

static void channel_free(struct presence *presence, struct channel *channel) {
    map_remove(presence->channels, channel_id_of(channel));
    list_remove(&channel->due_link);
    free(channel);
}

static struct presence_seat *seat_find(const struct presence_user *user, struct slice channel_id) {
    LIST_EACH(&user->seats, link) {
        struct presence_seat *seat = CONTAINER(link, struct presence_seat, user_link);
        if (slice_equal(channel_id_of(seat->channel), channel_id)) return seat;
    }
    return NULL;
}

static struct presence_seat *seat_get(struct presence_user *user, struct slice channel_id) {
    struct presence_seat *seat = seat_find(user, channel_id);
    if (seat) return seat;
    seat = NEW(struct presence_seat);
    seat->user = user;
    seat->channel = channel_get(user->presence, channel_id);
    list_append(&user->seats, &seat->user_link);
    list_append(&seat->channel->seats, &seat->channel_link);
    list_init(&seat->dirty_link);
    loop_timer_init(&seat->grace, user->presence->loop, seat_end_grace);
    return seat;
}

static void seat_free(struct presence_seat *seat) {
    loop_timer_cancel(&seat->grace);
    list_remove(&seat->user_link);
    list_remove(&seat->channel_link);
    list_remove(&seat->dirty_link);
    free(seat);
}

static void seat_end_grace(struct loop_timer *timer) {
    struct presence_seat *seat = CONTAINER(timer, struct presence_seat, grace);
    seat->is_here = false;
    seat_refresh(seat);
}

static struct presence_user *user_get(struct presence *presence, struct slice id) {
    struct presence_user *user = map_find(presence->users, id);
    if (user) return user;
    user = memory_new(offsetof(struct presence_user, id) + id.len);
    user->presence = presence;
    user->id_len = (uint16_t)id.len;
    memcpy(user->id, id.ptr, id.len);
    list_init(&user->seats);
    list_init(&user->gone_link);
    map_put(presence->users, user_id(user), user);
    return user;
}

static struct user_timer *timer_new(struct presence_user *user, void (*fire)(struct loop_timer *timer)) {
    struct user_timer *timer = NEW(struct user_timer);
    timer->user = user;
    loop_timer_init(&timer->timer, user->presence->loop, fire);
    return timer;
}

static void timer_drop(struct user_timer **timer) {
    if (*timer) loop_timer_cancel(&(*timer)->timer);
    free(*timer);
    *timer = NULL;
}

static void user_wait(struct presence_user *user, uint64_t delay_ms) {
    if (!user->wait) user->wait = timer_new(user, user_waited);
    loop_timer_set(&user->wait->timer, delay_ms);
}

static void user_free(struct presence_user *user) {
    struct presence *presence = user->presence;
    if (!list_empty(&user->gone_link)) presence->gone_len--;
    map_remove(presence->users, user_id(user));
    list_remove(&user->gone_link);
    timer_drop(&user->wait);
    timer_drop(&user->end);
    free(user->message);
    free(user);
}

/* Frees users that went offline long ago, FORGET_MAX at a time. Users with seats whose end members have not been told
 * yet move to the end of the queue. */
static void presence_forget(struct presence *presence) {
    uint64_t now_ms = loop_now_ms(presence->loop);
    size_t left = presence->gone_len < FORGET_MAX ? presence->gone_len : FORGET_MAX;
    for (; left > 0; left--) {
        struct presence_user *user = CONTAINER(presence->gone.next, struct presence_user, gone_link);
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

/* A repeated equal status keeps its end. */
static void user_say(struct presence_user *user, enum status status, struct slice message) {
    if (user->status == status && slice_equal(slice_of(user->message), message)) return;
    timer_drop(&user->end);
    user->status = status;
    free(user->message);
    user->message = message.len ? memory_copy(message.ptr, message.len) : NULL;
}

/* Looks again: the wall clock may have been set meanwhile. */
static void look_at_end(struct user_timer *end) {
    uint64_t now_ms = loop_wall_ms(end->user->presence->loop);
    uint64_t left_ms = end->wall_ms > now_ms ? end->wall_ms - now_ms : 1;
    loop_timer_set(&end->timer, left_ms < ENDS_LOOK_MS ? left_ms : ENDS_LOOK_MS);
}

static void user_await_end(struct presence_user *user, uint64_t ends_wall_ms) {
    timer_drop(&user->end);
    if (ends_wall_ms == 0) return;
    user->end = timer_new(user, word_ended);
    user->end->wall_ms = ends_wall_ms;
    look_at_end(user->end);
}

/* The user is present nowhere any more: forgets their status. */
static void user_went(struct presence_user *user) {
    struct presence *presence = user->presence;
    user_say(user, STATUS_ONLINE, SLICE_NONE);
    user->changed += user->version > 0;
    user->version = 0;
    user->is_recalled = false;
    timer_drop(&user->end);
    user->gone_ms = loop_now_ms(presence->loop);
    list_append(&presence->gone, &user->gone_link);
    presence->gone_len++;
    user_refresh(user);
    presence_forget(presence);
}

static void user_came(struct presence_user *user) {
    if (list_empty(&user->gone_link)) return;
    list_remove(&user->gone_link);
    user->presence->gone_len--;
}

static void user_waited(struct loop_timer *timer) {
    struct presence_user *user = CONTAINER(timer, struct user_timer, timer)->user;
    const struct presence *presence = user->presence;
    bool was_visible = user_is_visible(user);
    timer_drop(&user->wait);
    user->is_settling = false;
    user->is_here = user->connections > 0;
    if (user_is_present(user)) {
        user_refresh(user);
        return;
    }
    if (was_visible && presence->events->offline) presence->events->offline(presence->owner, user_id(user));
    user_went(user);
}

/* In a fleet, other workers may know the status of a user who was not known here. */
static void user_connected(struct presence_user *user) {
    uint64_t settle_ms = user->presence->settings.settle_ms;
    if (user->connections++ > 0) return;
    if (!user_is_present(user)) user->is_settling = settle_ms > 0;
    user_came(user);
    if (user->is_settling)
        user_wait(user, settle_ms);
    else
        timer_drop(&user->wait);
    if (user->is_here) return;
    user->is_here = true;
    user_refresh(user);
}

static struct connection *connection_get(struct presence *presence, struct slice id, struct slice of_user) {
    struct connection *connection = map_find(presence->connections, id);
    if (connection) return slice_equal(user_id(connection->user), of_user) ? connection : NULL;
    struct presence_user *user = user_get(presence, of_user);
    connection = memory_new(offsetof(struct connection, id) + id.len);
    connection->user = user;
    connection->id_len = (uint16_t)id.len;
    memcpy(connection->id, id.ptr, id.len);
    map_put(presence->connections, (struct slice){connection->id, connection->id_len}, connection);
    user_connected(user);
    return connection;
}

/* Removes the look from the connection's list. */
static void look_end(struct look **look) {
    struct look *ended = *look;
    struct presence_seat *seat = ended->seat;
    *look = ended->next;
    free(ended);
    if (--seat->looks == 0) loop_timer_set(&seat->grace, seat->user->presence->settings.grace_ms);
}

/* The link that points to the look; *link is NULL if there is none. */
static struct look **look_find(struct connection *connection, const struct presence_seat *seat) {
    struct look **look = &connection->looks;
    while (*look && (*look)->seat != seat) look = &(*look)->next;
    return look;
}

static bool read_status(struct slice name, enum status *status_r) {
    enum status status = STATUS_ONLINE;
    while (status <= STATUS_INVISIBLE && !slice_is(name, presence_status_names[status])) status++;
    *status_r = status;
    return status <= STATUS_INVISIBLE;
}

/* False: a newer status is known. The user is not visible yet, so nobody is told that they turn invisible. */
static bool user_recall(struct presence_user *user, const struct presence_said *before) {
    enum status status;
    if (user_is_present(user) || !read_status(before->status, &status)) return false;
    user_say(user, status, before->message);
    user_await_end(user, before->ends_wall_ms);
    user->version = 1;
    user->changed++;
    user->is_recalled = true;
    return true;
}

void presence_connected(struct presence *presence, struct slice of_user, struct slice connection_id,
                        const struct presence_said *before) {
    bool recalls =
        before && !map_find(presence->connections, connection_id) && user_recall(user_get(presence, of_user), before);
    (void)connection_get(presence, connection_id, of_user);
    if (recalls && presence->events->said) presence->events->said(presence->owner, of_user);
}

void presence_disconnected(struct presence *presence, struct slice of_user, struct slice connection_id) {
    struct connection *connection = map_find(presence->connections, connection_id);
    if (!connection || !slice_equal(user_id(connection->user), of_user)) return;
    struct presence_user *user = connection->user;
    while (connection->looks) look_end(&connection->looks);
    map_remove(presence->connections, connection_id);
    free(connection);
    if (--user->connections > 0) return;
    if (user_is_visible(user)) user->last_seen_wall_ms = loop_wall_ms(presence->loop);
    user_wait(user, presence->settings.grace_ms);
}

void presence_joined(struct presence *presence, struct slice channel_id, struct slice of_user,
                     struct slice connection_id) {
    struct connection *connection = connection_get(presence, connection_id, of_user);
    if (!connection) return;
    struct presence_seat *seat = seat_get(connection->user, channel_id);
    struct look **look = look_find(connection, seat);
    if (*look) return;
    *look = NEW(struct look);
    (*look)->seat = seat;
    seat->looks++;
    seat->is_here = true;
    loop_timer_cancel(&seat->grace);
    seat_refresh(seat);
}

void presence_left(struct presence *presence, struct slice channel_id, struct slice of_user,
                   struct slice connection_id) {
    struct connection *connection = map_find(presence->connections, connection_id);
    if (!connection || !slice_equal(user_id(connection->user), of_user)) return;
    struct presence_seat *seat = seat_find(connection->user, channel_id);
    struct look **look = seat ? look_find(connection, seat) : NULL;
    if (look && *look) look_end(look);
}

struct presence_word user_word(const struct presence_user *user) {
    return (struct presence_word){user->version, user->status, slice_of(user->message)};
}

/* The user set a status, here or on another worker. */
static void user_hear(struct presence_user *user, const struct presence_word *word) {
    struct presence *presence = user->presence;
    struct slice id = user_id(user);
    bool was_visible = user_is_visible(user);
    user_say(user, word->status, word->message);
    user->version = word->version;
    user->is_recalled = false;
    user->changed++;
    bool hides = was_visible && !user_is_visible(user);
    if (hides) user->last_seen_wall_ms = loop_wall_ms(presence->loop);
    user_refresh(user);
    if (hides && presence->events->offline) presence->events->offline(presence->owner, id);
}

static void user_update(struct presence_user *user, enum status status, struct slice message) {
    struct presence *presence = user->presence;
    user_hear(user, &(struct presence_word){user->version + 1, status, message});
    if (presence->events->said) presence->events->said(presence->owner, user_id(user));
}

static void word_ended(struct loop_timer *timer) {
    struct user_timer *end = CONTAINER(timer, struct user_timer, timer);
    struct presence_user *user = end->user;
    if (end->wall_ms > loop_wall_ms(user->presence->loop)) {
        look_at_end(end);
        return;
    }
    timer_drop(&user->end);
    user_update(user, STATUS_ONLINE, SLICE_NONE);
}

bool presence_update(struct presence *presence, struct slice of_user, const struct presence_said *said) {
    struct presence_user *user = map_find(presence->users, of_user);
    enum status status;
    if (!user || user->connections == 0 || !read_status(said->status, &status)) return false;
    if (said->message.len > PRESENCE_MESSAGE_MAX) return false;
    user_update(user, status, said->message);
    user_await_end(user, said->ends_wall_ms);
    return true;
}

/* Other workers. */

bool presence_own(const struct presence *presence, struct slice channel_id, struct slice of_user,
                  struct presence_word *word_r) {
    const struct presence_user *user = map_find(presence->users, of_user);
    const struct presence_seat *seat = user ? seat_find(user, channel_id) : NULL;
    if (!seat || !seat->is_own) return false;
    *word_r = user_word(user);
    return true;
}

size_t presence_each_own(const struct presence *presence, struct slice channel_id,
                         void (*fn)(void *owner, struct slice user_id, const struct presence_word *word), void *owner) {
    const struct channel *channel = map_find(presence->channels, channel_id);
    if (!channel) return 0;
    if (fn) {
        LIST_EACH(&channel->seats, link) {
            const struct presence_seat *seat = CONTAINER(link, struct presence_seat, channel_link);
            struct presence_word word = user_word(seat->user);
            if (seat->is_own) fn(owner, user_id(seat->user), &word);
        }
    }
    return channel->own;
}

bool presence_word_of(const struct presence *presence, struct slice of_user, struct presence_word *word_r) {
    const struct presence_user *user = map_find(presence->users, of_user);
    if (!user || !user->is_here || user->version == 0) return false;
    *word_r = user_word(user);
    return true;
}

bool presence_word_is_newer(const struct presence_word *word, const struct presence_word *than) {
    if (word->version != than->version) return word->version > than->version;
    if (word->status != than->status) return word->status > than->status;
    return slice_compare(word->message, than->message) > 0;
}

static bool is_newer(const struct presence_word *word, const struct presence_user *user) {
    struct presence_word known = user_word(user);
    return presence_word_is_newer(word, &known);
}

void presence_hear(struct presence *presence, struct slice of_user, const struct presence_word *word) {
    struct presence_user *user = map_find(presence->users, of_user);
    if (!user || !user_is_present(user) || !is_newer(word, user)) return;
    if (user->is_settling && user->version > 0 &&
        !user->is_recalled) { /* set here before the older word arrived: the one set here is later */
        user->version = word->version + 1;
        user->changed++;
        if (presence->events->said) presence->events->said(presence->owner, of_user);
        return;
    }
    user->is_settling = false;
    user_hear(user, word);
}

void presence_came_elsewhere(struct presence *presence, struct slice channel_id, struct slice of_user,
                             const struct presence_word *word) {
    struct presence_user *user = user_get(presence, of_user);
    struct presence_seat *seat = seat_get(user, channel_id);
    seat->elsewhere++;
    user->elsewhere++;
    user_came(user);
    presence_hear(presence, of_user, word);
    user->is_settling = false;
    user_refresh(user);
}

void presence_went_elsewhere(struct presence *presence, struct slice channel_id, struct slice of_user, bool was_told) {
    struct presence_user *user = map_find(presence->users, of_user);
    struct presence_seat *seat = user ? seat_find(user, channel_id) : NULL;
    if (!seat || seat->elsewhere == 0) return;
    bool was_visible = user_is_visible(user);
    seat->elsewhere--;
    if (--user->elsewhere > 0 || user->is_here) {
        seat_refresh(seat);
        return;
    }
    if (was_visible) user->last_seen_wall_ms = loop_wall_ms(presence->loop);
    if (was_visible && !was_told && presence->events->offline) presence->events->offline(presence->owner, of_user);
    user_went(user);
}

void presence_set_unnamed(struct presence *presence, struct slice channel_id, size_t unnamed) {
    struct channel *channel =
        unnamed > 0 ? channel_get(presence, channel_id) : map_find(presence->channels, channel_id);
    if (!channel || channel->unnamed == unnamed) return;
    channel->unnamed = unnamed;
    channel_due(presence, channel);
}

/* Takes the changes of a channel with names, and frees seats that are no longer needed. */
static void channel_take_changes(struct channel *channel, struct buffer *users) {
    LIST_EACH(&channel->dirty, link) {
        struct presence_seat *seat = CONTAINER(link, struct presence_seat, dirty_link);
        bool changed =
            seat->told_online != seat->is_counted || (seat->is_counted && seat->told_changed != seat->user->changed);
        list_remove(link);
        if (changed) {
            buffer_append_char(users, users->len ? ',' : '[');
            /* A user who left this channel may be online elsewhere; here they are offline. */
            presence_write_as(seat->user, seat->is_counted, users);
        }
        seat->told_online = seat->is_counted;
        seat->told_changed = seat->user->changed;
        if (!seat_is_taken(seat)) seat_free(seat);
    }
    if (users->len) buffer_append_char(users, ']');
}

/* While a channel sends counts only, its changes are kept: when it is small again, members get the difference. Only
 * seats of which members never heard are freed. */
static void channel_free_unheard(struct channel *channel) {
    LIST_EACH(&channel->dirty, link) {
        struct presence_seat *seat = CONTAINER(link, struct presence_seat, dirty_link);
        if (!seat_is_taken(seat) && !seat->told_online) seat_free(seat);
    }
}

static void channel_tell(struct presence *presence, struct channel *channel) {
    struct buffer users = {0}, id = {0};
    size_t online = channel->online + channel->unnamed;
    bool has_news = online != channel->told_online;
    if (online > presence->settings.names_max) {
        channel_free_unheard(channel);
    } else {
        channel_take_changes(channel, &users);
        has_news = has_news || users.len > 0;
    }
    channel->told_online = online;
    buffer_append(&id, channel->id, channel->id_len);
    if (list_empty(&channel->seats) && channel->unnamed == 0) channel_free(presence, channel);
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
        while (connection->looks) look_end(&connection->looks);
    cursor = 0;
    for (struct channel *channel; (channel = map_next(presence->channels, &cursor));) {
        LIST_EACH(&channel->seats, link) seat_free(CONTAINER(link, struct presence_seat, channel_link));
        channel_free(presence, channel);
    }
    cursor = 0;
    for (struct presence_user *user; (user = map_next(presence->users, &cursor));) user_free(user);
    map_free(&presence->connections);
    map_free(&presence->channels);
    map_free(&presence->users);
    loop_timer_cancel(&presence->tick);
    loop_timer_cancel(&presence->forget);
    free(presence);
    *presence_owner = NULL;
}
