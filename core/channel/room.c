/* SPDX-License-Identifier: Apache-2.0 */
#include "channel/room.h"

#include <assert.h>
#include <stdlib.h>

#include "base/ids.h"
#include "base/map.h"
#include "base/metrics.h"
#include "channel/room_log.h"
#include "loop/loop.h"
#include "wire/json.h"

struct room {
    struct receiver **members; /* dense: [0, cap); followed by the memberships, in the same order */
    union {
        void *single[2];         /* holds both in a room for one, such as a socket's own */
        struct list vacant_link; /* in rooms->vacant: it has no members */
    };
    uint32_t len, cap;
    uint64_t stamp; /* the emit that last chose it */
    struct room_log log;
    uint64_t vacated_ms;
    uint16_t key_len, name_len;
    char key[]; /* room_key */
};

struct rooms {
    struct loop *loop;
    struct map *by_key;
    struct room_logs logs;
    struct list vacant; /* rooms without members, the longest vacant first */
    struct loop_timer sweep;
    struct loop_task reap; /* sweeps at the end of this turn: rooms that need not be kept */
    uint64_t offset, stamp, identities;
    bool is_emitting;
    struct rooms_watch *watch;     /* NULL: nobody watches */
    struct rooms_implied *implied; /* NULL: no rooms are implied */
    char incarnation[9];
    struct buffer key, targets; /* of the current call */
};

enum { SWEEP_MIN_MS = 100, SWEEP_MAX = 10000, INCARNATION_LEN = 8, OFFSET_HEX_MAX = 15 };

static struct membership **memberships_of(const struct room *room) {
    return (struct membership **)(void *)(room->members + room->cap);
}

static struct slice room_key_of(const struct room *room) {
    return (struct slice){room->key, room->key_len};
}

/* The namespace's length, the namespace, the name. Valid until the next call. */
static struct slice room_key(struct rooms *rooms, struct slice namespace_name, struct slice name) {
    uint32_t len = (uint32_t)namespace_name.len;
    buffer_clear(&rooms->key);
    buffer_append(&rooms->key, (const char *)&len, sizeof len);
    buffer_append_slice(&rooms->key, namespace_name);
    buffer_append_slice(&rooms->key, name);
    return buffer_slice(&rooms->key);
}

static struct slice room_namespace(const struct room *room) {
    uint32_t len;
    memcpy(&len, room->key, sizeof len);
    return (struct slice){room->key + sizeof len, len};
}

static struct room *room_new(struct rooms *rooms, struct slice key, struct slice name) {
    struct room *room = memory_new(offsetof(struct room, key) + key.len);
    room->members = (struct receiver **)(void *)room->single;
    room->cap = 1;
    assert(key.len <= UINT16_MAX);
    room->key_len = (uint16_t)key.len;
    room->name_len = (uint16_t)name.len;
    memcpy(room->key, key.ptr, key.len);
    room_log_init(&room->log, rooms->offset);
    map_put(rooms->by_key, room_key_of(room), room);
    if (rooms->watch) rooms->watch->opened(rooms->watch, room_namespace(room), room_name(room));
    return room;
}

static void room_free(struct rooms *rooms, struct room *room) {
    if (rooms->watch) rooms->watch->closed(rooms->watch, room_namespace(room), room_name(room));
    map_remove(rooms->by_key, room_key_of(room));
    if (room->len == 0) list_remove(&room->vacant_link);
    room_log_done(&rooms->logs, &room->log);
    for (uint32_t i = 0; i < room->len; i++) free(memberships_of(room)[i]);
    if (room->cap > 1) free(room->members);
    free(room);
}

/* Frees records past the window, and rooms to which nobody can come back. */
static void rooms_sweep(struct rooms *rooms) {
    uint64_t now_ms = loop_now_ms(rooms->loop);
    uint64_t next_ms = room_logs_expire(&rooms->logs, now_ms, SWEEP_MAX);
    for (unsigned freed = 0; !list_empty(&rooms->vacant); freed++) {
        struct room *room = CONTAINER(rooms->vacant.next, struct room, vacant_link);
        uint64_t due_ms = room->vacated_ms + rooms->logs.limits.window_ms;
        if (due_ms < next_ms) next_ms = due_ms;
        if (due_ms > now_ms || freed == SWEEP_MAX) break;
        room_free(rooms, room);
    }
    if (list_empty(&rooms->vacant) && list_empty(&rooms->logs.by_age)) return;
    loop_timer_set(&rooms->sweep, next_ms > now_ms + SWEEP_MIN_MS ? next_ms - now_ms : SWEEP_MIN_MS);
}

static void rooms_sweep_due(struct loop_timer *timer) {
    rooms_sweep(CONTAINER(timer, struct rooms, sweep));
}

static void rooms_reap(struct loop_task *task) {
    rooms_sweep(CONTAINER(task, struct rooms, reap));
}

static void rooms_arm(struct rooms *rooms) {
    if (list_empty(&rooms->vacant) && list_empty(&rooms->logs.by_age)) return;
    if (!loop_timer_pending(&rooms->sweep)) loop_timer_set(&rooms->sweep, rooms->logs.limits.window_ms + 1);
}

struct rooms *rooms_new(struct loop *loop, const struct room_limits *limits) {
    struct rooms *rooms = NEW(struct rooms);
    rooms->loop = loop;
    rooms->by_key = map_new();
    list_init(&rooms->vacant);
    room_logs_init(&rooms->logs, limits);
    loop_timer_init(&rooms->sweep, loop, rooms_sweep_due);
    loop_task_init(&rooms->reap, rooms_reap);
    id_random(rooms->incarnation, INCARNATION_LEN);
    return rooms;
}

void rooms_free(struct rooms **rooms_owner) {
    struct rooms *rooms = *rooms_owner;
    if (!rooms) return;
    size_t cursor = 0;
    for (struct room *room; (room = map_next(rooms->by_key, &cursor));) room_free(rooms, room);
    map_free(&rooms->by_key);
    loop_timer_cancel(&rooms->sweep);
    loop_task_cancel(&rooms->reap);
    buffer_done(&rooms->key);
    buffer_done(&rooms->targets);
    free(rooms);
    *rooms_owner = NULL;
}

void rooms_set_watch(struct rooms *rooms, struct rooms_watch *watch_or_null) {
    rooms->watch = watch_or_null;
}

void rooms_set_implied(struct rooms *rooms, struct rooms_implied *implied_or_null) {
    rooms->implied = implied_or_null;
}

void rooms_set_limits(struct rooms *rooms, const struct room_limits *limits) {
    room_logs_set(&rooms->logs, limits);
    loop_reap(rooms->loop, &rooms->reap);
}

static struct membership *membership_in(struct list *memberships, const struct room *room) {
    LIST_EACH(memberships, link) {
        struct membership *membership = CONTAINER(link, struct membership, link);
        if (membership->room == room) return membership;
    }
    return NULL;
}

/* Never shrinks back to one: a room that had more members may have more again. */
static void room_resize(struct room *room, uint32_t cap) {
    struct receiver **members = memory_new(2 * cap * sizeof(void *));
    memcpy(members, room->members, room->len * sizeof *members);
    memcpy(members + cap, memberships_of(room), room->len * sizeof *members);
    if (room->cap > 1) free(room->members);
    room->members = members;
    room->cap = cap;
}

static struct membership *join(struct rooms *rooms, struct slice namespace_name, struct slice name,
                               struct receiver *receiver, struct list *memberships, uint64_t since_offset) {
    assert(!rooms->is_emitting);
    struct slice key = room_key(rooms, namespace_name, name);
    struct room *room = map_find(rooms->by_key, key);
    struct membership *membership = room ? membership_in(memberships, room) : NULL;
    if (membership) return membership;
    if (!room)
        room = room_new(rooms, key, name);
    else if (room->len == 0)
        list_remove(&room->vacant_link);
    if (room->len == room->cap) room_resize(room, room->cap + room->cap / 2 + 1);
    if (!receiver->identity) receiver->identity = ++rooms->identities;
    membership = NEW(struct membership);
    *membership = (struct membership){.room = room, .since_offset = since_offset};
    membership->index = room->len++;
    room->members[membership->index] = receiver;
    memberships_of(room)[membership->index] = membership;
    list_append(memberships, &membership->link);
    return membership;
}

struct room *room_find(struct rooms *rooms, struct slice namespace_name, struct slice name) {
    struct receiver *receiver;
    struct list *memberships;
    struct room *room = map_find(rooms->by_key, room_key(rooms, namespace_name, name));
    if (room || !rooms->implied) return room;
    if (!rooms->implied->member(rooms->implied, namespace_name, name, &receiver, &memberships)) return NULL;
    return join(rooms, namespace_name, name, receiver, memberships, rooms->offset)->room;
}

struct membership *room_join(struct rooms *rooms, struct slice namespace_name, struct slice name,
                             struct receiver *receiver, struct list *memberships, uint64_t since_offset) {
    room_find(rooms, namespace_name, name); /* a member by implication must join first */
    return join(rooms, namespace_name, name, receiver, memberships, since_offset);
}

void room_leave(struct rooms *rooms, struct membership **membership_owner) {
    assert(!rooms->is_emitting);
    struct membership *membership = *membership_owner;
    *membership_owner = NULL;
    if (!membership) return;
    struct room *room = membership->room;
    struct membership *last = memberships_of(room)[--room->len];
    room->members[membership->index] = room->members[last->index];
    last->index = membership->index;
    memberships_of(room)[last->index] = last;
    list_remove(&membership->link);
    free(membership);
    if (room->cap >= 16 && room->len < room->cap / 4) room_resize(room, room->cap / 2);
    if (room->len > 0) return;
    room->vacated_ms = loop_now_ms(rooms->loop);
    list_append(&rooms->vacant, &room->vacant_link);
    if (rooms->logs.limits.window_ms == 0) loop_reap(rooms->loop, &rooms->reap);
    rooms_arm(rooms);
}

struct membership *room_membership(struct list *memberships, struct slice name) {
    LIST_EACH(memberships, link) {
        struct membership *membership = CONTAINER(link, struct membership, link);
        if (slice_equal(room_name(membership->room), name)) return membership;
    }
    return NULL;
}

struct slice room_name(const struct room *room) {
    return (struct slice){room->key + room->key_len - room->name_len, room->name_len};
}

size_t room_size(const struct room *room) {
    return room->len;
}

uint64_t rooms_offset(const struct rooms *rooms) {
    return rooms->offset;
}

size_t room_offset_write(const struct rooms *rooms, uint64_t offset, char *out) {
    char digits[OFFSET_HEX_MAX];
    size_t at = sizeof digits, len = INCARNATION_LEN;
    do digits[--at] = "0123456789abcdef"[offset & 15];
    while ((offset >>= 4) && at > 0);
    memcpy(out, rooms->incarnation, len);
    out[len++] = '.';
    memcpy(out + len, digits + at, sizeof digits - at);
    return len + sizeof digits - at;
}

bool room_offset_read(const struct rooms *rooms, struct slice text, uint64_t *offset_r) {
    char expected[ROOM_OFFSET_LEN];
    uint64_t offset = 0;
    if (text.len <= INCARNATION_LEN + 1 || text.len > ROOM_OFFSET_LEN) return false;
    for (size_t i = INCARNATION_LEN + 1; i < text.len; i++) {
        const char *digit = memchr("0123456789abcdef", text.ptr[i], 16);
        if (!digit) return false;
        offset = offset << 4 | (uint64_t)(*digit <= '9' ? *digit - '0' : *digit - 'a' + 10);
    }
    if (offset > rooms->offset) return false;
    /* Valid only if writing it gives the same text: this incarnation, no leading zeros. */
    if (!slice_equal(text, (struct slice){expected, room_offset_write(rooms, offset, expected)})) return false;
    *offset_r = offset;
    return true;
}

/* The event's name, unescaped into scratch if needed. False: it is neither a string nor a number. */
static bool event_name(struct slice args, struct buffer *scratch, struct slice *name_r) {
    struct json_walk walk;
    struct slice first;
    if (json_type_of(args) != JSON_ARRAY) return false;
    json_walk_init(&walk, args);
    if (!json_walk_item(&walk, &first)) return false;
    *name_r = SLICE_NONE;
    if (json_type_of(first) == JSON_NUMBER) return true;
    if (json_type_of(first) != JSON_STRING) return false;
    json_string(first, scratch);
    *name_r = buffer_slice(scratch);
    return true;
}

bool room_emit_allowed(struct slice args, unsigned attachments_len) {
    struct buffer scratch = {0};
    struct slice name;
    bool allowed = attachments_len <= SOCKETIO_ATTACHMENTS_MAX && event_name(args, &scratch, &name) &&
                   (!name.ptr || !socketio_reserved(name));
    buffer_done(&scratch);
    if (!allowed) metric_add_labelled(METRIC_REJECTED, "reserved_event", 1);
    return allowed;
}

/* Collects the existing rooms, each once, in rooms->targets. Returns their number. */
static size_t emit_targets(struct rooms *rooms, const struct room_emit *emit) {
    static const struct slice all = {"", 0};
    const struct slice *to = emit->to_len ? emit->to : &all;
    buffer_clear(&rooms->targets);
    for (size_t i = 0; i < (emit->to_len ? emit->to_len : 1); i++) {
        struct room *room = room_find(rooms, emit->namespace_name, to[i]);
        if (!room || room->stamp == rooms->stamp) continue;
        room->stamp = rooms->stamp;
        buffer_append(&rooms->targets, (const char *)&room, sizeof room);
    }
    return rooms->targets.len / sizeof(struct room *);
}

static struct packet *emit_encode(struct rooms *rooms, const struct room_emit *emit, uint64_t at_offset) {
    char text[ROOM_OFFSET_LEN];
    struct slice offset = {text, 0}; /* empty if nothing can be recovered */
    if (rooms->logs.limits.window_ms > 0) offset.len = room_offset_write(rooms, at_offset, text);
    struct socketio_packet parts = {
        .type = emit->attachments_len ? SOCKETIO_BINARY_EVENT : SOCKETIO_EVENT,
        .attachments = emit->attachments_len,
        .namespace_name = emit->namespace_name,
        .json = emit->args,
    };
    struct packet *packet = packet_new(&parts, emit->attachments, offset, emit->class);
    packet_set_tag(packet, emit->tag);
    return packet;
}

/* Stamps all excluded receivers as already reached, and records them for the logs. NULL: none is excluded. */
static struct exclusion *emit_exclude(struct rooms *rooms, const struct room_emit *emit) {
    if (emit->except_len == 0 && !emit->except_receiver) return NULL;
    struct exclusion *exclusion = exclusion_new(emit->except, emit->except_len);
    for (size_t i = 0; i < emit->except_len; i++) {
        struct room *room = room_find(rooms, emit->namespace_name, emit->except[i]);
        for (uint32_t j = 0; room && j < room->len; j++) {
            room->members[j]->stamp = rooms->stamp;
            if (!emit->unlogged) exclusion_add(exclusion, room->members[j]->identity);
        }
    }
    if (emit->except_receiver) {
        emit->except_receiver->stamp = rooms->stamp;
        exclusion_add(exclusion, emit->except_receiver->identity);
    }
    return exclusion;
}

static size_t deliver_to_all(struct room *room, struct packet *packet) {
    for (uint32_t i = 0; i < room->len; i++) room->members[i]->ops->deliver(room->members[i], room, packet);
    return room->len;
}

/* Delivers to members that this emit has neither reached nor excluded. */
static size_t deliver_once(struct room *room, struct packet *packet, uint64_t stamp) {
    size_t reached = 0;
    for (uint32_t i = 0; i < room->len; i++) {
        struct receiver *receiver = room->members[i];
        if (receiver->stamp == stamp) continue;
        receiver->stamp = stamp;
        receiver->ops->deliver(receiver, room, packet);
        reached++;
    }
    return reached;
}

size_t room_emit(struct rooms *rooms, const struct room_emit *emit) {
    return room_emit_allowed(emit->args, emit->attachments_len) ? room_emit_checked(rooms, emit) : 0;
}

size_t room_emit_checked(struct rooms *rooms, const struct room_emit *emit) {
    assert(!rooms->is_emitting);
    rooms->stamp++;
    size_t len = emit_targets(rooms, emit), reached = 0;
    if (len == 0) return 0;
    struct room **targets = (struct room **)(void *)rooms->targets.ptr;
    uint64_t now_ms = loop_now_ms(rooms->loop);
    rooms->offset++;
    struct packet *packet = emit_encode(rooms, emit, rooms->offset);
    struct exclusion *exclusion = emit_exclude(rooms, emit);
    rooms->is_emitting = true;
    for (size_t i = 0; i < len; i++) {
        if (!emit->unlogged) room_log_add(&rooms->logs, &targets[i]->log, rooms->offset, now_ms, packet, exclusion);
        reached += len == 1 && !exclusion ? deliver_to_all(targets[i], packet)
                                          : deliver_once(targets[i], packet, rooms->stamp);
    }
    rooms->is_emitting = false;
    rooms_arm(rooms);
    metric_add(METRIC_DELIVERIES, (int64_t)reached);
    exclusion_unref(&exclusion);
    packet_unref(&packet);
    return reached;
}

void room_gather(struct rooms *rooms, const struct room_emit *emit, struct buffer *receivers) {
    rooms->stamp++;
    size_t len = emit_targets(rooms, emit);
    struct room **targets = (struct room **)(void *)rooms->targets.ptr;
    struct exclusion *exclusion = emit_exclude(rooms, emit);
    for (size_t i = 0; i < len; i++) {
        for (uint32_t j = 0; j < targets[i]->len; j++) {
            struct receiver *receiver = targets[i]->members[j];
            if (receiver->stamp == rooms->stamp) continue;
            receiver->stamp = rooms->stamp;
            buffer_append(receivers, (const char *)&receiver, sizeof(struct receiver *));
        }
    }
    exclusion_unref(&exclusion);
}

const struct room *rooms_next(const struct rooms *rooms, struct slice namespace_name, size_t *cursor) {
    for (const struct room *room; (room = map_next(rooms->by_key, cursor));) {
        if (room->len > 0 && room->name_len > 0 && slice_equal(room_namespace(room), namespace_name)) return room;
    }
    return NULL;
}

void rooms_reserve(struct rooms *rooms, unsigned count) {
    rooms->offset += count;
}

void room_keep(struct rooms *rooms, struct slice namespace_name, struct slice name, uint64_t offset,
               const struct room_emit *emit) {
    struct room *room = room_find(rooms, namespace_name, name);
    if (!room) return;
    struct room_emit kept = *emit;
    kept.namespace_name = namespace_name;
    struct packet *packet = emit_encode(rooms, &kept, offset);
    room_log_add(&rooms->logs, &room->log, offset, loop_now_ms(rooms->loop), packet, NULL);
    packet_unref(&packet);
    rooms_arm(rooms);
}

static int record_compare(const void *a, const void *b) {
    uint64_t left = (*(struct logged_packet *const *)a)->offset, right = (*(struct logged_packet *const *)b)->offset;
    return left < right ? -1 : left > right;
}

/* Appends all records after offset that the membership lets the receiver see, latest first. False: some are gone. */
static bool membership_gather(const struct membership *membership, uint64_t offset, struct list *memberships,
                              struct buffer *records) {
    const struct room *room = membership->room;
    const struct room_log *log = &room->log;
    uint64_t start = offset > membership->since_offset ? offset : membership->since_offset;
    if (log->floor > start) return false;
    for (struct list *link = log->records.prev; link != &log->records; link = link->prev) {
        struct logged_packet *record = CONTAINER(link, struct logged_packet, by_room);
        if (record->offset <= start) break;
        if (record->exclusion &&
            exclusion_holds(record->exclusion, record->offset, room->members[membership->index]->identity, memberships))
            continue;
        buffer_append(records, (const char *)&record, sizeof record);
    }
    return true;
}

bool rooms_replay(struct rooms *rooms, struct list *memberships, struct receiver *receiver, uint64_t offset,
                  unsigned max_events, size_t max_bytes) {
    struct buffer gathered = {0};
    bool complete = true;
    LIST_EACH(memberships, link) {
        const struct membership *membership = CONTAINER(link, struct membership, link);
        complete = complete && membership_gather(membership, offset, memberships, &gathered);
    }
    struct logged_packet **records = (struct logged_packet **)(void *)gathered.ptr;
    size_t len = gathered.len / sizeof *records, due = 0, bytes = 0;
    if (len > 1) qsort(records, len, sizeof *records, record_compare);
    for (size_t i = 0; i < len; i++) {
        if (due > 0 && records[due - 1]->offset == records[i]->offset) continue;
        records[due++] = records[i];
        bytes += packet_size(records[i]->packet);
    }
    complete = complete && due <= max_events && bytes <= max_bytes;
    for (size_t i = 0; complete && i < due; i++) receiver->ops->deliver(receiver, NULL, records[i]->packet);
    buffer_done(&gathered);
    return complete;
}
