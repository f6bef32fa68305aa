/* SPDX-License-Identifier: Apache-2.0 */
/* Any emit of another worker is dropped or delivered; nothing is read beyond its end. */
#include <stdlib.h>

#include "bus/bus.h"
#include "bus/bus_local.h"
#include "channel/relay.h"
#include "channel/room.h"
#include "loop/loop.h"

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t len);

static void deliver(struct receiver *receiver, const struct room *room, struct packet *packet) {
    if (packet_bytes(packet, PACKET_POLL).len == 0) abort();
}

static const struct receiver_ops member_ops = {deliver};
static const struct bus_events no_events = {.received = NULL};
static struct receiver member = {.ops = &member_ops};
static struct list memberships;

static struct relay *stage(void) {
    static const struct room_limits limits = {.window_ms = 0};
    struct loop *loop = loop_new_with_fake_clock();
    struct rooms *rooms = rooms_new(loop, &limits);
    list_init(&memberships);
    room_join(rooms, SLICE("/"), SLICE(""), &member, &memberships, 0);
    room_join(rooms, SLICE("/"), SLICE("lobby"), &member, &memberships, 0);
    return relay_new(rooms, NULL, bus_local_new(loop, &no_events, NULL), NULL);
}

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t len) {
    static struct relay *relay;
    const struct bus_message message = {.kind = BUS_EMIT, .body = {(const char *)bytes, len}};
    if (!relay) relay = stage();
    if (!relay_take(relay, SLICE("/#"), &message)) (void)!relay_take(relay, SLICE("/#lobby"), &message);
    return 0;
}
