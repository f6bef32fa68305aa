/* SPDX-License-Identifier: Apache-2.0 */
#include "channel/room_log.h"

#include <stdlib.h>

struct exclusion {
    unsigned refs;
    struct buffer names;      /* each as its length and its bytes */
    struct buffer identities; /* uint64_t each */
};

struct exclusion *exclusion_new(const struct slice *names, size_t names_len) {
    struct exclusion *exclusion = NEW(struct exclusion);
    exclusion->refs = 1;
    for (size_t i = 0; i < names_len; i++) {
        buffer_append(&exclusion->names, (const char *)&names[i].len, sizeof names[i].len);
        buffer_append_slice(&exclusion->names, names[i]);
    }
    return exclusion;
}

void exclusion_add(struct exclusion *exclusion, uint64_t identity) {
    if (identity) buffer_append(&exclusion->identities, (const char *)&identity, sizeof identity);
}

void exclusion_unref(struct exclusion **exclusion_owner) {
    struct exclusion *exclusion = *exclusion_owner;
    *exclusion_owner = NULL;
    if (!exclusion || --exclusion->refs > 0) return;
    buffer_done(&exclusion->names);
    buffer_done(&exclusion->identities);
    free(exclusion);
}

static bool exclusion_has_identity(const struct exclusion *exclusion, uint64_t identity) {
    uint64_t each;
    if (!identity) return false;
    for (size_t at = 0; at < exclusion->identities.len; at += sizeof each) {
        memcpy(&each, exclusion->identities.ptr + at, sizeof each);
        if (each == identity) return true;
    }
    return false;
}

bool exclusion_holds(const struct exclusion *exclusion, uint64_t offset, uint64_t identity, struct list *memberships) {
    if (exclusion_has_identity(exclusion, identity)) return true;
    struct slice name;
    for (size_t at = 0; at < exclusion->names.len; at += name.len) {
        memcpy(&name.len, exclusion->names.ptr + at, sizeof name.len);
        at += sizeof name.len;
        name.ptr = exclusion->names.ptr + at;
        const struct membership *membership = room_membership(memberships, name);
        if (membership && membership->since_offset < offset) return true;
    }
    return false;
}

void room_logs_init(struct room_logs *logs, const struct room_limits *limits) {
    *logs = (struct room_logs){0};
    list_init(&logs->by_age);
    room_logs_set(logs, limits);
}

void room_logs_set(struct room_logs *logs, const struct room_limits *limits) {
    logs->limits = *limits;
    if (logs->limits.total_bytes == 0) logs->limits.total_bytes = ROOMS_LOG_BYTES;
}

static void record_forget(struct room_logs *logs, struct logged_packet *record) {
    struct room_log *log = record->log;
    if (record->offset > log->floor) log->floor = record->offset; /* records kept late may go after later ones */
    log->events--;
    log->bytes -= record->bytes;
    logs->bytes -= record->bytes;
    list_remove(&record->by_room);
    list_remove(&record->by_age);
    packet_unref(&record->packet);
    exclusion_unref(&record->exclusion);
    free(record);
}

uint64_t room_logs_expire(struct room_logs *logs, uint64_t now_ms, unsigned max) {
    while (!list_empty(&logs->by_age)) {
        struct logged_packet *oldest = CONTAINER(logs->by_age.next, struct logged_packet, by_age);
        uint64_t due_ms = oldest->at_ms + logs->limits.window_ms;
        if (due_ms > now_ms || max-- == 0) return due_ms;
        record_forget(logs, oldest);
    }
    return UINT64_MAX;
}

void room_log_init(struct room_log *log, uint64_t floor) {
    *log = (struct room_log){.floor = floor};
    list_init(&log->records);
}

void room_log_done(struct room_logs *logs, struct room_log *log) {
    LIST_EACH(&log->records, link) record_forget(logs, CONTAINER(link, struct logged_packet, by_room));
}

void room_log_add(struct room_logs *logs, struct room_log *log, uint64_t offset, uint64_t now_ms, struct packet *packet,
                  struct exclusion *exclusion) {
    const struct room_limits *limits = &logs->limits;
    struct logged_packet *record = NEW(struct logged_packet);
    *record = (struct logged_packet){.log = log, .offset = offset, .at_ms = now_ms, .packet = packet_ref(packet)};
    record->bytes = sizeof *record + packet_size(packet);
    if (exclusion) {
        record->exclusion = exclusion;
        exclusion->refs++;
        record->bytes += sizeof *exclusion + exclusion->names.cap + exclusion->identities.cap;
    }
    struct list *before = log->records.prev;
    while (before != &log->records && CONTAINER(before, struct logged_packet, by_room)->offset > offset)
        before = before->prev;
    list_append(before->next, &record->by_room);
    list_append(&logs->by_age, &record->by_age);
    log->events++;
    log->bytes += record->bytes;
    logs->bytes += record->bytes;
    while (log->events > 0 &&
           (limits->window_ms == 0 || log->events > limits->max_events || log->bytes > limits->max_bytes))
        record_forget(logs, CONTAINER(log->records.next, struct logged_packet, by_room));
    while (logs->bytes > limits->total_bytes)
        record_forget(logs, CONTAINER(logs->by_age.next, struct logged_packet, by_age));
}
