/* SPDX-License-Identifier: Apache-2.0 */
#include "master/child.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "process/master_messages.h"

enum { WAIT_FIRST_MS = 1000, LIVED_WELL_MS = 30000 };

void child_init(struct child *child, unsigned slot, uint64_t start_at_ms) {
    *child = (struct child){.slot = slot, .link = -1, .start_at_ms = start_at_ms, .caretaker = -1};
}

bool child_start(struct child *child, uint64_t now_ms, int (*run)(void *owner, struct child *child, int link),
                 void *owner) {
    int ends[2];
    child->start_at_ms = now_ms + WAIT_FIRST_MS;
    if (!master_message_pair(ends)) {
        LOG(LOG_ERROR, "worker.not_started", LOG_TEXT("error", strerror(errno)));
        return false;
    }
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[0]);
        exit(run(owner, child, ends[1]));
    }
    close(ends[1]);
    if (pid < 0) {
        LOG(LOG_ERROR, "worker.not_started", LOG_TEXT("error", strerror(errno)));
        close(ends[0]);
        return false;
    }
    child->pid = pid;
    child->link = ends[0];
    child->ready = child->killed = false;
    child->started_ms = child->heard_ms = now_ms;
    LOG_ALWAYS(LOG_INFO, "worker.started", LOG_NUMBER("pid", pid), LOG_NUMBER("worker", child->slot));
    return true;
}

/* Five ends within ten seconds are a storm; a worker that ran long enough ends it. */
static unsigned next_wait(struct child *child, uint64_t now_ms) {
    child->ends_ms[child->ends++ % CHILD_STORM] = now_ms;
    if (now_ms - child->started_ms >= LIVED_WELL_MS) return 0;
    if (child->wait_ms > 0) return child->wait_ms * 2 < CHILD_WAIT_MAX_MS ? child->wait_ms * 2 : CHILD_WAIT_MAX_MS;
    uint64_t fifth_last_ms = child->ends_ms[child->ends % CHILD_STORM];
    return child->ends >= CHILD_STORM && now_ms - fifth_last_ms < CHILD_STORM_MS ? WAIT_FIRST_MS : 0;
}

void child_ended(struct child *child, uint64_t now_ms, int status) {
    bool signalled = WIFSIGNALED(status);
    child->wait_ms = next_wait(child, now_ms);
    child->start_at_ms = now_ms + child->wait_ms;
    enum log_level level = status == 0 ? LOG_INFO : LOG_WARNING;
    LOG_ALWAYS(level, "worker.exited", LOG_NUMBER("pid", child->pid),
               LOG_NUMBER(signalled ? "signal" : "status", signalled ? WTERMSIG(status) : WEXITSTATUS(status)),
               LOG_NUMBER("wait_ms", child->wait_ms), LOG_NUMBER("worker", child->slot));
    close(child->link);
    child->link = -1;
    child->pid = 0;
    child->ready = false;
    child->connections = 0;
}

static uint64_t patience_ms(const struct child *child) {
    return child->ready ? CHILD_STUCK_MS : child->start_timeout_ms;
}

void child_kill(struct child *child) {
    if (child->pid == 0 || child->killed) return;
    kill(child->pid, SIGKILL);
    child->killed = true;
}

void child_check(struct child *child, uint64_t now_ms) {
    if (child->pid == 0 || child->killed || now_ms - child->heard_ms < patience_ms(child)) return;
    LOG_ALWAYS(LOG_ERROR, "worker.stuck", LOG_NUMBER("pid", child->pid),
               LOG_NUMBER("silent_ms", now_ms - child->heard_ms), LOG_NUMBER("worker", child->slot));
    child_kill(child);
}

uint64_t child_due_ms(const struct child *child) {
    if (child->pid == 0) return child->start_at_ms;
    return child->killed ? UINT64_MAX : child->heard_ms + patience_ms(child);
}
