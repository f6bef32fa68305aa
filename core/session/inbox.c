/* SPDX-License-Identifier: Apache-2.0 */
#include "session/inbox.h"

#include <stdlib.h>

#include "base/fault.h"

void inbox_init(struct inbox *inbox) {
    *inbox = (struct inbox){0};
    list_init(&inbox->items);
}

static struct slice place(char **at, struct slice bytes) {
    struct slice copy = {*at, bytes.len};
    if (bytes.len > 0) memcpy(*at, bytes.ptr, bytes.len);
    *at += bytes.len;
    return copy;
}

void inbox_push(struct inbox *inbox, const struct arrival *arrival) {
    size_t len = arrival->namespace_name.len + arrival->json.len;
    for (unsigned i = 0; i < arrival->attachments_len; i++) len += arrival->attachments[i].len;
    size_t head = sizeof(struct inbox_item) + sizeof(struct slice) * arrival->attachments_len;
    struct inbox_item *item = memory_new(head + len);
    char *at = (char *)item + head;
    item->bytes = head + len;
    item->arrival = *arrival;
    item->arrival.namespace_name = place(&at, arrival->namespace_name);
    item->arrival.json = place(&at, arrival->json);
    if (arrival->event.len > 0) {
        item->arrival.event.ptr = item->arrival.json.ptr + (arrival->event.ptr - arrival->json.ptr);
    }
    for (unsigned i = 0; i < arrival->attachments_len; i++) {
        item->attachments[i] = place(&at, arrival->attachments[i]);
    }
    item->arrival.attachments = item->attachments;
    bool swap = fault_planted("swap_sends") && inbox->len;
    list_append(swap ? inbox->items.prev : &inbox->items, &item->link);
    inbox->bytes += (unsigned)item->bytes;
    inbox->len++;
}

struct inbox_item *inbox_first(const struct inbox *inbox) {
    return inbox->len ? CONTAINER(inbox->items.next, struct inbox_item, link) : NULL;
}

static void take_out(struct inbox *inbox, struct inbox_item *item) {
    list_remove(&item->link);
    inbox->bytes -= (unsigned)item->bytes;
    inbox->len--;
}

struct inbox_item *inbox_pop(struct inbox *inbox) {
    struct inbox_item *item = inbox_first(inbox);
    if (item) take_out(inbox, item);
    return item;
}

void inbox_drop(struct inbox *inbox, struct slice namespace_name) {
    LIST_EACH(&inbox->items, link) {
        struct inbox_item *item = CONTAINER(link, struct inbox_item, link);
        bool is_there = slice_equal(item->arrival.namespace_name, namespace_name);
        if (is_there && item->arrival.kind == ARRIVAL_CONNECT) return;
        if (!is_there) continue;
        take_out(inbox, item);
        free(item);
    }
}

void inbox_done(struct inbox *inbox) {
    struct inbox_item *item;
    while ((item = inbox_pop(inbox))) free(item);
}
