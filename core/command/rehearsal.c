/* SPDX-License-Identifier: Apache-2.0 */
#include "command/rehearsal.h"

#include "base/log.h"
#include "config/config.h"
#include "config/doubts.h"
#include "loop/loop.h"
#include "process/listen.h"
#include "process/log_file.h"
#include "process/privileges.h"
#include "process/process_limits.h"
#include "store/sqlite/store_sqlite.h"
#include "worker/settings.h"
#include "worker/worker.h"

static bool blame(const struct config *config, const char *key, const struct error *error, struct error *error_r) {
    config_complain(config, key, error_r, "%s", error->text);
    return false;
}

/* Checks what the master checks. */
static bool check_environment(const struct config *config, struct error *error_r) {
    struct error error;
    log_file_set_level(config);
    process_limits_doubt_descriptors(config);
    if (!listen_try(config->listen.items, config->listen.len, &error)) return blame(config, "listen", &error, error_r);
    const struct config_texts *metrics = &config->metrics.listen;
    if (metrics->len > 0 && !listen_try(metrics->items, metrics->len, &error))
        return blame(config, "metrics.listen", &error, error_r);
    if (!privileges_drop(config->user, &error)) return blame(config, "user", &error, error_r);
    if (!log_file_try(config->log_file, &error)) return blame(config, "log_file", &error, error_r);
    doubts_tell(config);
    if (config->control && config->control[0] && !listen_try_unix(config->control, &error))
        LOG_ALWAYS(LOG_WARNING, "control.unavailable", LOG_TEXT("error", error.text));
    return true;
}

static bool check_store(const struct config *config, struct error *error_r) {
    struct error error;
    if (settings_share_store(config) || store_sqlite_check(config->store.path, &error)) return true;
    return blame(config, "store.path", &error, error_r);
}

/* Without Redis, and with a store in memory: no side effects. Scripts still see the original configuration
 * (stoa.config). */
static void isolate(struct config *config) {
    config->redis.nodes.len = 0;
    config->store.driver = "sqlite";
    config->store.path = ":memory:";
}

/* Checks what a worker checks. */
static bool check_policy(struct config *config, const struct policy_source *source, struct error *error_r) {
    struct worker worker;
    struct loop *loop = loop_new();
    isolate(config);
    bool good = worker_init(&worker, loop, config, source, 1, NULL, NULL, error_r);
    if (good) worker_done(&worker, 1000);
    loop_free(&loop);
    return good;
}

const char *rehearsal_leaves_out(const struct config *config) {
    if (!settings_share_store(config)) return config->redis.nodes.len > 0 ? "; Redis was not asked" : "";
    return config->redis.nodes.len > 0 ? "; PostgreSQL and Redis were not asked" : "; PostgreSQL was not asked";
}

bool rehearse(struct config *config, const struct policy_source *source, struct error *error_r) {
    return check_environment(config, error_r) && settings_check(config, error_r) && check_store(config, error_r) &&
           check_policy(config, source, error_r);
}
