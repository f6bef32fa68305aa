/* SPDX-License-Identifier: Apache-2.0 */
#include "support/fake_log_store.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/map.h"
#include "loop/loop.h"

static struct fake_head *head_of(struct fake_log_store *fake, struct slice channel_id) {
    struct fake_head *head = map_find(fake->by_id, channel_id);
    if (head) return head;
    if (fake->heads_len == FAKE_CHANNELS_MAX) abort();
    head = &fake->heads[fake->heads_len++];
    snprintf(head->id, sizeof head->id, "%.*s", SLICE_ARG(channel_id));
    map_put(fake->by_id, slice_of(head->id), head);
    return head;
}

void fake_log_store_write_event(const struct fake_log_store *fake, int64_t seq, struct buffer *out) {
    buffer_printf(out, "[\"message:new\",{\"seq\":%lld,\"epoch\":\"%s\"", (long long)seq, fake->epoch);
    if (fake->padding > 0) buffer_printf(out, ",\"content\":\"%0*d\"", (int)fake->padding, 0);
    buffer_append_str(out, "}]");
}

int64_t fake_log_store_commit(struct fake_log_store *fake, struct slice channel_id) {
    return ++head_of(fake, channel_id)->seq;
}

static void answer_events(struct fake_log_store *fake, struct store_request *request) {
    int64_t seq = request->events.seq, head = head_of(fake, request->channel_id)->seq;
    fake->event_reads++;
    request->events.fork_r = slice_is(request->events.epoch, fake->epoch) ? -1 : fake->fork;
    if (request->events.fork_r >= 0) seq = request->events.fork_r;
    for (unsigned n = 0; seq < head && n < request->events.limit; n++) {
        seq++;
        fake_log_store_write_event(fake, seq, store_events_next(request, seq));
    }
    store_events_end(request);
    request->at.seq = head;
    request->events.more_r = seq < head;
}

static void answer_heads(struct fake_log_store *fake, struct store_request *request) {
    size_t len;
    struct store_head *heads = store_heads(request, &len);
    fake->head_queries++;
    fake->heads_asked += len;
    for (size_t i = 0; i < len; i++) {
        heads[i].at.seq = head_of(fake, heads[i].channel_id)->seq;
        snprintf(heads[i].at.epoch, sizeof heads[i].at.epoch, "%s", fake->epoch);
    }
}

static void answer_append(struct fake_log_store *fake, struct store_request *request) {
    struct fake_head *head = head_of(fake, request->channel_id);
    request->append.duplicate_r =
        request->append.client_id.len > 0 && slice_is(request->append.client_id, head->client_id);
    if (!request->append.duplicate_r) head->seq++;
    snprintf(head->client_id, sizeof head->client_id, "%.*s", SLICE_ARG(request->append.client_id));
    request->at.seq = head->seq;
    fake_log_store_write_event(fake, head->seq, &request->json);
}

static void answer(struct fake_log_store *fake, struct store_request *request) {
    request->status = fake->is_away ? STORE_UNAVAILABLE : STORE_OK;
    snprintf(request->at.epoch, sizeof request->at.epoch, "%s", fake->epoch);
    if (fake->is_away) {
    } else if (request->op == STORE_EVENTS) {
        answer_events(fake, request);
    } else if (request->op == STORE_HEADS) {
        answer_heads(fake, request);
    } else if (request->op == STORE_CHANNEL) {
        request->at.seq = head_of(fake, request->channel_id)->seq;
    } else {
        answer_append(fake, request);
    }
    request->done(request);
    store_request_free(&request);
}

static unsigned part_of(struct store *store, struct slice channel_id) {
    const struct fake_log_store *fake = CONTAINER(store, struct fake_log_store, store);
    return fake->parts ? (unsigned char)channel_id.ptr[channel_id.len - 1] % fake->parts : 0;
}

/* A request to all parts is answered once each part has answered. */
static bool asks_stalled(struct fake_log_store *fake, const struct store_request *request) {
    size_t len;
    bool asks = false;
    if (fake->stalled < 0 || request->op != STORE_HEADS) return false;
    const struct store_head *heads = store_heads(request, &len);
    for (size_t i = 0; i < len; i++) asks |= (int)part_of(&fake->store, heads[i].channel_id) == fake->stalled;
    return asks;
}

static void run(struct loop_task *task) {
    struct fake_log_store *fake = CONTAINER(task, struct fake_log_store, task);
    struct list batch, *link;
    if (fake->is_silent) return;
    list_init(&batch);
    list_splice(&batch, &fake->submitted);
    while ((link = list_pop(&batch))) {
        struct store_request *request = CONTAINER(link, struct store_request, link);
        if (asks_stalled(fake, request))
            list_append(&fake->submitted, link);
        else
            answer(fake, request);
    }
}

void fake_log_store_go_on(struct fake_log_store *fake) {
    fake->stalled = -1;
    loop_post(fake->loop, &fake->task);
}

static void submit(struct store *store, struct store_request *request) {
    struct fake_log_store *fake = CONTAINER(store, struct fake_log_store, store);
    list_append(&fake->submitted, &request->link);
    loop_post(fake->loop, &fake->task);
}

static const struct store_ops fake_ops = {.submit = submit, .part_of = part_of};

void fake_log_store_init(struct fake_log_store *fake, struct loop *loop) {
    memset(fake, 0, sizeof *fake);
    fake->store.ops = &fake_ops;
    fake->loop = loop;
    fake->by_id = map_new();
    fake->epoch = "1-a";
    fake->stalled = -1;
    list_init(&fake->submitted);
    loop_task_init(&fake->task, run);
}

void fake_log_store_done(struct fake_log_store *fake) {
    loop_task_cancel(&fake->task);
    fake->is_silent = false;
    fake->stalled = -1;
    while (!list_empty(&fake->submitted)) run(&fake->task);
    map_free(&fake->by_id);
}
