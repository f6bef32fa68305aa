/* SPDX-License-Identifier: Apache-2.0 */
#include "limit/memory_budget.c"

#include "inside/inside.h"

size_t budget_bytes(const struct memory_budget *budget) {
    return budget->bytes;
}
