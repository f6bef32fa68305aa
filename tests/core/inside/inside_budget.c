/* SPDX-License-Identifier: Apache-2.0 */
#include "limit/budget.c"

#include "inside/inside.h"

size_t budget_bytes(const struct budget *budget) {
    return budget->bytes;
}
