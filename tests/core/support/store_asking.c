/* SPDX-License-Identifier: Apache-2.0 */
#include "support/store_asking.h"

#include "wire/json.h"

struct policy_question {
    struct asking *asking;
    struct answer *answer;
};

static void asking_too_late(struct loop_timer *timer) {
    fail_msg("no answer within %d ms", ANSWER_DEADLINE_MS);
}

void asking_init(struct asking *asking) {
    *asking = (struct asking){.loop = loop_new()};
    loop_timer_init(&asking->deadline, asking->loop, asking_too_late);
}

void asking_done(struct asking *asking) {
    store_close(&asking->store, 10000);
    loop_free(&asking->loop);
    for (unsigned i = 0; i < asking->count; i++) {
        free(asking->given[i]->json);
        free(asking->given[i]);
    }
}

/* [[channelId, seq, epoch], …] of those that are known. */
static void write_heads(struct store_request *request) {
    size_t len;
    const struct store_head *heads = store_heads(request, &len);
    buffer_append_char(&request->json, '[');
    for (size_t i = 0; i < len; i++) {
        if (heads[i].at.seq < 0) continue;
        buffer_printf(&request->json, "%s[\"%.*s\",%d,\"%s\"]", request->json.len > 1 ? "," : "",
                      SLICE_ARG(heads[i].channel_id), (int)heads[i].at.seq, heads[i].at.epoch);
    }
    buffer_append_char(&request->json, ']');
}

/* The texts of a JSON array. */
static void add_heads(struct store_request *request, struct slice list) {
    struct json_walk walk;
    struct slice item;
    struct buffer id = {0};
    json_walk_init(&walk, list);
    while (json_walk_item(&walk, &item)) {
        buffer_clear(&id);
        if (json_type_of(item) == JSON_STRING) json_string(item, &id);
        store_heads_add(request, buffer_slice(&id));
    }
    buffer_done(&id);
    request->text = SLICE_NONE;
}

static void asking_answered(struct store_request *request) {
    struct policy_question *question = request->owner;
    struct answer *answer = question->answer;
    assert_false(answer->came);
    *answer = (struct answer){
        request->status,    NULL, request->at.seq, request->floor_r, request->fork_r, "", "", "", request->more,
        request->duplicate, true, request->partial};
    if (request->op == STORE_HEADS && request->status == STORE_OK) write_heads(request);
    answer->json = memory_copy(request->json.ptr, request->json.len);
    memcpy(answer->epoch, request->at.epoch, sizeof(answer->epoch));
    memcpy(answer->message_id, request->message_id_r, sizeof(answer->message_id));
    memcpy(answer->created_at, request->created_at_r, sizeof(answer->created_at));
    if (--question->asking->waiting == 0) loop_stop(question->asking->loop);
    free(question);
}

struct answer *asking_submit(struct asking *asking, const struct store_request *wanted) {
    struct policy_question *question = NEW(struct policy_question);
    question->asking = asking;
    question->answer = NEW(struct answer);
    assert_true(asking->count < sizeof(asking->given) / sizeof(*asking->given));
    asking->given[asking->count++] = question->answer;
    struct store_request *request = store_request_new(wanted->op, asking_answered, question);
    const size_t slices[] = {offsetof(struct store_request, channel_id),  offsetof(struct store_request, user_id),
                             offsetof(struct store_request, client_id),   offsetof(struct store_request, message_id),
                             offsetof(struct store_request, thread_id),   offsetof(struct store_request, content),
                             offsetof(struct store_request, attachments), offsetof(struct store_request, name),
                             offsetof(struct store_request, text),        offsetof(struct store_request, token),
                             offsetof(struct store_request, epoch)};
    for (size_t i = 0; i < sizeof(slices) / sizeof(*slices); i++) {
        const struct slice *from = (const struct slice *)((const char *)wanted + slices[i]);
        *(struct slice *)((char *)request + slices[i]) = store_request_copy(request, *from);
    }
    request->kind = wanted->kind;
    request->fingerprint = wanted->fingerprint;
    request->seq = wanted->seq;
    request->before = wanted->before;
    request->after = wanted->after;
    request->onwards = wanted->onwards;
    request->expires_ms = wanted->expires_ms;
    request->limit = wanted->limit;
    if (wanted->op == STORE_HEADS) add_heads(request, wanted->text);
    asking->waiting++;
    struct answer *answer = question->answer;
    store_submit(asking->store, &request);
    return answer;
}

void asking_wait(struct asking *asking) {
    if (asking->waiting == 0) return;
    loop_timer_set(&asking->deadline, ANSWER_DEADLINE_MS);
    loop_run(asking->loop);
    loop_timer_cancel(&asking->deadline);
    assert_int_equal(asking->waiting, 0);
}

struct answer *asking_ask(struct asking *asking, const struct store_request *wanted) {
    struct answer *answer = asking_submit(asking, wanted);
    asking_wait(asking);
    return answer;
}
