/* SPDX-License-Identifier: Apache-2.0 */
/* log.h - structured lines on stderr (logfmt): time, level, a constant event name, key=value.
 *
 * Values are quoted and escaped, so that no peer can forge a line. A line that stderr does not take at once is dropped
 * and counted; logging never waits (SIGPIPE must be ignored, as loop_new does). One call site writes at most LOG_BURST
 * lines a second (errors and the lines that others wait for, LOG_ALWAYS, excepted); lines held back are counted in its
 * next line.
 *
 * Any thread may log: the loop's and those of SQLite (writer, reader, check). A lock protects lines and counts. A
 * process forks only while none of its other threads can log. Library threads (libpq's cancel, curl's resolver) run
 * none of our code.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR };
enum { LOG_BURST = 20 };

struct log_field {
    const char *key;
    enum { LOG_FIELD_TEXT, LOG_FIELD_NUMBER } kind;
    struct slice text;
    int64_t number;
};

/* One for each call site; static, zeroed. */
struct log_site {
    uint64_t second;
    unsigned written, held_back;
};

#define LOG_TEXT(key, str) ((struct log_field){key, LOG_FIELD_TEXT, slice_of(str), 0})
#define LOG_SLICE(key, s) ((struct log_field){key, LOG_FIELD_TEXT, s, 0})
#define LOG_NUMBER(key, n) ((struct log_field){key, LOG_FIELD_NUMBER, SLICE_NONE, (int64_t)(n)})

/* LOG(LOG_INFO, "session.close", LOG_TEXT("reason", "too_slow"), LOG_NUMBER("age_s", 31)); */
#define LOG(level, event, ...)                                                                           \
    do {                                                                                                 \
        static struct log_site log_site_here;                                                            \
        if (log_enabled(level))                                                                          \
            log_write(level, &log_site_here, event, (struct log_field[]){__VA_OPT__(__VA_ARGS__, ){0}}); \
    } while (0)
/* Neither rate-limited nor subject to the level. */
#define LOG_ALWAYS(level, event, ...) log_write(level, NULL, event, (struct log_field[]){__VA_OPT__(__VA_ARGS__, ){0}})

bool log_enabled(enum log_level level);
void log_set_level(enum log_level level);
/* Sets this worker's number, which ends each of its lines. */
void log_set_worker(unsigned worker);
/* "debug", "info", "warning", "error"; false: no such level. */
bool log_level_of(const char *name, enum log_level *level_r);
/* fields end with a NULL key; site may be NULL. */
void log_write(enum log_level level, struct log_site *site, const char *event, const struct log_field *fields);
/* Lines lost because stderr was full or broken. */
uint64_t log_dropped(void);
/* For tests: receives what would go to stderr; NULL restores stderr. One thread at a time calls the sink; it must not
 * log. */
void log_set_sink(void (*sink)(void *owner, struct slice line), void *owner);

#endif
