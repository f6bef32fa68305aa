#include "base/wall_time.h"

#include <stdio.h>
#include <time.h>

/* 0000-01-01 and 9999-12-31, to the last millisecond. */
static const int64_t EARLIEST_MS = -62167219200000, LATEST_MS = 253402300799999;

void wall_time_write(char *out, int64_t wall_ms) {
    if (wall_ms < EARLIEST_MS) wall_ms = EARLIEST_MS;
    if (wall_ms > LATEST_MS) wall_ms = LATEST_MS;
    int milliseconds = (int)(((wall_ms % 1000) + 1000) % 1000);
    time_t seconds = (time_t)((wall_ms - milliseconds) / 1000);
    struct tm utc;
    gmtime_r(&seconds, &utc);
    snprintf(out, WALL_TIME_MAX, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", (utc.tm_year + 1900) % 10000,
             (utc.tm_mon + 1) % 100, utc.tm_mday % 100, utc.tm_hour % 100, utc.tm_min % 100, utc.tm_sec % 100,
             milliseconds);
}
