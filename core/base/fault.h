/* SPDX-License-Identifier: Apache-2.0 */
/* fault.h - faults that are planted to see whether the tests would notice: in builds with STOA_FAULTS only.
 *
 * STOA_FAULT in the environment names the one that is on.
 */
#ifndef BASE_FAULT_H
#define BASE_FAULT_H

#include <stdbool.h>

#ifdef STOA_FAULTS
#include <stdlib.h>
#include <string.h>
static inline bool fault_planted(const char *name) {
    const char *planted = getenv("STOA_FAULT");
    return planted && strcmp(planted, name) == 0;
}
#else
#define fault_planted(name) false
#endif

#endif
