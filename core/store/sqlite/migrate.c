/* SPDX-License-Identifier: Apache-2.0 */
/* A migration is a script of steps, each a transaction. A line "-- step" begins the next step; "-- slices of SELECT …"
 * begins a step that is repeated until it changes nothing, and the SELECT counts what is left. If the server ends
 * meanwhile, the next start continues: the file has the new version from the first step on (so older servers refuse
 * it), and until the last step a table, migration, holds the number of the next step. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/fault.h"
#include "base/log.h"
#include "base/monotonic.h"
#include "store/sqlite/db.h"
#include "store/sqlite/sqlite_internal.h"
#include "store/store_progress.h"

enum { STEPS_MAX = 32, TOLD_EVERY_MS = 5000, MACHINE_STEPS = 100000, SLOW_NS = 100000000 };

struct step {
    const char *sql;
    size_t len;
    const char *count; /* of slices: the SELECT, to the end of its line; else NULL */
    size_t count_len;
};

struct migration {
    struct sqlite_db *db;
    const struct store_progress *progress; /* NULL: progress is not reported */
    struct step steps[STEPS_MAX];
    unsigned steps_len, at;
    int64_t left, of; /* rows of the current step */
    int64_t told_ms;
};

static bool begins(const char *line, const char *word) {
    return strncmp(line, word, strlen(word)) == 0;
}

static void split(struct migration *migration, const char *sql) {
    migration->steps_len = 0;
    for (const char *line = sql; *line;) {
        const char *end = strchr(line, '\n'), *next = end ? end + 1 : line + strlen(line);
        bool slices = begins(line, "-- slices of ");
        if (line == sql || slices || begins(line, "-- step\n")) {
            if (migration->steps_len == STEPS_MAX) abort();
            struct step *step = &migration->steps[migration->steps_len++];
            *step = (struct step){.sql = line};
            if (slices) step->count = line + strlen("-- slices of ");
            if (slices) step->count_len = (size_t)(next - step->count);
        }
        struct step *step = &migration->steps[migration->steps_len - 1];
        step->len = (size_t)(next - step->sql);
        line = next;
    }
}

static unsigned percent(const struct migration *migration) {
    unsigned within = migration->of > 0 ? (unsigned)(100 * (migration->of - migration->left) / migration->of) : 0;
    return (migration->at * 100 + (within < 100 ? within : 100)) / migration->steps_len;
}

static void tell(struct migration *migration) {
    if (migration->progress) migration->progress->moved(migration->progress->owner, "migration", percent(migration));
    if ((int64_t)monotonic_ms() - migration->told_ms < TOLD_EVERY_MS) return;
    migration->told_ms = (int64_t)monotonic_ms();
    LOG_ALWAYS(LOG_INFO, "store.migrates", LOG_NUMBER("percent", percent(migration)));
}

/* Reports progress during long statements too. */
static int still_at_it(void *owner) {
    tell(owner);
    return 0;
}

static bool run(struct sqlite_db *db, const char *sql, size_t len) {
    char *text = memory_copy(sql, len);
    bool good = sqlite3_exec(db->handle, text, NULL, NULL, NULL) == SQLITE_OK;
    free(text);
    return good;
}

static bool execute(struct sqlite_db *db, const char *sql) {
    return run(db, sql, strlen(sql));
}

static bool commit(struct migration *migration) {
    if (!execute(migration->db, "COMMIT")) return false;
    db_checkpoint(migration->db, NULL);
    tell(migration);
    if (fault_planted("slow_migration")) nanosleep(&(struct timespec){.tv_nsec = SLOW_NS}, NULL);
    while (fault_planted("stuck_migration")) nanosleep(&(struct timespec){.tv_nsec = SLOW_NS}, NULL);
    return true;
}

static bool run_slices(struct migration *migration, const struct step *step) {
    char *count = memory_copy(step->count, step->count_len);
    migration->left = migration->of = sqlite_number(migration->db->handle, count);
    free(count);
    for (int changed = -1; changed != 0;) {
        if (!execute(migration->db, "BEGIN IMMEDIATE") || !run(migration->db, step->sql, step->len)) return false;
        changed = sqlite3_changes(migration->db->handle);
        migration->left -= changed;
        if (!commit(migration)) return false;
    }
    migration->of = 0;
    return true;
}

/* The first step creates the note of the progress, the last one removes it. */
static bool note(struct migration *migration, int64_t version) {
    char sql[128];
    bool is_last = migration->at + 1 == migration->steps_len;
    if (migration->at == 0) {
        snprintf(sql, sizeof sql, "PRAGMA user_version = %lld", (long long)version + 1);
        if (!execute(migration->db, sql)) return false;
        if (is_last) return true;
        if (!execute(migration->db, "CREATE TABLE migration (step INTEGER NOT NULL); INSERT INTO migration VALUES (1)"))
            return false;
    }
    snprintf(sql, sizeof sql, "UPDATE migration SET step = %u", migration->at + 1);
    return execute(migration->db, is_last ? "DROP TABLE migration" : sql);
}

static bool run_step(struct migration *migration, int64_t version) {
    const struct step *step = &migration->steps[migration->at];
    if (step->count && !run_slices(migration, step)) return false;
    return execute(migration->db, "BEGIN IMMEDIATE") && (step->count || run(migration->db, step->sql, step->len)) &&
           note(migration, version) && commit(migration);
}

static bool run_all(struct migration *migration, int64_t version, int64_t known, unsigned first) {
    for (; version < known; version++, first = 0) {
        split(migration, sqlite_migrations[version]);
        for (migration->at = first; migration->at < migration->steps_len; migration->at++)
            if (!run_step(migration, version)) return false;
    }
    return true;
}

/* The next step of an interrupted migration; -1: none was interrupted. False: the note cannot be read. */
static bool read_note(struct sqlite_db *db, int64_t *step_r) {
    int64_t notes = sqlite_number(db->handle, "SELECT count(*) FROM sqlite_schema WHERE name = 'migration'");
    *step_r = notes > 0 ? sqlite_number(db->handle, "SELECT step FROM migration") : -1;
    return notes == 0 || *step_r >= 0;
}

bool sqlite_migrate(struct sqlite_db *db, int64_t version, const struct store_progress *progress) {
    struct migration migration = {.db = db, .progress = progress, .told_ms = (int64_t)monotonic_ms()};
    int64_t known = 0, step;
    if (!read_note(db, &step)) return false;
    while (sqlite_migrations[known]) known++;
    if (step >= 0) version--;
    if (version && version < known)
        LOG(LOG_INFO, "store.migrates", LOG_NUMBER("from", version), LOG_NUMBER("to", known),
            LOG_NUMBER("step", step < 0 ? 0 : step));
    sqlite3_progress_handler(db->handle, MACHINE_STEPS, still_at_it, &migration);
    bool good = run_all(&migration, version, known, step < 0 ? 0 : (unsigned)step);
    sqlite3_progress_handler(db->handle, 0, NULL, NULL);
    return good;
}
