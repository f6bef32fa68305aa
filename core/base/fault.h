/* SPDX-License-Identifier: Apache-2.0 */
/* fault.h - planted faults that prove that the tests notice; only in builds with STOA_FAULTS.
 *
 * The environment variable STOA_FAULT names the active fault.
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
