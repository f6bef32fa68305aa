/* SPDX-License-Identifier: Apache-2.0 */
#include "command/backup.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/wall_time.h"
#include "command/findings.h"
#include "store/sqlite/backup.h"

enum { EXIT_INTERRUPTED = 130 };

/* A running command. */
struct order {
    struct findings findings;
    const char *file;
    int signals; /* signalfd */
    bool interrupted;
};

/* Blocks signals; each step of the work checks for them. */
static int take_signals(void) {
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGHUP);
    sigprocmask(SIG_BLOCK, &ends, NULL);
    return signalfd(-1, &ends, SFD_NONBLOCK | SFD_CLOEXEC);
}

static bool goes_on(struct order *order) {
    struct signalfd_siginfo signal;
    if (read(order->signals, &signal, sizeof signal) == sizeof signal) order->interrupted = true;
    return !order->interrupted;
}

static bool copied(void *owner, int64_t pages, int64_t of) {
    struct order *order = owner;
    progress_show(&order->findings.progress, "%s: %" PRId64 " of %" PRId64 " pages, %d %%", order->file, pages, of,
                  of > 0 ? (int)(pages * 100 / of) : 0);
    return goes_on(order);
}

static bool is_wanted(void *owner) {
    return goes_on(owner);
}

static void order_init(struct order *order, const char *file) {
    findings_init(&order->findings, stderr, false);
    order->findings.is_wanted = is_wanted;
    order->findings.owner = order;
    order->file = file;
    order->signals = take_signals();
    order->interrupted = false;
}

/* Returns the exit status. */
static int order_done(struct order *order, bool good, const struct error *error) {
    findings_done(&order->findings);
    close(order->signals);
    if (good) return EXIT_SUCCESS;
    fprintf(stderr, "%s\n", error->text);
    return order->interrupted ? EXIT_INTERRUPTED : EXIT_FAILURE;
}

static void tell(const char *file) {
    struct sqlite_file_summary summary;
    struct stat size = {0};
    struct error error;
    char newest[WALL_TIME_MAX] = "-";
    if (stat(file, &size) != 0 || !sqlite_file_summarize(file, &summary, &error)) return;
    if (summary.newest_ms > 0) wall_time_write(newest, summary.newest_ms);
    printf("%s: %" PRId64 " messages in %" PRId64 " channels, the newest of %s, epoch %" PRId64 ", %" PRId64 " bytes\n",
           file, summary.messages, summary.channels, newest, summary.epoch, (int64_t)size.st_size);
}

static struct sqlite_backup how(struct order *order, const struct backup_order *asked) {
    return (struct sqlite_backup){.watcher = {copied, order},
                                  .verify = &order->findings.verify,
                                  .replace = asked->replace,
                                  .unsound = asked->unsound};
}

int backup_make(const struct backup_order *asked) {
    struct order order;
    struct error error;
    order_init(&order, asked->file);
    struct sqlite_backup backup = how(&order, asked);
    bool good = sqlite_backup(asked->path, asked->file, &backup, &error);
    int status = order_done(&order, good, &error);
    if (good && order.findings.verify.is_older)
        fprintf(stderr, "%s: older schema: only the file was checked, not its contents\n", asked->path);
    if (good) tell(asked->file);
    return status;
}

int backup_restore(const struct backup_order *asked) {
    struct order order;
    struct error error;
    struct sqlite_restored restored;
    order_init(&order, asked->path);
    struct sqlite_backup backup = how(&order, asked);
    bool good = sqlite_restore(asked->path, asked->file, &backup, &restored, &error);
    int status = order_done(&order, good, &error);
    if (good) {
        tell(asked->path);
        printf("restored from %s; epoch %s begins: clients that had seen later events are told to discard them\n",
               asked->file, restored.epoch);
        if (restored.kept)
            printf("what was there is kept as %s\nto go back: stoa restore %s\n", restored.kept, restored.kept);
    }
    free(restored.kept);
    return status;
}

int backup_begin_epoch(const char *path) {
    struct error error;
    char epoch[STORE_EPOCH_MAX];
    if (sqlite_begin_epoch(path, epoch, &error)) {
        printf("%s: epoch %s begins\n", path, epoch);
        return EXIT_SUCCESS;
    }
    fprintf(stderr, "%s\n", error.text);
    return EXIT_FAILURE;
}
