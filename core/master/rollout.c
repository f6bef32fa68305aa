/* SPDX-License-Identifier: Apache-2.0 */
#include "master/rollout.h"

#include "master/child.h"
#include "process/master_messages.h"

void rollout_init(struct rollout *rollout, struct child *children, unsigned len, const struct rollout_events *events,
                  void *owner) {
    *rollout = (struct rollout){.children = children, .children_len = len, .events = events, .owner = owner};
}

static bool any(const struct rollout *rollout, enum child_stage stage) {
    for (unsigned i = 0; i < rollout->children_len; i++)
        if (rollout->children[i].stage == stage) return true;
    return false;
}

static void fail(struct rollout *rollout, const char *reason) {
    rollout->state = ROLLOUT_IDLE;
    for (unsigned i = 0; i < rollout->children_len; i++) {
        struct child *child = &rollout->children[i];
        if (child->stage != CHILD_IDLE)
            master_message_send(child->link, MASTER_MESSAGE_ABANDON, rollout->generation, NULL);
        child->stage = CHILD_IDLE;
    }
    rollout->events->failed(rollout->owner, reason);
}

static void enact(struct rollout *rollout, uint64_t now_ms) {
    rollout->state = ROLLOUT_ENACTING;
    rollout->until_ms = now_ms + ROLLOUT_ENACT_MS;
    rollout->events->decided(rollout->owner);
    for (unsigned i = 0; i < rollout->children_len; i++) {
        struct child *child = &rollout->children[i];
        if (child->stage != CHILD_PREPARED) continue;
        child->stage = CHILD_ENACTING;
        /* a worker that cannot be told is killed: its successor has the new generation */
        if (!master_message_send(child->link, MASTER_MESSAGE_ENACT, rollout->generation, NULL)) child_kill(child);
    }
}

static void advance(struct rollout *rollout, uint64_t now_ms) {
    if (rollout->state == ROLLOUT_PREPARING && !any(rollout, CHILD_ASKED)) enact(rollout, now_ms);
    if (rollout->state != ROLLOUT_ENACTING || any(rollout, CHILD_ENACTING)) return;
    rollout->state = ROLLOUT_IDLE;
    rollout->events->done(rollout->owner);
}

void rollout_begin(struct rollout *rollout, unsigned generation, const char *fingerprint, uint64_t now_ms) {
    rollout->state = ROLLOUT_PREPARING;
    rollout->generation = generation;
    rollout->until_ms = now_ms + ROLLOUT_PREPARE_MS;
    for (unsigned i = 0; i < rollout->children_len; i++) {
        struct child *child = &rollout->children[i];
        if (child->pid == 0) continue;
        child->stage = CHILD_ASKED;
        if (master_message_send(child->link, MASTER_MESSAGE_PREPARE, generation, fingerprint)) continue;
        fail(rollout, "a worker does not listen");
        return;
    }
}

void rollout_heard(struct rollout *rollout, struct child *child, const struct master_message *message,
                   uint64_t now_ms) {
    if (message->number != rollout->generation) return; /* belongs to an abandoned reload */
    if (message->kind == MASTER_MESSAGE_REFUSED && child->stage == CHILD_ASKED) {
        child->stage = CHILD_IDLE;
        fail(rollout, message->text);
    } else if (message->kind == MASTER_MESSAGE_PREPARED && child->stage == CHILD_ASKED) {
        child->stage = CHILD_PREPARED;
        advance(rollout, now_ms);
    } else if (message->kind == MASTER_MESSAGE_ENACTED && child->stage == CHILD_ENACTING) {
        child->stage = CHILD_IDLE;
        advance(rollout, now_ms);
    }
}

void rollout_ended(struct rollout *rollout, struct child *child, uint64_t now_ms) {
    enum child_stage stage = child->stage;
    child->stage = CHILD_IDLE;
    if (stage == CHILD_ENACTING)
        advance(rollout, now_ms);
    else if (stage != CHILD_IDLE)
        fail(rollout, "a worker ended");
}

void rollout_check(struct rollout *rollout, uint64_t now_ms) {
    if (now_ms < rollout_due_ms(rollout)) return;
    if (rollout->state == ROLLOUT_PREPARING) {
        fail(rollout, "a worker did not answer");
        return;
    }
    rollout->until_ms = UINT64_MAX;
    for (unsigned i = 0; i < rollout->children_len; i++)
        if (rollout->children[i].stage == CHILD_ENACTING) child_kill(&rollout->children[i]);
}

uint64_t rollout_due_ms(const struct rollout *rollout) {
    return rollout->state == ROLLOUT_IDLE ? UINT64_MAX : rollout->until_ms;
}
