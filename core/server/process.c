#include "server/process.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/log.h"
#include "base/metrics.h"
#include "config/config.h"
#include "loop/loop.h"
#include "net/server.h"
#include "server/drain.h"
#include "server/health.h"
#include "server/notice.h"
#include "server/router.h"
#include "server/settings.h"

/* An orphan drains for ORPHAN_MS; by ORPHAN_ALARM_S it is gone, even if its loop stands still. */
enum { EXIT_BROKEN = 2, ALIVE_MS = 1000, ORPHAN_MS = 4000, ORPHAN_ALARM_S = 5, STORE_CLOSE_MS = 2000 };

struct process {
    const struct process_start *start;
    struct loop *loop;
    struct worker worker;
    struct router *router;
    struct health health;
    struct drain drain;
    struct loop_fd *link;
    struct loop_timer alive;
    int listen_fd; /* -1: no more */
};

static void tell_alive(struct loop_timer *timer) {
    struct process *process = CONTAINER(timer, struct process, alive);
    loop_timer_set(timer, ALIVE_MS);
    notice_send(process->start->link, NOTICE_ALIVE, net_server_connections(process->worker.net), NULL);
}

static void settled(void *owner) {
    struct process *process = owner;
    notice_send(process->start->link, NOTICE_READY, 0, NULL);
}

/* This worker's copy is the last one when the master has gone or is stopping: the port is free, nobody waits in vain.
 */
static void accept_no_more(void *owner) {
    struct process *process = owner;
    if (process->listen_fd < 0) return;
    net_server_stop_accepting(process->worker.net);
    close(process->listen_fd);
    process->listen_fd = -1;
}

static void over(void *owner) {
    loop_stop(((struct process *)owner)->loop);
}

static const struct drain_events drain_events = {.accept_no_more = accept_no_more, .over = over};

static void drain(struct process *process, uint64_t timeout_ms, uint64_t notice_ms) {
    drain_begin(&process->drain, timeout_ms, notice_ms);
}

/* The master has read and checked the file; it is read again here, with the sources of its scripts. */
static void reload(struct process *process) {
    const struct master_start *master = process->start->master;
    struct worker *worker = &process->worker;
    struct error error = {{0}};
    struct config *config = master->source->read_config(master->config_path, master->sets, master->sets_len, &error);
    struct upcoming *next = config ? worker_prepare(worker, config, worker->generation + 1, &error) : NULL;
    bool done = next != NULL;
    enum log_level level;
    metric_add_labelled(METRIC_RELOADS, done ? "done" : "failed", 1);
    if (done) worker_enact(worker, &next);
    if (done) router_reload(process->router);
    if (done && log_level_of(config->log_level, &level)) log_set_level(level);
    config_unref(&config);
    notice_send(process->start->link, done ? NOTICE_RELOADED : NOTICE_REFUSED, worker->generation,
                done ? NULL : error.text);
}

static void reopen_logs(const struct config *config) {
    int fd = config->log_file ? open(config->log_file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640) : -1;
    if (fd < 0) return;
    dup2(fd, STDERR_FILENO);
    close(fd);
}

static void heard(struct process *process, const struct notice *notice) {
    const struct config *config = process->worker.config;
    switch (notice->kind) {
        case NOTICE_RELOAD:
            if (!process->worker.draining) reload(process);
            break;
        case NOTICE_LOGS:
            reopen_logs(config);
            break;
        case NOTICE_DRAIN:
            drain(process, (uint64_t)config->drain.timeout_s * 1000, (uint64_t)config->drain.notice_s * 1000);
            break;
        case NOTICE_END:
            drain(process, 0, 0);
            break;
        default:
            break;
    }
}

static void link_ready(void *owner, int fd, int ready) {
    struct process *process = owner;
    struct notice notice;
    enum notice_read read;
    while ((read = notice_receive(fd, &notice)) == NOTICE_READ) heard(process, &notice);
    if (read != NOTICE_GONE) return;
    LOG_ALWAYS(LOG_WARNING, "worker.master_gone", LOG_NUMBER("pid", getpid()));
    loop_fd_free(&process->link);
    accept_no_more(process); /* first: the port is for the next master */
    drain(process, ORPHAN_MS, 0);
}

/* The kernel's word that the master has gone: it is heard even if the loop no longer turns. */
static void end_soon(int signal_number) {
    alarm(ORPHAN_ALARM_S);
}

/* Signals go to the master, which tells its worker; a terminal's go to both. */
static void take_signals(int master_pid) {
    const int masters[] = {SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGPIPE};
    for (size_t i = 0; i < sizeof masters / sizeof *masters; i++) signal(masters[i], SIG_IGN);
    sigaction(SIGUSR2, &(struct sigaction){.sa_handler = end_soon, .sa_flags = SA_RESTART}, NULL);
    prctl(PR_SET_PDEATHSIG, SIGUSR2);
    if (getppid() != master_pid) raise(SIGUSR2); /* it went before prctl */
}

static bool begin(struct process *process, struct error *error_r) {
    const struct process_start *start = process->start;
    struct worker *worker = &process->worker;
    struct net_settings net = settings_of_net(start->config);
    if (!worker_init(worker, process->loop, start->config, start->master->source, start->generation, error_r))
        return false;
    process->router = router_new(worker, &process->health);
    net.inbound = worker->inbound;
    worker->net = net_server_new(process->loop, start->listen_fd, &net, &router_events, process->router, error_r);
    if (!worker->net) {
        router_free(&process->router);
        worker_done(worker, 0);
        return false;
    }
    health_init(&process->health, worker, settled, process);
    drain_init(&process->drain, worker, &drain_events, process);
    process->link = loop_fd_new(process->loop, start->link, LOOP_READ, link_ready, process);
    loop_timer_init(&process->alive, process->loop, tell_alive);
    loop_timer_set(&process->alive, 1);
    return true;
}

static void end(struct process *process) {
    health_done(&process->health);
    drain_done(&process->drain);
    loop_timer_cancel(&process->alive);
    loop_fd_free(&process->link);
    router_free(&process->router);
    net_server_free(&process->worker.net);
    worker_done(&process->worker, STORE_CLOSE_MS);
    loop_free(&process->loop);
}

int process_run(const struct process_start *start) {
    struct process process = {.start = start, .listen_fd = start->listen_fd};
    struct error error = {{0}};
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
