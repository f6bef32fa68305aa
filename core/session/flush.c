/* SPDX-License-Identifier: Apache-2.0 */
#include "session/flush.h"

#include "base/metrics.h"
#include "net/websocket.h"
#include "session/session_internal.h"

const struct coalesce_rule flush_rule = {.opens = 0.35, .closes = 0.25, .aim = 0.2, .narrows = 0.5, .write_ns = 8000};

static void run(struct loop_task *task);
static void run_more(struct loop_task *task);
static void due_come(struct loop_timer *timer);
static void review(struct loop_timer *timer);

void flush_init(struct flush *flush, struct loop *loop) {
    flush->loop = loop;
    list_init(&flush->prompt);
    list_init(&flush->held);
    loop_task_init(&flush->task, run);
    loop_task_init(&flush->more, run_more);
    loop_timer_init(&flush->due, loop, due_come);
    loop_timer_init(&flush->review, loop, review);
    coalesce_init(&flush->window, &flush_rule, &(struct coalesce_settings){0}, loop_now_ms(loop));
}

void flush_set(struct flush *flush, const struct coalesce_settings *settings) {
    coalesce_set(&flush->window, settings);
    if (settings->fixed_ms != COALESCE_AUTO) loop_timer_cancel(&flush->review);
    metric_set(METRIC_FANOUT_WINDOW, flush->window.ms);
}

void flush_done(struct flush *flush) {
    loop_task_cancel(&flush->task);
    loop_task_cancel(&flush->more);
    loop_timer_cancel(&flush->due);
    loop_timer_cancel(&flush->review);
}

static struct session *first_of(const struct list *sessions) {
    return list_empty(sessions) ? NULL : CONTAINER(sessions->next, struct session, flush.link);
}

void flush_forget(struct session *session) {
    list_remove(&session->flush.link);
    session->flush.held = false;
}

void flush_soon(struct session *session) {
    struct flush *flush = &session->hub->flush;
    if (session->flush.held)
        flush_forget(session);
    else if (!list_empty(&session->flush.link))
        return;
    list_append(&flush->prompt, &session->flush.link);
    loop_flush(flush->loop, &flush->task);
}

/* Called at the first fan-out after a quiet time. */
static void begin_review(struct flush *flush, uint64_t now_ms) {
    if (flush->window.settings.fixed_ms != COALESCE_AUTO) return;
    flush->window.since_ms = now_ms;
    loop_timer_set(&flush->review, COALESCE_REVIEW_MS);
}

void flush_held(struct session *session) {
    struct flush *flush = &session->hub->flush;
    uint64_t now_ms = loop_now_ms(flush->loop);
    unsigned wait_ms = coalesce_arrival(&flush->window, now_ms, &session->flush.delivered_ms);
    if (!list_empty(&session->flush.link)) {
        bool full = session->outbox.queue.bytes >= WEBSOCKET_WRITE_MAX; /* the size of one write */
        if (session->flush.held && (full || coalesce_is_full(&flush->window, session->outbox.queue.len)))
            flush_soon(session);
        return;
    }
    if (!loop_timer_pending(&flush->review)) begin_review(flush, now_ms);
    if (wait_ms == 0) {
        flush_soon(session);
        return;
    }
    session->flush.held = true;
    session->flush.due_ms = now_ms + wait_ms;
    list_append(&flush->held, &session->flush.link);
    if (!loop_timer_pending(&flush->due)) loop_timer_set(&flush->due, wait_ms);
}

static void due_come(struct loop_timer *timer) {
    struct flush *flush = CONTAINER(timer, struct flush, due);
    loop_flush(flush->loop, &flush->task);
}

/* Repeats while fan-outs come, and once more. */
static void review(struct loop_timer *timer) {
    struct flush *flush = CONTAINER(timer, struct flush, review);
    coalesce_review(&flush->window, loop_now_ms(flush->loop));
    metric_set(METRIC_FANOUT_WINDOW, flush->window.ms);
    if (flush->window.ms > 0) loop_timer_set(timer, COALESCE_REVIEW_MS);
}

/* The first held session that is due. */
static struct session *first_due(const struct flush *flush) {
    struct session *session = first_of(&flush->held);
    return session && session->flush.due_ms <= loop_now_ms(flush->loop) ? session : NULL;
}

/* Each write evicts the CPU caches. So the memory of the next three sessions is prefetched while the kernel handles
 * this one: the session of the third, the transport of the second, the write target of the first. */
static void fetch_ahead(const struct list *sessions, const struct session *session) {
    const struct session *next[3];
    const struct list *link = session->flush.link.next;
    for (int i = 0; i < 3; i++, link = link->next) {
        if (link == sessions) return;
        next[i] = CONTAINER(link, struct session, flush.link);
    }
    const struct transport *first = next[0]->transport;
    if (first && first->ops->fetch) first->ops->fetch(first);
    __builtin_prefetch(next[1]->transport);
    __builtin_prefetch(next[2]);
    __builtin_prefetch(&next[2]->transport);
}

/* Writes a slice of each list, so that neither waits until the other is empty. */
static void write_slices(struct flush *flush) {
    struct session *session;
    uint64_t start_us = loop_clock_us(flush->loop);
    unsigned prompt = 0, due = 0;
    for (; prompt < FLUSH_SLICE && (session = first_of(&flush->prompt)); prompt++) {
        fetch_ahead(&flush->prompt, session);
        session_flush(session);
    }
    for (; due < FLUSH_SLICE && (session = first_due(flush)); due++) {
        coalesce_passed(&flush->window, session->outbox.queue.len);
        fetch_ahead(&flush->held, session);
        session_flush(session);
    }
    coalesce_flushed(&flush->window, prompt + due, loop_clock_us(flush->loop) - start_us);
}

static void run(struct loop_task *task) {
    struct flush *flush = CONTAINER(task, struct flush, task);
    loop_part(flush->loop, "delivery");
    write_slices(flush);
    if (!list_empty(&flush->prompt) || first_due(flush)) {
        loop_post(flush->loop, &flush->more);
        return;
    }
    gathering_clear(&CONTAINER(flush, struct hub, flush)->scratch.gathering);
    struct session *next = first_of(&flush->held);
    if (next) loop_timer_set(&flush->due, next->flush.due_ms - loop_now_ms(flush->loop));
}

/* Between the slices of a large fan-out other ready work runs. */
static void run_more(struct loop_task *task) {
    struct flush *flush = CONTAINER(task, struct flush, more);
    loop_flush(flush->loop, &flush->task);
}
