/* SPDX-License-Identifier: Apache-2.0 */
#include "master/master.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/metrics.h"
#include "base/monotonic.h"
#include "config/config.h"
#include "config/doubts.h"
#include "config/fingerprint.h"
#include "master/child.h"
#include "master/control_socket.h"
#include "master/rollout.h"
#include "net/handover.h"
#include "net/server.h"
#include "net/tickets.h"
#include "process/listen.h"
#include "process/log_file.h"
#include "process/master_messages.h"
#include "process/privileges.h"
#include "process/process_limits.h"
#include "process/startup.h"
#include "process/systemd.h"
#include "process/worker_slots.h"
#include "wire/json.h"
#include "worker/server_state.h"
#include "worker/settings.h"
#include "worker/worker.h"
#include "worker/worker_process.h"

enum { EXIT_CONFIG = 2, END_MS = 2000 };

struct master {
    const struct startup *start;
    struct config *config;  /* in force; what a new worker gets */
    struct config *started; /* as the server started: in force for keys that need a restart */
    struct buffer restart;  /* the keys that have changed since and need one: JSON texts, with commas */
    struct config *next;    /* the workers prepare it; NULL: no reload in progress, or decided already */
    bool reload_wanted;
    struct rollout rollout;
    unsigned generation;
    char reload_error[512]; /* of the last reload; "" */
    struct worker_slots *slots;
    struct child *children; /* one a place */
    struct pollfd *polls;
    int signal_fd;
    char address[4 * LISTEN_ADDRESS_MAX];
    struct tickets tickets; /* so that a TLS ticket of one worker is valid at all */
    struct control_socket *control;
    bool proven;   /* a worker was ready once, so the others may start */
    bool served;   /* all were */
    bool stopping; /* workers may end by themselves until kill_at_ms */
    bool stopped;
    uint64_t kill_at_ms;
    int status;
    pid_t pid;
};

static unsigned count_running(const struct master *master, bool ready) {
    unsigned n = 0;
    for (unsigned i = 0; i < worker_slots_len(master->slots); i++)
        n += master->children[i].pid != 0 && (!ready || master->children[i].ready);
    return n;
}

static void tell_all(struct master *master, enum master_message_kind kind) {
    for (unsigned i = 0; i < worker_slots_len(master->slots); i++)
        if (master->children[i].pid != 0) master_message_send(master->children[i].link, kind, 0, NULL);
}

/* ---- reload: the master reads the configuration, the workers prepare the generation; then all enact it, or none */

static void answer_reload(struct master *master, const char *result, struct slice answer) {
    metric_add_labelled(METRIC_RELOADS, result, 1);
    systemd_notify("READY=1");
    /* Commands that came meanwhile wait for the next reload. */
    if (!master->reload_wanted) control_socket_answer(master->control, answer);
}

static void reload_failed(void *owner, const char *reason) {
    struct master *master = owner;
    struct buffer answer = {0};
    config_unref(&master->next);
    snprintf(master->reload_error, sizeof master->reload_error, "%s", reason);
    LOG_ALWAYS(LOG_ERROR, "reload.failed", LOG_TEXT("error", reason));
    buffer_printf(&answer, "error %s\n", reason);
    answer_reload(master, "failed", buffer_slice(&answer));
    buffer_done(&answer);
}

static void note_change(void *owner, const char *key, enum config_when when) {
    if (when != CONFIG_RESTART) LOG_ALWAYS(LOG_INFO, "reload.changed", LOG_TEXT("key", key));
}

static void note_restart(void *owner, const char *key, enum config_when when) {
    struct buffer *keys = owner;
    if (when != CONFIG_RESTART) return;
    LOG_ALWAYS(LOG_WARNING, "reload.restart_needed", LOG_TEXT("key", key));
    buffer_printf(keys, "%s\"%s\"", keys->len > 0 ? "," : "", key);
}

static void tell_changes(struct master *master) {
    config_each_change(master->config, master->next, note_change, NULL);
    buffer_clear(&master->restart);
    config_each_change(master->started, master->next, note_restart, &master->restart);
    doubts_tell(master->next);
}

static void reload_decided(void *owner) {
    struct master *master = owner;
    tell_changes(master);
    config_unref(&master->config);
    master->config = master->next;
    master->next = NULL;
    master->generation = master->rollout.generation;
    master->reload_error[0] = '\0';
    log_file_set_level(master->config);
}

static void reload_done(void *owner) {
    struct master *master = owner;
    struct buffer answer = {0};
    LOG_ALWAYS(LOG_INFO, "reload.done", LOG_NUMBER("generation", master->generation));
    buffer_printf(&answer, "ok generation=%u", master->generation);
    if (master->restart.len > 0) buffer_append_str(&answer, " restart_needed=");
    for (size_t i = 0; i < master->restart.len; i++)
        if (master->restart.ptr[i] != '"') buffer_append_char(&answer, master->restart.ptr[i]);
    buffer_append_char(&answer, '\n');
    answer_reload(master, "done", buffer_slice(&answer));
    buffer_done(&answer);
}

static const struct rollout_events reload_events = {reload_decided, reload_done, reload_failed};

/* Requests during a reload are answered by one more reload. Waits for starting workers. */
static void reload_begin(struct master *master) {
    unsigned ready = count_running(master, true);
    if (!master->reload_wanted || master->rollout.state != ROLLOUT_IDLE || master->stopping) return;
    if (ready == 0 || ready != count_running(master, false)) return;
    master->reload_wanted = false;
    struct error error;
    systemd_notify_reloading();
    master->next = master->start->source->read_config(master->start->config_path, master->start->sets,
                                                      master->start->sets_len, &error);
    if (!master->next) {
        reload_failed(master, error.text);
        return;
    }
    char fingerprint[CONFIG_FINGERPRINT_LEN + 1];
    config_fingerprint(master->next, fingerprint);
    rollout_begin(&master->rollout, master->generation + 1, fingerprint, monotonic_ms());
}

/* ---- the workers */

static void ready(struct master *master, struct child *child) {
    child->ready = true;
    for (unsigned i = 1; i < worker_slots_len(master->slots) && !master->proven; i++)
        master->children[i].start_at_ms = monotonic_ms();
    master->proven = true;
    if (master->served || count_running(master, true) < worker_slots_len(master->slots)) return;
    master->served = true;
    char metrics[4 * LISTEN_ADDRESS_MAX];
    worker_slots_metrics_addresses(master->slots, metrics, sizeof metrics);
    if (metrics[0]) LOG_ALWAYS(LOG_INFO, "server.metrics", LOG_TEXT("listen", metrics));
    LOG_ALWAYS(LOG_INFO, "server.ready", LOG_TEXT("listen", master->address), LOG_NUMBER("pid", getpid()));
    systemd_notify("READY=1");
}

/* systemd waits for that time, too. */
static void wait_longer(const struct master *master, const struct master_message *message) {
    char state[160];
    if (master->served) return;
    snprintf(state, sizeof state, "EXTEND_TIMEOUT_USEC=%lld\nSTATUS=%.64s: %u %%",
             (long long)master->config->start_timeout_s * 1000000, message->text, message->number);
    systemd_notify(state);
}

static void hear(struct master *master, struct child *child) {
    struct master_message message;
    while (child->link >= 0 && master_message_receive(child->link, &message) == MASTER_MESSAGE_READ) {
        child->heard_ms = monotonic_ms();
        if (message.kind == MASTER_MESSAGE_READY)
            ready(master, child);
        else if (message.kind == MASTER_MESSAGE_STARTING)
            wait_longer(master, &message);
        else if (message.kind == MASTER_MESSAGE_ALIVE)
            child->connections = message.number;
        else
            rollout_heard(&master->rollout, child, &message, child->heard_ms);
    }
}

static int run_worker(void *owner, struct child *child, int link) {
    struct master *master = owner;
    close(master->signal_fd);
    control_socket_abandon(&master->control);
    /* a worker sees its master's end by its link, unless another one holds it open */
    for (unsigned i = 0; i < worker_slots_len(master->slots); i++)
        if (master->children[i].link >= 0) close(master->children[i].link);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    metrics_take_place(1 + child->slot);
    return process_run(&(struct process_start){.startup = master->start,
                                               .config = master->config,
                                               .slots = master->slots,
                                               .slot = child->slot,
                                               .tickets = &master->tickets,
                                               .link = link,
                                               .generation = master->generation,
                                               .master_pid = master->pid});
}

static void start_child(struct master *master, struct child *child) {
    worker_slots_show(master->slots, child->slot, WORKER_SLOT_STARTING);
    if (child->caretaker >= 0)
        master_message_send(master->children[child->caretaker].link, MASTER_MESSAGE_RETURN, child->slot, NULL);
    child->caretaker = -1;
    tickets_advance(&master->tickets);
    child->start_timeout_ms = (uint64_t)master->config->start_timeout_s * 1000;
    if (!child_start(child, monotonic_ms(), run_worker, master))
        worker_slots_show(master->slots, child->slot, WORKER_SLOT_EMPTY);
}

/* Until it is replaced another worker accepts its connections. */
static void find_caretaker(struct master *master, struct child *child) {
    for (unsigned i = 0; i < worker_slots_len(master->slots) && child->caretaker < 0; i++) {
        const struct child *other = &master->children[i];
        if (other->ready && master_message_send(other->link, MASTER_MESSAGE_SERVE, child->slot, NULL))
            child->caretaker = (int)i;
    }
}

static void ended(struct master *master, struct child *child, int status) {
    hear(master, child); /* its last words */
    rollout_ended(&master->rollout, child, monotonic_ms());
    child_ended(child, monotonic_ms(), status);
    worker_slots_show(master->slots, child->slot, WORKER_SLOT_EMPTY);
    metrics_left(1 + child->slot);
    handover_discard(worker_slots_inbox(master->slots, child->slot));
    for (unsigned i = 0; i < worker_slots_len(master->slots); i++)
        if (master->children[i].caretaker == (int)child->slot) master->children[i].caretaker = -1;
    if (!master->proven && !master->stopping) {
        master->stopped = true;
        master->status = WIFEXITED(status) ? WEXITSTATUS(status) : 1;
    }
}

static void reap(struct master *master) {
    for (unsigned i = 0; i < worker_slots_len(master->slots); i++) {
        struct child *child = &master->children[i];
        int status;
        if (child->pid != 0 && waitpid(child->pid, &status, WNOHANG) == child->pid) ended(master, child, status);
    }
    if (master->stopping && count_running(master, false) == 0) master->stopped = true;
}

/* ---- the end */

static void stop(struct master *master) {
    if (!master->stopping) {
        LOG_ALWAYS(LOG_INFO, "server.stopping", LOG_NUMBER("timeout_s", master->config->drain.timeout_s));
        systemd_notify("STOPPING=1");
        master->kill_at_ms =
            monotonic_ms() + (uint64_t)(master->config->drain.timeout_s + master->config->drain.notice_s) * 1000;
    } else {
        master->kill_at_ms = monotonic_ms() + END_MS;
    }
    tell_all(master, master->stopping ? MASTER_MESSAGE_END : MASTER_MESSAGE_DRAIN);
    master->stopping = true;
    worker_slots_remove_names(master->slots);
    worker_slots_close_listening(master->slots); /* now only the workers hold copies */
}

static void cut(struct child *child) {
    if (child->pid == 0 || child->killed) return;
    LOG_ALWAYS(LOG_WARNING, "server.drain_cut", LOG_NUMBER("pid", child->pid));
    child_kill(child);
}

static void check_child(struct master *master, struct child *child) {
    uint64_t now = monotonic_ms();
    if (master->stopping) {
        if (now >= master->kill_at_ms) cut(child);
        return;
    }
    child_check(child, now);
    if (child->pid != 0) return;
    if (now < child->start_at_ms && child->ends > 0)
        find_caretaker(master, child);
    else if (now >= child->start_at_ms && master->rollout.state != ROLLOUT_PREPARING)
        start_child(master, child); /* with the generation in force; the decision follows soon */
}

static void check_deadlines(struct master *master) {
    rollout_check(&master->rollout, monotonic_ms());
    for (unsigned i = 0; i < worker_slots_len(master->slots); i++) check_child(master, &master->children[i]);
    reload_begin(master);
}

/* ---- signals and commands */

static void caught(struct master *master, int signal_number) {
    switch (signal_number) {
        case SIGHUP:
            master->reload_wanted = true;
            break;
        case SIGUSR1:
            if (!master->config->log_file) break;
            log_file_reopen(master->config->log_file);
            tell_all(master, MASTER_MESSAGE_LOGS);
            break;
        case SIGTERM:
        case SIGINT:
            stop(master);
            break;
        default: /* SIGCHLD: every turn looks. SIGUSR2 is for workers only: it must not end the master. */
            break;
    }
}

static void read_signals(struct master *master) {
    struct signalfd_siginfo signal;
    while (read(master->signal_fd, &signal, sizeof signal) == sizeof signal) caught(master, (int)signal.ssi_signo);
}

static void write_child(const struct child *child, struct buffer *out) {
    uint64_t now = monotonic_ms();
    buffer_printf(out, "{\"pid\":%d,\"ready\":%s,\"connections\":%u,\"upSeconds\":%llu,\"silentMs\":%llu}", child->pid,
                  child->ready ? "true" : "false", child->connections,
                  (unsigned long long)(now - child->started_ms) / 1000, (unsigned long long)(now - child->heard_ms));
}

/* One worker is "worker", several are "workers". */
static void write_status(const struct master *master, struct buffer *out) {
    unsigned len = worker_slots_len(master->slots);
    buffer_printf(out, "{\"pid\":%d,\"listen\":", getpid());
    json_write_string(out, slice_of(master->address));
    buffer_printf(out, ",\"status\":\"%s\"", server_state_word(master->slots));
    server_state_write_shards(master->slots, server_state_parts(master->started), ",\"shards\":", out);
    buffer_printf(out, ",\"generation\":%u,\"reloadError\":", master->generation);
    json_write_string(out, slice_of(master->reload_error));
    buffer_printf(out, ",\"restartNeeded\":[%.*s]", SLICE_ARG(buffer_slice(&master->restart)));
    buffer_append_str(out, len == 1 ? ",\"worker\":" : ",\"workers\":[");
    for (unsigned i = 0; i < len; i++) {
        if (i > 0) buffer_append_char(out, ',');
        write_child(&master->children[i], out);
    }
    buffer_append_str(out, len == 1 ? "}\n" : "]}\n");
}

static void command(void *owner, struct slice text, struct buffer *answer) {
    struct master *master = owner;
    if (slice_is(text, "reload") && !master->stopping)
        master->reload_wanted = true;
    else if (slice_is(text, "status"))
        write_status(master, answer);
    else
        buffer_append_str(answer, master->stopping ? "error the server is stopping\n" : "error no such command\n");
}

/* ---- start and loop */

static int take_signals(void) {
    sigset_t set;
    sigemptyset(&set);
    const int ours[] = {SIGHUP, SIGTERM, SIGINT, SIGUSR1, SIGUSR2, SIGCHLD};
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) sigaddset(&set, ours[i]);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

static bool open_places(struct master *master, struct error *error_r) {
    const struct config *config = master->config;
    struct error error;
    unsigned len = settings_workers(config);
    process_limits_doubt_descriptors(config);
    master->slots = worker_slots_new(len, config->listen.items, config->listen.len, (int)config->net.backlog, &error);
    if (!master->slots) {
        config_complain(config, "listen", error_r, "%s", error.text);
        return false;
    }
    const struct config_texts *metrics = &config->metrics.listen;
    if (metrics->len > 0 && !worker_slots_listen_for_metrics(master->slots, metrics->items, metrics->len,
                                                             (int)config->net.backlog, &error)) {
        config_complain(config, "metrics.listen", error_r, "%s", error.text);
        return false;
    }
    worker_slots_addresses(master->slots, master->address, sizeof master->address);
    metrics_share(1 + len);
    master->polls = NEW_ARRAY(struct pollfd, 1 + len + CONTROL_SOCKET_POLLS_MAX);
    master->children = NEW_ARRAY(struct child, len);
    for (unsigned i = 0; i < len; i++) child_init(&master->children[i], i, i == 0 ? monotonic_ms() : UINT64_MAX);
    rollout_init(&master->rollout, master->children, len, &reload_events, master);
    return true;
}

static bool begin(struct master *master, struct error *error_r) {
    const struct config *config = master->config;
    struct error error;
    log_file_set_level(config);
    if (!open_places(master, error_r)) return false;
    if (!privileges_drop(config->user, &error)) {
        config_complain(config, "user", error_r, "%s", error.text);
        return false;
    }
    if (!log_file_begin(config->log_file, &error)) {
        config_complain(config, "log_file", error_r, "%s", error.text);
        return false;
    }
    doubts_tell(config);
    if (config->control && config->control[0]) {
        master->control = control_socket_new(config->control, command, master, &error);
        if (!master->control) LOG_ALWAYS(LOG_WARNING, "control.unavailable", LOG_TEXT("error", error.text));
    }
    master->signal_fd = take_signals();
    return true;
}

static int timeout_ms(const struct master *master) {
    uint64_t now = monotonic_ms(), due = master->stopping ? master->kill_at_ms : rollout_due_ms(&master->rollout);
    for (unsigned i = 0; i < worker_slots_len(master->slots) && !master->stopping; i++) {
        uint64_t child_due = child_due_ms(&master->children[i]);
        if (child_due < due) due = child_due;
    }
    if (due <= now) return master->rollout.state == ROLLOUT_PREPARING ? 10 : 0;
    return due - now < 1000 ? (int)(due - now) : 1000;
}

static void turn(struct master *master) {
    unsigned len = worker_slots_len(master->slots);
    struct pollfd *polls = master->polls, *control_polls = polls + 1 + len;
    polls[0] = (struct pollfd){.fd = master->signal_fd, .events = POLLIN};
    for (unsigned i = 0; i < len; i++) polls[1 + i] = (struct pollfd){.fd = master->children[i].link, .events = POLLIN};
    size_t control_len = control_socket_poll(master->control, control_polls);
    if (poll(polls, 1 + len + control_len, timeout_ms(master)) < 0) return;
    read_signals(master);
    for (unsigned i = 0; i < len; i++) hear(master, &master->children[i]);
    reap(master);
    if (master->control) control_socket_step(master->control, control_polls, control_len);
}

static void end(struct master *master) {
    control_socket_answer(master->control, SLICE("error the server is stopping\n"));
    control_socket_free(&master->control);
    worker_slots_free(&master->slots);
    if (master->signal_fd >= 0) close(master->signal_fd);
    free(master->polls);
    free(master->children);
    config_unref(&master->next);
    config_unref(&master->config);
    config_unref(&master->started);
    buffer_done(&master->restart);
}

int master_run(const struct startup *start) {
    struct error error;
    struct master master = {.start = start, .generation = 1, .signal_fd = -1, .pid = getpid()};
    master.config = start->source->read_config(start->config_path, start->sets, start->sets_len, &error);
    if (master.config) master.started = config_ref(master.config);
    if (!master.config || !begin(&master, &error)) {
        fprintf(stderr, "%s\n", error.text);
        end(&master);
        return EXIT_CONFIG;
    }
    while (!master.stopped) {
        check_deadlines(&master);
        turn(&master);
    }
    if (master.proven) LOG_ALWAYS(LOG_INFO, "server.stopped", LOG_NUMBER("pid", getpid()));
    end(&master);
    return master.status;
}
