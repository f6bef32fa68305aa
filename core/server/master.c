#include "server/master.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "config/config.h"
#include "server/child.h"
#include "server/control.h"
#include "server/listen.h"
#include "server/notice.h"
#include "server/process.h"
#include "server/systemd.h"
#include "wire/json.h"

enum { EXIT_CONFIG = 2, RELOAD_MS = 60000, END_MS = 2000, DESCRIPTORS_SPARE = 128 };

struct master {
    const struct master_start *start;
    struct config *config; /* in force; what a new worker gets */
    struct config *next;   /* the worker builds it; NULL: no reload is under way */
    bool reload_wanted;
    uint64_t reload_until_ms;
    unsigned generation;
    char reload_error[512]; /* of the last reload; "" */
    int listen_fd, signal_fd;
    char address[LISTEN_ADDRESS_MAX];
    struct child child;
    struct control *control;
    bool served;   /* a worker was ready once */
    bool stopping; /* until kill_at_ms the worker may end by itself */
    bool stopped;
    uint64_t kill_at_ms;
    int status;
    pid_t pid;
};

static uint64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ---- reload: the master reads the configuration, the worker builds the generation, then both have it */

static void reload_end(struct master *master, const char *error) {
    struct buffer answer = {0};
    if (error) {
        config_unref(&master->next);
        snprintf(master->reload_error, sizeof master->reload_error, "%s", error);
        LOG_ALWAYS(LOG_ERROR, "reload.failed", LOG_TEXT("error", error));
        buffer_printf(&answer, "error %s\n", error);
    } else {
        config_unref(&master->config);
        master->config = master->next;
        master->next = NULL;
        master->reload_error[0] = '\0';
        LOG_ALWAYS(LOG_INFO, "reload.done", LOG_NUMBER("generation", master->generation));
        buffer_printf(&answer, "ok generation=%u\n", master->generation);
    }
    systemd_notify("READY=1");
    /* Whoever asked meanwhile waits for the one that follows. */
    if (!master->reload_wanted) control_answer(master->control, buffer_slice(&answer));
    buffer_done(&answer);
}

/* Requests that come while one is under way are answered by one more. */
static void reload_begin(struct master *master) {
    if (!master->reload_wanted || master->next || !master->child.ready || master->stopping) return;
    master->reload_wanted = false;
    struct error error;
    systemd_notify_reloading();
    master->next = master->start->source->read_config(master->start->config_path, master->start->sets,
                                                      master->start->sets_len, &error);
    if (!master->next)
        reload_end(master, error.text);
    else if (!notice_send(master->child.link, NOTICE_RELOAD, master->generation + 1, NULL))
        reload_end(master, "the worker does not listen");
    else
        master->reload_until_ms = now_ms() + RELOAD_MS;
}

/* ---- the worker */

static void apply_log_level(const struct config *config) {
    enum log_level level;
    if (log_level_of(config->log_level, &level)) log_set_level(level);
}

static void heard(struct master *master, const struct notice *notice) {
    struct child *child = &master->child;
    child->heard_ms = now_ms();
    switch (notice->kind) {
        case NOTICE_READY:
            child->ready = true;
            if (master->served) break;
            master->served = true;
            LOG_ALWAYS(LOG_INFO, "server.ready", LOG_TEXT("listen", master->address), LOG_NUMBER("pid", getpid()));
            systemd_notify("READY=1");
            break;
        case NOTICE_ALIVE:
            child->connections = notice->number;
            break;
        case NOTICE_RELOADED:
            if (!master->next) break;
            master->generation = notice->number;
            reload_end(master, NULL);
            apply_log_level(master->config);
            break;
        case NOTICE_REFUSED:
            if (master->next) reload_end(master, notice->text);
            break;
        default:
            break;
    }
}

static void hear(struct master *master) {
    struct notice notice;
    while (master->child.link >= 0 && notice_receive(master->child.link, &notice) == NOTICE_READ)
        heard(master, &notice);
}

static int run_worker(void *owner, int link) {
    struct master *master = owner;
    close(master->signal_fd);
    control_abandon(&master->control);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    return process_run(&(struct process_start){.master = master->start,
                                               .config = master->config,
                                               .listen_fd = master->listen_fd,
                                               .link = link,
                                               .generation = master->generation,
                                               .master_pid = master->pid});
}

static void reap(struct master *master) {
    int status;
    struct child *child = &master->child;
    if (child->pid == 0 || waitpid(child->pid, &status, WNOHANG) != child->pid) return;
    hear(master); /* its last words */
    child_ended(child, now_ms(), status);
    if (master->next) reload_end(master, "the worker ended");
    if (master->stopping || !master->served) {
        master->stopped = true;
        if (!master->served && !master->stopping) master->status = WIFEXITED(status) ? WEXITSTATUS(status) : 1;
    }
}

/* ---- the end */

static void stop(struct master *master) {
    struct child *child = &master->child;
    if (!master->stopping) {
        LOG_ALWAYS(LOG_INFO, "server.stopping", LOG_NUMBER("timeout_s", master->config->drain.timeout_s));
        systemd_notify("STOPPING=1");
        master->kill_at_ms =
            now_ms() + (uint64_t)(master->config->drain.timeout_s + master->config->drain.notice_s) * 1000;
    } else {
        master->kill_at_ms = now_ms() + END_MS;
    }
    if (child->pid == 0)
        master->stopped = true;
    else
        notice_send(child->link, master->stopping ? NOTICE_END : NOTICE_DRAIN, 0, NULL);
    master->stopping = true;
    if (master->listen_fd >= 0) close(master->listen_fd); /* the worker's is the last one now */
    master->listen_fd = -1;
}

static void check_deadlines(struct master *master) {
    uint64_t now = now_ms();
    struct child *child = &master->child;
    if (master->stopping) {
        if (child->pid != 0 && now >= master->kill_at_ms && !child->killed) {
            LOG_ALWAYS(LOG_WARNING, "server.drain_cut", LOG_NUMBER("pid", child->pid));
            kill(child->pid, SIGKILL);
            child->killed = true;
        }
        return;
    }
    child_check(child, now);
    if (master->next && now >= master->reload_until_ms) reload_end(master, "the worker did not answer");
    if (child->pid == 0 && now >= child->start_at_ms && !child_start(child, now, run_worker, master))
        master->reload_wanted = false;
    reload_begin(master);
}

/* ---- signals and commands */

static void open_log(const char *path) {
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);
    if (fd < 0) {
        LOG_ALWAYS(LOG_ERROR, "log.not_opened", LOG_TEXT("file", path), LOG_TEXT("error", strerror(errno)));
        return;
    }
    dup2(fd, STDERR_FILENO);
    close(fd);
}

static void caught(struct master *master, int signal_number) {
    switch (signal_number) {
        case SIGHUP:
            master->reload_wanted = true;
            break;
        case SIGUSR1:
            if (!master->config->log_file) break;
            open_log(master->config->log_file);
            if (master->child.pid) notice_send(master->child.link, NOTICE_LOGS, 0, NULL);
            break;
        case SIGTERM:
        case SIGINT:
            stop(master);
            break;
        default: /* SIGCHLD: every turn looks */
            break;
    }
}

static void read_signals(struct master *master) {
    struct signalfd_siginfo signal;
    while (read(master->signal_fd, &signal, sizeof signal) == sizeof signal) caught(master, (int)signal.ssi_signo);
}

static void write_status(const struct master *master, struct buffer *out) {
    const struct child *child = &master->child;
    buffer_printf(out, "{\"pid\":%d,\"listen\":\"%s\",\"generation\":%u,\"reloadError\":", getpid(), master->address,
                  master->generation);
    json_write_string(out, slice_of(master->reload_error));
    buffer_printf(
        out, ",\"worker\":{\"pid\":%d,\"ready\":%s,\"connections\":%u,\"upSeconds\":%llu,\"silentMs\":%llu}}\n",
        child->pid, child->ready ? "true" : "false", child->connections,
        (unsigned long long)(now_ms() - child->started_ms) / 1000, (unsigned long long)(now_ms() - child->heard_ms));
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

static bool set_user(const char *name, struct error *error_r) {
    if (!name || geteuid() != 0) return true;
    const struct passwd *user = getpwnam(name);
    if (!user) {
        error_set(error_r, "no user \"%s\"", name);
        return false;
    }
    bool done = initgroups(name, user->pw_gid) == 0 && setgid(user->pw_gid) == 0 && setuid(user->pw_uid) == 0;
    if (done && (user->pw_uid == 0 || setuid(0) != 0)) return true;
    error_set(error_r, "cannot become \"%s\": %s", name, done ? "root would stay in reach" : strerror(errno));
    return false;
}

static void raise_descriptors(const struct config *config) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < (rlim_t)config->limits.connections + DESCRIPTORS_SPARE)
        LOG_ALWAYS(LOG_WARNING, "server.few_descriptors", LOG_NUMBER("limit", limit.rlim_cur),
                   LOG_NUMBER("connections", config->limits.connections));
}

static int take_signals(void) {
    sigset_t set;
    sigemptyset(&set);
    const int ours[] = {SIGHUP, SIGTERM, SIGINT, SIGUSR1, SIGUSR2, SIGCHLD};
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) sigaddset(&set, ours[i]);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

static bool begin(struct master *master, struct error *error_r) {
    const struct config *config = master->config;
    struct error error;
    apply_log_level(config);
    if (config->log_file) open_log(config->log_file);
    raise_descriptors(config);
    master->listen_fd = listen_tcp(config->listen, (int)config->net.backlog, &error);
    if (master->listen_fd < 0) {
        config_complain(config, "listen", error_r, "%s", error.text);
        return false;
    }
    listen_address(master->listen_fd, master->address);
    if (!set_user(config->user, &error)) {
        config_complain(config, "user", error_r, "%s", error.text);
        return false;
    }
    if (config->control && config->control[0]) {
        master->control = control_new(config->control, command, master, &error);
        if (!master->control) LOG_ALWAYS(LOG_WARNING, "control.unavailable", LOG_TEXT("error", error.text));
    }
    master->signal_fd = take_signals();
    child_init(&master->child, now_ms());
    return true;
}

static int timeout_ms(const struct master *master) {
    uint64_t now = now_ms(), due = master->stopping ? master->kill_at_ms : child_due_ms(&master->child);
    if (master->next && master->reload_until_ms < due) due = master->reload_until_ms;
    if (due <= now) return 0;
    return due - now < 1000 ? (int)(due - now) : 1000;
}

static void turn(struct master *master) {
    struct pollfd polls[2 + CONTROL_POLLS_MAX] = {{.fd = master->signal_fd, .events = POLLIN},
                                                  {.fd = master->child.link, .events = POLLIN}};
    size_t len = control_poll(master->control, polls + 2);
    if (poll(polls, 2 + len, timeout_ms(master)) < 0) return;
    read_signals(master);
    hear(master);
    reap(master);
    if (master->control) control_step(master->control, polls + 2, len);
}

int master_run(const struct master_start *start) {
    struct error error;
    struct master master = {.start = start, .generation = 1, .listen_fd = -1, .signal_fd = -1, .pid = getpid()};
    master.config = start->source->read_config(start->config_path, start->sets, start->sets_len, &error);
    if (!master.config || !begin(&master, &error)) {
        fprintf(stderr, "%s\n", error.text);
        config_unref(&master.config);
        return EXIT_CONFIG;
    }
    while (!master.stopped) {
        check_deadlines(&master);
        turn(&master);
    }
    if (master.served) LOG_ALWAYS(LOG_INFO, "server.stopped", LOG_NUMBER("pid", getpid()));
    control_answer(master.control, SLICE("error the server is stopping\n"));
    control_free(&master.control);
    if (master.listen_fd >= 0) close(master.listen_fd);
    close(master.signal_fd);
    config_unref(&master.next);
    config_unref(&master.config);
    return master.status;
}
