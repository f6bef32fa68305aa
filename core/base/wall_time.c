/* SPDX-License-Identifier: Apache-2.0 */
#include "base/wall_time.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { MILLISECONDS_AT = sizeof "0000-00-00T00:00:00." - 1 };

/* 0000-01-01 and 9999-12-31, to the last millisecond. */
static const int64_t EARLIEST_MS = -62167219200000, LATEST_MS = 253402300799999;

void wall_time_write(char *out, int64_t wall_ms) {
    if (wall_ms < EARLIEST_MS) wall_ms = EARLIEST_MS;
    if (wall_ms > LATEST_MS) wall_ms = LATEST_MS;
    int milliseconds = (int)(((wall_ms % 1000) + 1000) % 1000);
    time_t seconds = (time_t)((wall_ms - milliseconds) / 1000);
    /* Times come mostly in order: the second is written once. */
    static _Thread_local time_t written_seconds = -1;
    static _Thread_local char written[WALL_TIME_MAX];
    if (seconds != written_seconds) {
        struct tm utc;
        gmtime_r(&seconds, &utc);
        snprintf(written, sizeof written, "%04d-%02d-%02dT%02d:%02d:%02d.000Z", (utc.tm_year + 1900) % 10000,
                 (utc.tm_mon + 1) % 100, utc.tm_mday % 100, utc.tm_hour % 100, utc.tm_min % 100, utc.tm_sec % 100);
        written_seconds = seconds;
    }
    memcpy(out, written, MILLISECONDS_AT + sizeof "000Z");
    for (int i = 2; i >= 0; i--, milliseconds /= 10) out[MILLISECONDS_AT + i] = (char)('0' + milliseconds % 10);
}
