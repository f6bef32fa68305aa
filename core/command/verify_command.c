/* SPDX-License-Identifier: Apache-2.0 */
#include "command/verify_command.h"

#include <inttypes.h>
#include <stdlib.h>

#include "command/findings.h"
#include "config/config.h"
#include "store/postgres/epoch.h"
#include "store/postgres/verify.h"
#include "store/sqlite/verify.h"

enum { EXIT_UNSOUND = 1, EXIT_CONFIG = 2, EXIT_INCOMPLETE = 4, EXIT_USAGE = 64 };

static int end(struct findings *findings, bool whole, const struct error *error) {
    const struct verify *verify = &findings->verify;
    findings_done(findings);
    if (!whole) fprintf(stderr, "%s\n", error->text);
    if (verify->is_older)
        fprintf(stderr, "older schema: only the file was checked; the next start of the server migrates it\n");
    if (findings->json)
        printf("{\"channels\":%" PRIu64 ",\"events\":%" PRIu64 ",\"findings\":%" PRIu64 ",\"whole\":%s}\n",
               verify->channels, verify->events, verify->findings, whole ? "true" : "false");
    else
        printf("%s: %" PRIu64 " channels, %" PRIu64 " events, %" PRIu64 " findings\n",
               verify->findings ? "not sound"
               : whole          ? "sound"
                                : "not verified",
               verify->channels, verify->events, verify->findings);
    return !whole ? EXIT_INCOMPLETE : verify->findings ? EXIT_UNSOUND : EXIT_SUCCESS;
}

int verify_command_file(const char *path, bool json) {
    struct findings findings;
    struct error error;
    findings_init(&findings, stdout, json);
    findings.verify.thorough = true;
    bool whole = sqlite_verify(path, &findings.verify, &error);
    return end(&findings, whole, &error);
}

static bool is_shard(const struct config *config, long shard) {
    struct error error;
    if (shard < (long)config->postgres.shards.len) return true;
    config_complain(config, "postgres.shards", &error, "there is no shard %ld", shard);
    fprintf(stderr, "%s\n", error.text);
    return false;
}

/* The shards' conninfos; the caller frees the array. */
static const char **shards_of(const struct config *config) {
    size_t len = config->postgres.shards.len;
    const char **shards = NEW_ARRAY(const char *, len);
    for (size_t i = 0; i < len; i++) shards[i] = config->postgres.shards.items[i].write;
    return shards;
}

int verify_command_fleet(const struct config *config, long shard, bool json) {
    struct findings findings;
    struct error error;
    if (!is_shard(config, shard)) return EXIT_CONFIG;
    size_t len = config->postgres.shards.len;
    const char **shards = shards_of(config);
    findings_init(&findings, stdout, json);
    bool whole = postgres_verify(&(struct verify_fleet){config->postgres.global, shards, (unsigned)len, (int)shard},
                                 &findings.verify, &error);
    free(shards);
    return end(&findings, whole, &error);
}

int verify_command_begin_epoch(const struct config *config, long shard, bool global) {
    struct error error;
    char epoch[STORE_EPOCH_MAX], name[32] = "global";
    if (global == (shard >= 0)) {
        fputs("epoch begin: of which database? --shard N or --global\n", stderr);
        return EXIT_USAGE;
    }
    if (!is_shard(config, shard)) return EXIT_CONFIG;
    if (!global) snprintf(name, sizeof name, "shard %ld", shard);
    const char **shards = shards_of(config);
    bool good = postgres_begin_epoch(
        &(struct postgres_databases){config->postgres.global, shards, (unsigned)config->postgres.shards.len},
        global ? -1 : (int)shard, epoch, &error);
    free(shards);
    if (good)
        printf("%s: epoch %s begins\n", name, epoch);
    else
        fprintf(stderr, "%s: %s\n", name, error.text);
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
