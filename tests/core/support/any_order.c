/* SPDX-License-Identifier: Apache-2.0 */
#include "support/any_order.h"

const char *const channels[CHANNELS] = {"a", "b"};

static uint64_t chance;

void chance_seed(uint64_t seed) {
    chance = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
}

unsigned below(unsigned n) {
    chance = chance * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(chance >> 33) % n;
}

bool percent(unsigned p) {
    return below(100) < p;
}

static void submit(struct store *store, struct store_request *request) {
    struct any_order_store *fake = CONTAINER(store, struct any_order_store, store);
    list_append(&fake->waiting, &request->link);
    fake->len++;
}

static const struct store_ops ops = {.submit = submit};

void write_event(struct buffer *out, unsigned channel, int64_t seq) {
    buffer_printf(out, "[\"m\",{\"seq\":%d,\"channel\":%u}]", (int)seq, channel);
}

static unsigned channel_index(struct slice id) {
    return slice_is(id, channels[0]) ? 0 : 1;
}

static void store_read(struct any_order_store *fake, struct store_request *request) {
    unsigned channel = channel_index(request->channel_id);
    request->status =
        percent(5) || (request->op != STORE_EVENTS && request->op != STORE_CHANNEL) ? STORE_UNAVAILABLE : STORE_OK;
    request->at.seq = fake->heads[channel];
    strcpy(request->at.epoch, "1-a");
    if (request->op != STORE_EVENTS) return;
    for (int64_t seq = request->events.seq + 1; seq <= fake->heads[channel]; seq++)
        write_event(store_events_next(request, seq), channel, seq);
    store_events_end(request);
}

void any_order_store_answer(struct any_order_store *fake) {
    if (fake->len == 0) return;
    struct list *link = fake->waiting.next;
    for (unsigned n = below(fake->len); n > 0; n--) link = link->next;
    struct store_request *request = CONTAINER(link, struct store_request, link);
    list_remove(link);
    fake->len--;
    store_read(fake, request);
    request->done(request);
    store_request_free(&request);
}

void any_order_store_init(struct any_order_store *fake) {
    list_init(&fake->waiting);
    fake->store.ops = &ops;
    fake->len = 0;
    for (unsigned i = 0; i < CHANNELS; i++) fake->heads[i] = 1 + below(5);
}
