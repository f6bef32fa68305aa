/* SPDX-License-Identifier: Apache-2.0 */
/* inbox.h - copies of one session's packets that wait to be handled, in order of arrival. */
#ifndef SESSION_INBOX_H
#define SESSION_INBOX_H

#include <stdint.h>

#include "base/list.h"
#include "base/slice.h"

enum arrival_kind {
    ARRIVAL_CONNECT,
    ARRIVAL_DISCONNECT,
    ARRIVAL_EVENT,
    ARRIVAL_ACK,
    ARRIVAL_CONNECT_ERROR, /* invalid: only servers may send it */
    ARRIVAL_OPEN,          /* a client connected to an endpoint of scripts */
    ARRIVAL_MESSAGE        /* such a client sent a message */
};

/* What a client sent, in any protocol; slices are borrowed. */
struct arrival {
    enum arrival_kind kind;
    struct slice namespace_name;
    bool has_id, binary; /* binary: MESSAGE only */
    uint64_t id;
    struct slice json;  /* CONNECT: an object or empty; EVENT: [event, arg…]; ACK: [arg…]; MESSAGE: the message */
    struct slice event; /* EVENT: the first item, within json */
    const struct slice *attachments;
    unsigned attachments_len;
};

/* An arrival with its bytes, in one allocation. */
struct inbox_item {
    struct list link;
    size_t bytes;
    struct arrival arrival;
    struct slice attachments[];
};

/* {0} and inbox_init: empty. */
struct inbox {
    struct list items;
    unsigned bytes, len;
};

void inbox_init(struct inbox *inbox);
void inbox_push(struct inbox *inbox, const struct arrival *arrival);
struct inbox_item *inbox_first(const struct inbox *inbox);
/* The caller frees it with free. */
struct inbox_item *inbox_pop(struct inbox *inbox);
/* Drops what was sent to a namespace, up to a CONNECT to it. */
void inbox_drop(struct inbox *inbox, struct slice namespace_name);
void inbox_done(struct inbox *inbox);

#endif
