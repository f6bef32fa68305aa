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

/* [[channelId, seq, epoch], …] of the known channels. */
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

/* The texts of a JSON array; other values count as empty. */
static void add_ids(struct store_request *request, struct slice list) {
    struct json_walk walk;
    struct slice item;
    struct buffer id = {0};
    json_walk_init(&walk, list);
    while (json_walk_item(&walk, &item)) {
        buffer_clear(&id);
        if (json_type_of(item) == JSON_STRING) json_string(item, &id);
        if (request->op == STORE_HEADS)
            store_heads_add(request, buffer_slice(&id));
        else
            store_ids_add(request, buffer_slice(&id));
    }
    buffer_done(&id);
}

static void take_part(struct answer *answer, const struct store_request *request) {
    if (request->op == STORE_APPEND) {
        answer->duplicate = request->append.duplicate_r;
        memcpy(answer->message_id, request->append.message_id_r, sizeof(answer->message_id));
        memcpy(answer->created_at, request->append.created_at_r, sizeof(answer->created_at));
    } else if (request->op == STORE_EVENTS) {
        answer->floor = request->events.floor_r;
        answer->fork = request->events.fork_r;
        answer->more = request->events.more_r;
    } else if (request->op == STORE_MESSAGES) {
        answer->more = request->messages.more_r;
    } else if (request->op == STORE_HEADS || request->op == STORE_USER_CHANNELS) {
        answer->partial = request->partial_r;
    }
}

static void asking_answered(struct store_request *request) {
    struct policy_question *question = request->owner;
    struct answer *answer = question->answer;
    assert_false(answer->came);
    *answer = (struct answer){.status = request->status, .came = true, .seq = request->at.seq, .fork = -1};
    take_part(answer, request);
    if (request->op == STORE_HEADS && request->status == STORE_OK) write_heads(request);
    answer->json = memory_copy(request->json.ptr, request->json.len);
    memcpy(answer->epoch, request->at.epoch, sizeof(answer->epoch));
    if (--question->asking->waiting == 0) loop_stop(question->asking->loop);
    free(question);
}

/* Copies the texts of the wanted part. */
static void copy_part(struct store_request *request, const struct store_request *wanted) {
#define COPY(field) request->field = store_request_copy(request, wanted->field)
    switch (wanted->op) {
        case STORE_APPEND:
        case STORE_APPENDED:
            request->append = wanted->append;
            COPY(append.client_id), COPY(append.message_id), COPY(append.thread_id), COPY(append.emoji);
            COPY(append.content), COPY(append.attachments);
            break;
        case STORE_EVENTS:
            request->events.seq = wanted->events.seq;
            request->events.limit = wanted->events.limit;
            COPY(events.epoch);
            break;
        case STORE_MESSAGES:
        case STORE_MESSAGE:
            request->messages = wanted->messages;
            COPY(messages.message_id);
            break;
        case STORE_CHANNEL_PUT:
            COPY(channel.name), COPY(channel.visibility);
            break;
        case STORE_MEMBER_PUT:
            COPY(member.role);
            break;
        case STORE_READ_MARK:
            request->member.read_seq = wanted->member.read_seq;
            break;
        case STORE_USER_PUT:
            COPY(user.name), COPY(user.avatar);
            break;
        case STORE_WORD_PUT:
            request->word.ends_ms = wanted->word.ends_ms;
            COPY(word.status), COPY(word.message);
            break;
        case STORE_SESSION_PUT:
        case STORE_SESSION:
        case STORE_SESSION_DELETE:
            request->session.expires_ms = wanted->session.expires_ms;
            COPY(session.token);
            break;
        case STORE_AUDIT:
        case STORE_AUDITS:
            request->audit.limit = wanted->audit.limit;
            COPY(audit.action), COPY(audit.detail);
            break;
        default: /* no member of the union */
            break;
    }
    COPY(channel_id), COPY(user_id);
#undef COPY
}

static struct store_request *asking_begin(struct asking *asking, enum store_op op) {
    struct policy_question *question = NEW(struct policy_question);
    question->asking = asking;
    question->answer = NEW(struct answer);
    assert_true(asking->count < sizeof(asking->given) / sizeof(*asking->given));
    asking->given[asking->count++] = question->answer;
    asking->waiting++;
    return store_request_new(op, asking_answered, question);
}

struct answer *asking_submit(struct asking *asking, const struct store_request *wanted) {
    struct store_request *request = asking_begin(asking, wanted->op);
    struct answer *answer = asking->given[asking->count - 1];
    copy_part(request, wanted);
    store_submit(asking->store, &request);
    return answer;
}

struct answer *asking_submit_list(struct asking *asking, enum store_op op, struct slice ids) {
    struct store_request *request = asking_begin(asking, op);
    struct answer *answer = asking->given[asking->count - 1];
    add_ids(request, ids);
    store_submit(asking->store, &request);
    return answer;
}

struct answer *asking_list(struct asking *asking, enum store_op op, struct slice ids) {
    struct answer *answer = asking_submit_list(asking, op, ids);
    asking_wait(asking);
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
