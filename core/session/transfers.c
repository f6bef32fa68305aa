/* SPDX-License-Identifier: Apache-2.0 */
#include "session/transfers.h"

#include <stdlib.h>

#include "base/ids.h"
#include "bus/bus.h"
#include "bus/fields.h"
#include "channel/topic.h"
#include "session/recovery.h"
#include "session/session_internal.h"
#include "session/transfer_owner.h"
#include "session/transfer_taker.h"

/* Messages. */

void transfers_write_head(struct transfers *transfers, enum transfer_kind kind, uint64_t number) {
    buffer_clear(&transfers->body);
    buffer_append_char(&transfers->body, (char)kind);
    fields_add_number(&transfers->body, number);
}

void transfers_publish(struct transfers *transfers, struct slice topic) {
    const struct bus_message message = {.kind = BUS_TRANSFER, .body = buffer_slice(&transfers->body)};
    (void)!bus_publish(transfers->bus, topic, &message); /* too large: the taker's deadline passes */
}

void transfers_send(struct transfers *transfers, struct slice name) {
    buffer_clear(&transfers->topic);
    topic_write_worker(&transfers->topic, name);
    transfers_publish(transfers, buffer_slice(&transfers->topic));
}

/* Sockets that moved. */

struct moved {
    struct list link;
    char pid[PID_LEN + 1], name[ID_OWNER_LEN + 1];
};

const char *transfers_where(const struct transfers *transfers, struct slice pid) {
    const struct moved *moved = map_find(transfers->moved, pid);
    return moved ? moved->name : NULL;
}

static void moved_free(struct transfers *transfers, struct moved *moved) {
    map_remove(transfers->moved, slice_of(moved->pid));
    list_remove(&moved->link);
    free(moved);
}

void transfers_note_moved(struct transfers *transfers, struct slice pid, struct slice name) {
    struct moved *moved = map_find(transfers->moved, pid);
    if (moved) moved_free(transfers, moved);
    moved = NEW(struct moved);
    memcpy(moved->pid, pid.ptr, PID_LEN);
    memcpy(moved->name, name.ptr, ID_OWNER_LEN);
    map_put(transfers->moved, slice_of(moved->pid), moved);
    list_append(&transfers->moved_old, &moved->link);
    if (map_size(transfers->moved) > RECOVERY_SOCKETS_MAX)
        moved_free(transfers, CONTAINER(transfers->moved_old.next, struct moved, link));
}

/* Input. */

static bool take_moved(struct transfers *transfers, struct slice body) {
    struct slice pid, name;
    if (!fields_take(&body, &pid) || pid.len != PID_LEN || !fields_take(&body, &name) || name.len != ID_OWNER_LEN ||
        body.len > 0)
        return false;
    transfers_note_moved(transfers, pid, name);
    return true;
}

bool transfers_take(struct transfers *transfers, struct slice topic, const struct bus_message *message) {
    struct slice body = message->body;
    uint64_t number;
    if (body.len == 0) return false;
    unsigned kind = (unsigned char)body.ptr[0];
    body = slice_from(body, 1);
    if (kind == 0 || kind >= TRANSFER_KINDS || !fields_take_number(&body, &number)) return false;
    if (kind == TRANSFER_CLAIM) return transfer_owner_claim(transfers, number, body);
    if (kind == TRANSFER_MOVED) return take_moved(transfers, body);
    if (kind == TRANSFER_READY) return transfer_owner_ready(transfers, number, body);
    return transfer_taker_hear(transfers, (enum transfer_kind)kind, number, topic, body);
}

/* Beginning and end. */

struct transfers *transfers_new(struct hub *hub, struct channel_log *log, struct bus *bus) {
    struct transfers *transfers = NEW(struct transfers);
    transfers->hub = hub;
    transfers->log = log;
    transfers->bus = bus;
    list_init(&transfers->takings);
    list_init(&transfers->givings);
    list_init(&transfers->moved_old);
    transfers->moved = map_new();
    hub->transfers = transfers;
    if (bus_is_alone(bus)) return transfers;
    topic_write_worker(&transfers->topic, (struct slice){hub->node, ID_OWNER_LEN});
    bus_subscribe(bus, buffer_slice(&transfers->topic));
    return transfers;
}

void transfers_free(struct transfers **transfers_owner) {
    struct transfers *transfers = *transfers_owner;
    *transfers_owner = NULL;
    if (!transfers) return;
    transfer_taker_forget_all(transfers);
    transfer_owner_end(transfers);
    transfers->hub->transfers = NULL;
    LIST_EACH(&transfers->moved_old, link) moved_free(transfers, CONTAINER(link, struct moved, link));
    map_free(&transfers->moved);
    buffer_done(&transfers->topic);
    buffer_done(&transfers->body);
    free(transfers);
}
