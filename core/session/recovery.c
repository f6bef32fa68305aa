/* SPDX-License-Identifier: Apache-2.0 */
#include "session/recovery.h"

#include <stdlib.h>

#include "base/ids.h"
#include "base/memory.h"
#include "base/metrics.h"
#include "channel/room.h"
#include "session/session_internal.h"
#include "session/transfer_owner.h"

static size_t text_len(const char *text) {
    return text ? strlen(text) : 0;
}

static size_t record_bytes(const struct socket *socket) {
    return sizeof *socket + PID_LEN + record_rooms(&socket->record).len + text_len(socket->user.json) +
           text_len(socket->state_json);
}

void recovery_offer(struct socket *socket) {
    char pid[PID_LEN + 1];
    if (!socket_wants_recovery(socket) || socket->record.pid) return;
    memcpy(pid, socket->hub->node, ID_OWNER_LEN);
    id_random(pid + ID_OWNER_LEN, ID_SECRET_LEN);
    recovery_restore(socket, pid);
}

void recovery_restore(struct socket *socket, const char *pid) {
    socket->record.pid = memory_copy(pid, PID_LEN);
    map_put(socket->hub->records.by_pid, slice_of(socket->record.pid), socket);
}

struct socket *recovery_find(const struct hub *hub, struct slice pid) {
    return map_find(hub->records.by_pid, pid);
}

void recovery_moved(struct socket *socket, const char *pid, uint64_t offset) {
    recovery_restore(socket, pid);
    socket->recovered = socket->moved = true;
    socket->record.known_offset = offset;
}

static struct socket *oldest(struct hub_records *records) {
    return list_empty(&records->sockets) ? NULL : CONTAINER(records->sockets.next, struct socket, link);
}

/* 0: the socket is not in the list of detached sockets. */
static uint64_t expires_ms(const struct socket *socket) {
    return socket->record.away ? socket->record.away->expires_ms : 0;
}

static void timer_arm(struct hub *hub) {
    struct socket *first = oldest(&hub->records);
    uint64_t now = loop_now_ms(hub->loop);
    if (!first)
        loop_timer_cancel(&hub->records.timer);
    else
        loop_timer_set(&hub->records.timer, expires_ms(first) > now ? expires_ms(first) - now : 1);
}

/* Removes the socket from the list of detached sockets. */
static void record_unlist(struct socket *socket) {
    struct hub_records *records = &socket->hub->records;
    list_remove(&socket->link);
    records->len--;
    records->bytes -= socket->record.away->bytes;
    socket->record.away->expires_ms = 0;
}

void recovery_keep(struct socket *socket) {
    struct hub *hub = socket->hub;
    struct hub_records *records = &hub->records;
    struct away *away = record_away(&socket->record);
    away->expires_ms = loop_now_ms(hub->loop) + hub->settings.recovery.window_ms;
    away->bytes = record_bytes(socket);
    list_append(&records->sockets, &socket->link);
    records->len++;
    records->bytes += away->bytes;
    while (records->len > RECOVERY_SOCKETS_MAX || records->bytes > RECOVERY_BYTES_MAX) {
        struct socket *first = oldest(records);
        recovery_drop(first);
        hub_bury_socket(first);
    }
    timer_arm(hub);
}

bool recovery_is_awaited(const struct socket *socket) {
    return expires_ms(socket) > 0;
}

void recovery_edited(struct socket *socket) {
    struct hub *hub = socket->hub;
    if (recovery_is_awaited(socket)) {
        struct away *away = socket->record.away;
        hub->records.bytes -= away->bytes;
        away->bytes = record_bytes(socket);
        hub->records.bytes += away->bytes;
    } else if (hub->transfers) {
        transfer_owner_edited(hub->transfers, socket);
    }
}

void recovery_revoke(struct socket *socket) {
    struct hub *hub = socket->hub;
    if (recovery_is_awaited(socket)) {
        recovery_drop(socket);
        hub_bury_socket(socket);
    } else if (hub->transfers) {
        transfer_owner_edited(hub->transfers, socket);
    }
}

void recovery_drop(struct socket *socket) {
    if (recovery_is_awaited(socket)) record_unlist(socket);
    if (!socket->record.pid) return;
    map_remove(socket->hub->records.by_pid, slice_of(socket->record.pid));
    free(socket->record.pid);
    socket->record.pid = NULL;
}

static void drop_until(struct hub *hub, uint64_t now) {
    struct socket *first;
    while ((first = oldest(&hub->records)) && expires_ms(first) <= now) {
        recovery_drop(first);
        hub_bury_socket(first);
    }
}

void recovery_expired(struct loop_timer *timer) {
    struct hub *hub = CONTAINER(timer, struct hub, records.timer);
    drop_until(hub, loop_now_ms(hub->loop));
    timer_arm(hub);
}

void recovery_drop_all(struct hub *hub) {
    drop_until(hub, UINT64_MAX);
}

/* Lower bound of what the client may have missed. The offset that it sends may be old (its last event was long ago, or
 * came to an earlier socket). It needs nothing that it confirmed by a pong or that is older than the socket. */
static bool missed_after(const struct socket *socket, struct slice said, uint64_t *offset_r) {
    uint64_t offset = 0;
    bool is_ours = said.len == 0 || room_offset_read(socket->hub->rooms, said, &offset);
    if (!is_ours && !socket->moved) return false;
    if (offset > rooms_offset(socket->hub->rooms)) return false;
    if (socket->record.known_offset > offset) offset = socket->record.known_offset;
    *offset_r = offset;
    return true;
}

static void rejoin(struct socket *socket) {
    struct slice rooms = record_rooms(&socket->record), name;
    uint64_t since;
    while (record_next_room(&rooms, &name, &since))
        room_join(socket->hub->rooms, slice_of(socket->namespace_name), name, &socket->receiver, &socket->memberships,
                  since);
    record_forget_away(&socket->record);
}

static void nobody_deliver(struct receiver *receiver, const struct room *room, struct packet *packet) {}

/* Events that came with a transfer may also have arrived as ordinary copies; both copies count. */
static bool replay_to(struct socket *socket, struct receiver *receiver, uint64_t offset) {
    const struct hub_settings *settings = &socket->hub->settings;
    unsigned copies = socket->record.had ? 2 : 1;
    return rooms_replay(socket->hub->rooms, &socket->memberships, receiver, offset, copies * settings->recovery.events,
                        copies * settings->recovery.bytes);
}

/* Would the replay be complete? Checked before scripts are told of the recovery. */
static bool replay_possible(struct socket *socket, uint64_t offset) {
    static const struct receiver_ops nobody_ops = {nobody_deliver};
    struct receiver nobody = {.ops = &nobody_ops};
    return replay_to(socket, &nobody, offset);
}

static const char *judge(const struct recovery_claim *claim, const struct socket *socket) {
    if (!socket || !slice_equal(claim->namespace_name, slice_of(socket->namespace_name))) return "unknown";
    bool same = claim->guest ? socket->guest : slice_is(claim->user_id, socket->user.of->id);
    return same ? NULL : "user";
}

struct socket *recovery_take(struct hub *hub, const struct recovery_claim *claim, uint64_t *offset_r) {
    struct socket *socket = claim->pid.len == PID_LEN ? recovery_find(hub, claim->pid) : NULL;
    const char *refusal = judge(claim, socket);
    if (refusal) {
        metric_add_labelled(METRIC_RECOVERED, refusal, 1);
        return NULL;
    }
    struct session *old = socket->session;
    if (old)
        socket_detach(socket);
    else
        record_unlist(socket);
    if (old) session_close(old, CLOSE_REPLACED);
    rejoin(socket);
    if (missed_after(socket, claim->offset, offset_r) && replay_possible(socket, *offset_r)) return socket;
    metric_add_labelled(METRIC_RECOVERED, "trimmed", 1);
    recovery_drop(socket);
    socket_part(socket, "transport close", false);
    return NULL;
}

bool recovery_replay(struct socket *socket, uint64_t offset) {
    socket->delivery.replaying = true;
    bool whole = replay_to(socket, &socket->receiver, offset);
    socket->delivery.replaying = false;
    return whole;
}
