/* SPDX-License-Identifier: Apache-2.0 */
#include "load/crew.h"

#include <errno.h>
#include <openssl/err.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "load/dialect.h"

enum { EVENTS = 512, NAP_NS = 10 * 1000 * 1000 };

uint64_t crew_clock_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

/* Clients */

void crew_settled(struct client *client, const char *failed_at) {
    struct crew *crew = client->crew;
    crew->under_way--;
    if (tally_add(crew->tally, failed_at ? COUNT_FAILED : COUNT_READY, 1) == 1 && failed_at)
        fprintf(stderr, "bench_load: client %u ended while %s: %s\n", client->id, failed_at, strerror(errno));
    if (!failed_at) histogram_add(&crew->tally->latencies[LATENCY_CONNECT], crew_clock_ns() - client->started_ns);
}

void crew_lost(struct client *client, bool wished) {
    tally_add(client->crew->tally, COUNT_READY, (uint64_t)-1);
    if (!wished) tally_add(client->crew->tally, COUNT_CLOSED, 1);
}

uint64_t crew_ack_id(struct client *client, uint64_t due_ns) {
    uint64_t id = due_ns / 1000;
    if (id <= client->last_ack_id) id = client->last_ack_id + 1;
    client->last_ack_id = id;
    return id;
}

static void publish(struct client *client, uint64_t due_ns) {
    struct crew *crew = client->crew;
    struct stamp stamp = {(uint32_t)client->publisher, ++client->sequence, due_ns};
    atomic_store_explicit(&crew->board->sent[client->publisher], client->sequence, memory_order_relaxed);
    tally_add(crew->tally, COUNT_SENT, 1);
    crew->plan->dialect->publish(client, &stamp, crew->step->payload_bytes);
}

/* One message of a publisher is done: it sends the next one. client_step flushes. */
static void publish_next(struct client *client) {
    const struct step *step = client->crew->step;
    if (step && step->outstanding > 0) publish(client, client->crew->now_ns);
}

static void time_it(struct crew *crew, enum latency latency, uint64_t due_ns) {
    if (due_ns < atomic_load_explicit(&crew->board->measure_ns, memory_order_relaxed)) return;
    uint64_t took_ns = crew->now_ns > due_ns ? crew->now_ns - due_ns : 0;
    histogram_add(&crew->tally->latencies[latency], took_ns);
}

void crew_delivered(struct client *client, struct slice text) {
    struct crew *crew = client->crew;
    struct stamp stamp;
    if (!wire_find_stamp(text, &crew->stamp_offset, &stamp)) return; /* news of presence and the like */
    if (crew->phase == PHASE_CHECK) return;                          /* too late: it is already counted as lost */
    uint32_t publishers = crew->plan->clients.publishers, place = stamp.publisher % publishers;
    if (stamp.publisher / publishers != plan_channel_of(crew->plan, client->id)) {
        client_broken(client, text);
        return;
    }
    uint32_t *last = &client->last[place];
    tally_add(crew->tally, COUNT_DELIVERED, 1);
    if (stamp.sequence <= *last) {
        tally_add(crew->tally, COUNT_DISORDERED, 1);
    } else {
        if (stamp.sequence != *last + 1) tally_add(crew->tally, COUNT_LOST, stamp.sequence - *last - 1);
        *last = stamp.sequence;
    }
    time_it(crew, LATENCY_DELIVERY, stamp.due_ns);
    if ((int)stamp.publisher == client->publisher && !crew->plan->dialect->answers) publish_next(client);
}

void crew_answered(struct client *client, uint64_t ack_id, bool good) {
    tally_add(client->crew->tally, good ? COUNT_ANSWERED : COUNT_REFUSED, 1);
    time_it(client->crew, LATENCY_ANSWER, ack_id * 1000);
    publish_next(client);
}

/* Phases */

static void connect_more(struct crew *crew) {
    const struct plan *plan = crew->plan;
    unsigned target = atomic_load(&crew->board->target), most = plan->clients.handshakes / plan->processes + 1;
    while (crew->begun < crew->clients_len && crew->under_way < most && crew->clients[crew->begun].id < target) {
        crew->under_way++;
        client_connect(&crew->clients[crew->begun++]);
    }
}

static void drop_all(struct crew *crew) {
    for (unsigned i = 0; i < crew->begun; i++) {
        client_close(&crew->clients[i], true);
        crew->clients[i].state = CLIENT_NEW;
    }
    crew->begun = 0;
}

static void begin_step(struct crew *crew) {
    crew->step = &crew->plan->steps[atomic_load(&crew->board->step)];
    crew->next_turn = 0;
    for (unsigned i = 0; i < crew->begun && crew->step->outstanding > 0; i++) {
        struct client *client = &crew->clients[i];
        if (client->publisher < 0 || client->state != CLIENT_READY) continue;
        for (unsigned n = 0; n < crew->step->outstanding; n++) publish(client, crew->now_ns);
        client_flush(client);
    }
}

/* Counts what was sent and did not arrive. */
static void count_missing(struct crew *crew) {
    unsigned publishers = crew->plan->clients.publishers;
    for (unsigned i = 0; i < crew->begun; i++) {
        struct client *client = &crew->clients[i];
        if (!plan_is_member(crew->plan, client->id) || plan_is_slow(crew->plan, client->id)) continue;
        unsigned first = plan_channel_of(crew->plan, client->id) * publishers;
        for (unsigned k = 0; k < publishers; k++) {
            uint32_t sent = atomic_load(&crew->board->sent[first + k]);
            tally_add(crew->tally, COUNT_LOST, sent - client->last[k]);
            client->last[k] = sent;
        }
    }
}

static void enter(struct crew *crew, enum phase phase) {
    crew->phase = phase;
    crew->step = NULL;
    if (phase == PHASE_DROP) drop_all(crew);
    if (phase == PHASE_SEND) begin_step(crew);
    if (phase == PHASE_CHECK) count_missing(crew);
}

static void look_at_board(struct crew *crew) {
    unsigned turns = atomic_load(&crew->board->turns);
    if (turns == crew->turns) return;
    crew->turns = turns;
    enter(crew, (enum phase)atomic_load(&crew->board->phase));
    atomic_store(&crew->board->seen[crew->place], turns);
}

/* Fixed rate */

static uint64_t due_ns(const struct crew *crew) {
    return atomic_load(&crew->board->start_ns) + crew->next_turn * 1000000000U / crew->step->rate;
}

/* Sends all that is due by now. Each message has the time when it was due, even if it is late. */
static void publish_due(struct crew *crew) {
    const struct plan *plan = crew->plan;
    for (; due_ns(crew) <= crew->now_ns; crew->next_turn++) {
        unsigned number = plan_client_of(plan, plan_publisher_of_turn(plan, crew->next_turn));
        if (number % plan->processes != crew->place) continue;
        struct client *client = &crew->clients[number / plan->processes];
        if (client->state != CLIENT_READY) continue;
        publish(client, due_ns(crew));
        client_flush(client);
    }
}

/* The loop */

static void turn(struct crew *crew) {
    struct epoll_event events[EVENTS];
    crew->now_ns = crew_clock_ns();
    look_at_board(crew);
    connect_more(crew);
    uint64_t nap_ns = NAP_NS;
    if (crew->step && crew->step->rate > 0) {
        publish_due(crew);
        uint64_t due = due_ns(crew), now = crew_clock_ns();
        nap_ns = due <= now ? 0 : due - now < NAP_NS ? due - now : NAP_NS;
    }
    struct timespec timeout = {.tv_nsec = (long)nap_ns};
    int n = epoll_pwait2(crew->epoll, events, EVENTS, &timeout, NULL);
    for (int i = 0; i < n; i++) {
        crew->now_ns = crew_clock_ns();
        client_step(events[i].data.ptr);
    }
}

static SSL_CTX *new_tls(void) {
    SSL_CTX *tls = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_verify(tls, SSL_VERIFY_NONE, NULL); /* the certificate is the benchmark's own */
    SSL_CTX_set_mode(tls,
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    return tls;
}

static void init(struct crew *crew) {
    const struct plan *plan = crew->plan;
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    crew->epoll = epoll_create1(EPOLL_CLOEXEC);
    crew->run_id = crew_clock_ns();
    if (plan->tls) crew->tls = new_tls();
    crew->clients_len = (plan->clients.count - crew->place + plan->processes - 1) / plan->processes;
    crew->clients = NEW_ARRAY(struct client, crew->clients_len);
    uint32_t *last = NEW_ARRAY(uint32_t, (size_t)crew->clients_len * plan->clients.publishers + 1);
    for (unsigned i = 0; i < crew->clients_len; i++) {
        struct client *client = &crew->clients[i];
        *client = (struct client){.crew = crew, .id = i * plan->processes + crew->place};
        client->publisher = plan_publisher_of(plan, client->id);
        client->last = last + (size_t)i * plan->clients.publishers;
    }
}

void crew_run(const struct plan *plan, struct board *board, unsigned place) {
    struct crew crew = {.plan = plan, .board = board, .tally = &board->tallies[place], .place = place};
    init(&crew);
    while (crew.phase != PHASE_END) turn(&crew);
    drop_all(&crew);
}
