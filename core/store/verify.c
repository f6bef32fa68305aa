/* SPDX-License-Identifier: Apache-2.0 */
#include "store/verify.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "store/store.h"

bool verify_moved(struct verify *verify) {
    if (!verify->moved(verify->owner, verify)) verify->stopped = true;
    return !verify->stopped;
}

void verify_found(struct verify *verify, const char *kind, struct slice channel_id, int64_t seq, const char *format,
                  ...) {
    char text[400];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    verify->findings++;
    verify->found(verify->owner, &(struct verify_finding){kind, verify->place, channel_id, seq, text});
}

void verify_log_begin(struct verify_log *log, struct verify *verify, struct slice channel_id, int64_t floor) {
    *log = (struct verify_log){.verify = verify, .channel_id = channel_id, .floor = floor, .seq = floor - 1};
    verify->channels++;
}

#define FOUND(kind, seq, ...) verify_found(log->verify, kind, log->channel_id, seq, __VA_ARGS__)

static void check_number(struct verify_log *log, int64_t seq) {
    if (log->any && seq == log->seq)
        FOUND("double", seq, "two events have the number %" PRId64, seq);
    else if (seq < log->floor && !log->any)
        FOUND("floor", seq, "%" PRId64 " exists, but the log begins at %" PRId64, seq, log->floor);
    else if (seq - 1 > log->seq && log->seq + 1 == seq - 1)
        FOUND("gap", seq - 1, "%" PRId64 " is missing", seq - 1);
    else if (seq - 1 > log->seq)
        FOUND("gap", log->seq + 1, "%" PRId64 " to %" PRId64 " are missing", log->seq + 1, seq - 1);
}

static void check_epoch(struct verify_log *log, const struct verify_event *event) {
    if (!event->epoch_is_known)
        FOUND("epoch", event->seq, "%" PRId64 " has epoch %" PRId64 ", which is unknown", event->seq, event->epoch);
    else if (log->any && event->epoch < log->epoch)
        FOUND("epoch", event->seq, "%" PRId64 " has epoch %" PRId64 ", but the event before it has %" PRId64,
              event->seq, event->epoch, log->epoch);
}

static void check_message(struct verify_log *log, const struct verify_event *event) {
    bool is_message = event->kind == STORE_MESSAGE_NEW;
    if (event->kind < STORE_MESSAGE_NEW || event->kind > STORE_REACTION_REMOVE)
        FOUND("event", event->seq, "%" PRId64 " has an unknown kind: %d", event->seq, event->kind);
    else if (is_message ? event->message_seq != event->seq : event->message_seq >= event->seq)
        FOUND("event", event->seq, "%" PRId64 " refers to message %" PRId64, event->seq, event->message_seq);
    else if (!event->message_is_there && event->message_seq >= log->floor)
        FOUND("orphan", event->seq, "%" PRId64 " refers to message %" PRId64 ", which does not exist", event->seq,
              event->message_seq);
    if (!event->is_intact)
        FOUND("checksum", event->seq, "%" PRId64 ": the stored content does not match its checksum", event->seq);
}

void verify_log_event(struct verify_log *log, const struct verify_event *event) {
    check_number(log, event->seq);
    check_epoch(log, event);
    check_message(log, event);
    log->seq = event->seq;
    if (event->epoch_is_known) log->epoch = event->epoch;
    log->any = true;
    log->verify->events++;
}

/* Events appended while we read are above the first head, and at most at the second. */
void verify_log_end(struct verify_log *log, int64_t before, int64_t after) {
    int64_t head = before > log->seq ? before : after;
    if (before > log->seq || after < log->seq)
        FOUND("head", head, "the head is %" PRId64 ", but the last event is %" PRId64, head, log->any ? log->seq : 0);
}
