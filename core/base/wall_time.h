/* SPDX-License-Identifier: Apache-2.0 */
/* wall_time.h - a point in time as people and JSON read it. */
#ifndef BASE_WALL_TIME_H
#define BASE_WALL_TIME_H

#include <stdint.h>

enum { WALL_TIME_MAX = 32 };
/* ISO 8601, UTC, milliseconds ("2026-11-25T08:30:00.123Z"); out holds WALL_TIME_MAX. Years 0 to 9999; times beyond are
 * clamped. */
void wall_time_write(char *out, int64_t wall_ms);

#endif
