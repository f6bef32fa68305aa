/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/worker_process.h"

#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/log.h"
#include "config/config.h"
#include "config/fingerprint.h"
#include "loop/loop.h"
#include "loop/loop_fd.h"
#include "net/server.h"
#include "process/log_file.h"
#include "process/master_messages.h"
#include "process/startup.h"
#include "process/worker_slots.h"
#include "session/hub.h"
#include "store/store_progress.h"
#include "worker/drain.h"
#include "worker/health.h"
#include "worker/router.h"
#include "worker/settings.h"
#include "worker/trim.h"
#include "worker/worker.h"

/* An orphan drains for ORPHAN_MS; by ORPHAN_ALARM_S it is gone, even if its loop stands still. */
enum { EXIT_BROKEN = 2, ALIVE_MS = 1000, ORPHAN_MS = 4000, ORPHAN_ALARM_S = 5, STORE_CLOSE_MS = 2000 };

struct process {
    const struct process_start *start;
    struct loop *loop;
    struct worker worker;
    struct router *router;
    struct net_server *metrics_net; /* NULL: metrics.listen names no address */
    struct health health;
    struct drain drain;
    struct loop_fd *link;
    struct loop_timer alive;
    struct trim *trim;
    uint64_t told_us;      /* last progress report before it serves */
    struct upcoming *next; /* NULL: no reload in progress */
    unsigned next_generation;
};

static void tell_alive(struct loop_timer *timer) {
    struct process *process = CONTAINER(timer, struct process, alive);
    loop_timer_set(timer, ALIVE_MS);
    master_message_send(process->start->link, MASTER_MESSAGE_ALIVE, net_server_connections(process->worker.net), NULL);
}

static void settled(void *owner) {
    struct process *process = owner;
    master_message_send(process->start->link, MASTER_MESSAGE_READY, 0, NULL);
}

/* When the master is gone or stopping, the workers hold the last copies: closing them frees the port, and no client
 * waits in vain. */
static void accept_no_more(void *owner) {
    struct process *process = owner;
    net_server_stop_accepting(process->worker.net);
    if (process->metrics_net) net_server_stop_accepting(process->metrics_net);
    worker_slots_close_listening(process->start->slots);
}

static void over(void *owner) {
    loop_stop(((struct process *)owner)->loop);
}

static const struct drain_events drain_events = {.accept_no_more = accept_no_more, .over = over};

static void drain(struct process *process, uint64_t timeout_ms, uint64_t notice_ms) {
    drain_begin(&process->drain, timeout_ms, notice_ms);
    health_show(&process->health);
}

/* The master has read and checked the file; it is read again here, with the sources of its scripts. All workers must
 * have read the same. */
static struct upcoming *prepare(struct process *process, const struct master_message *wanted, struct error *error_r) {
    const struct startup *startup = process->start->startup;
    struct config *config =
        startup->source->read_config(startup->config_path, startup->sets, startup->sets_len, error_r);
    char fingerprint[CONFIG_FINGERPRINT_LEN + 1];
    if (!config) return NULL;
    config_fingerprint(config, fingerprint);
    struct upcoming *next = NULL;
    if (strcmp(fingerprint, wanted->text) == 0)
        next = worker_prepare(&process->worker, config, wanted->number, error_r);
    else
        error_set(error_r, "%s: it or its scripts changed while they were read", config->file);
    config_unref(&config);
    return next;
}

static void prepare_and_tell(struct process *process, const struct master_message *wanted) {
    struct error error = {{0}};
    worker_abandon(&process->worker, &process->next);
    process->next = prepare(process, wanted, &error);
    process->next_generation = wanted->number;
    master_message_send(process->start->link, process->next ? MASTER_MESSAGE_PREPARED : MASTER_MESSAGE_REFUSED,
                        wanted->number, process->next ? NULL : error.text);
}

static void enact(struct process *process, unsigned generation) {
    if (!process->next || process->next_generation != generation) return;
    worker_enact(&process->worker, &process->next);
    router_reload(process->router);
    log_file_set_level(process->worker.config);
    master_message_send(process->start->link, MASTER_MESSAGE_ENACTED, generation, NULL);
}

/* Accepts for a slot whose worker is not running. */
static void serve(struct process *process, unsigned slot, bool serves) {
    for (int i = 0, fd; (fd = worker_slots_listen_fd(process->start->slots, slot, (unsigned)i)) >= 0; i++) {
        net_server_stop_listening(process->worker.net, fd);
        if (serves) net_server_listen(process->worker.net, fd);
    }
    for (int i = 0, fd; (fd = worker_slots_metrics_fd(process->start->slots, slot, (unsigned)i)) >= 0; i++) {
        net_server_stop_listening(process->metrics_net, fd);
        if (serves) net_server_listen(process->metrics_net, fd);
    }
}

static void heard(struct process *process, const struct master_message *message) {
    const struct config *config = process->worker.config;
    switch (message->kind) {
        case MASTER_MESSAGE_PREPARE:
            if (!process->worker.draining) prepare_and_tell(process, message);
            break;
        case MASTER_MESSAGE_ENACT:
            enact(process, message->number);
            break;
        case MASTER_MESSAGE_ABANDON:
            worker_abandon(&process->worker, &process->next);
            break;
        case MASTER_MESSAGE_SERVE:
        case MASTER_MESSAGE_RETURN:
            serve(process, message->number, message->kind == MASTER_MESSAGE_SERVE);
            break;
        case MASTER_MESSAGE_LOGS:
            log_file_reopen(config->log_file);
            break;
        case MASTER_MESSAGE_DRAIN:
            drain(process, (uint64_t)config->drain.timeout_s * 1000, (uint64_t)config->drain.notice_s * 1000);
            break;
        case MASTER_MESSAGE_END:
            drain(process, 0, 0);
            break;
        default:
            break;
    }
}

static void link_ready(void *owner, int fd, int ready) {
    struct process *process = owner;
    struct master_message message;
    enum master_message_read read;
    while ((read = master_message_receive(fd, &message)) == MASTER_MESSAGE_READ) heard(process, &message);
    if (read != MASTER_MESSAGE_GONE) return;
    LOG_ALWAYS(LOG_WARNING, "worker.master_gone", LOG_NUMBER("pid", getpid()));
    loop_fd_free(&process->link);
    accept_no_more(process); /* first: the port is for the next master */
    drain(process, ORPHAN_MS, 0);
}

/* The kernel's signal that the master is gone; works even if the loop no longer turns. */
static void end_soon(int signal_number) {
    alarm(ORPHAN_ALARM_S);
}

/* Signals go to the master, which tells its worker; a terminal's go to both. */
static void take_signals(int master_pid) {
    const int masters[] = {SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGPIPE};
    for (size_t i = 0; i < sizeof masters / sizeof *masters; i++) signal(masters[i], SIG_IGN);
    sigaction(SIGUSR2, &(struct sigaction){.sa_handler = end_soon, .sa_flags = SA_RESTART}, NULL);
    prctl(PR_SET_PDEATHSIG, SIGUSR2);
    if (getppid() != master_pid) raise(SIGUSR2); /* the master ended before prctl */
}

static bool begin_metrics_net(struct process *process, struct error *error_r) {
    const struct process_start *start = process->start;
    if (worker_slots_metrics_fd(start->slots, start->slot, 0) < 0) return true;
    struct net_settings net = settings_of_metrics_net(start->config);
    process->metrics_net = net_server_new(process->loop, &net, &router_metrics_events, process->router, error_r);
    if (!process->metrics_net) return false;
    for (int i = 0, fd; (fd = worker_slots_metrics_fd(start->slots, start->slot, (unsigned)i)) >= 0; i++)
        net_server_listen(process->metrics_net, fd);
    return true;
}

static bool begin_net(struct process *process, struct error *error_r) {
    const struct process_start *start = process->start;
    struct worker *worker = &process->worker;
    struct net_settings net = settings_of_net(start->config);
    net.inbound = worker->limits.inbound;
    net.outbound = worker->limits.outbound;
    net.tickets = start->tickets;
    worker->net = net_server_new(process->loop, &net, &router_events, process->router, error_r);
    if (!worker->net) return false;
    for (int i = 0, fd; (fd = worker_slots_listen_fd(start->slots, start->slot, (unsigned)i)) >= 0; i++)
        net_server_listen(worker->net, fd);
    net_server_open_inbox(worker->net, worker_slots_inbox(start->slots, start->slot));
    return begin_metrics_net(process, error_r);
}

/* The loop does not turn yet. */
static void gets_on(void *owner, const char *what, unsigned percent) {
    struct process *process = owner;
    uint64_t now_us = loop_clock_us(process->loop);
    if (now_us - process->told_us < ALIVE_MS * 1000 / 4) return;
    process->told_us = now_us;
    master_message_send(process->start->link, MASTER_MESSAGE_STARTING, percent, what);
}

static bool begin(struct process *process, struct error *error_r) {
    const struct process_start *start = process->start;
    struct worker *worker = &process->worker;
    char name[WORKER_SLOT_NAME_LEN + 1];
    worker_slots_name(start->slots, start->slot, name);
    const struct store_progress progress = {gets_on, process};
    if (!worker_init(worker, process->loop, start->config, start->startup->source, start->generation, name, &progress,
                     error_r))
        return false;
    worker->place.slots = start->slots;
    worker->place.slot = start->slot;
    process->router = router_new(worker, &process->health);
    if (!begin_net(process, error_r)) {
        net_server_free(&worker->net);
        router_free(&process->router);
        worker_done(worker, 0);
        return false;
    }
    health_init(&process->health, worker, settled, process);
    drain_init(&process->drain, worker, &drain_events, process);
    process->link = loop_fd_new(process->loop, start->link, LOOP_READ, link_ready, process);
    loop_timer_init(&process->alive, process->loop, tell_alive);
    loop_timer_set(&process->alive, 1);
    process->trim = trim_new(process->loop);
    return true;
}

/* At the deadline, stops waiting for the store. */
static unsigned store_patience_ms(const struct process *process) {
    unsigned left_ms = fault_planted("end_waits") ? STORE_CLOSE_MS : drain_left_ms(&process->drain);
    return left_ms < STORE_CLOSE_MS ? left_ms : STORE_CLOSE_MS;
}

static void end(struct process *process) {
    health_done(&process->health);
    drain_done(&process->drain);
    loop_timer_cancel(&process->alive);
    trim_free(&process->trim);
    loop_fd_free(&process->link);
    worker_abandon(&process->worker, &process->next);
    net_server_free(&process->metrics_net);
    net_server_free(&process->worker.net);
    router_free(&process->router);
    worker_done(&process->worker, store_patience_ms(process));
    loop_free(&process->loop);
}

int process_run(const struct process_start *start) {
    struct process process = {.start = start};
    struct error error = {{0}};
    if (worker_slots_len(start->slots) > 1) log_set_worker(start->slot);
    take_signals(start->master_pid);
    process.loop = loop_new();
    if (!begin(&process, &error)) {
        fprintf(stderr, "%s\n", error.text);
        loop_free(&process.loop);
        return EXIT_BROKEN;
    }
    loop_run(process.loop);
    end(&process);
    return 0;
}
