/* SPDX-License-Identifier: Apache-2.0 */
/* memory_budget.h - a bound on the bytes that many holders have together. Beyond it, the largest holder is cut off.
 *
 * For work that peers have begun and not ended. Holders of one share (an address) are counted together: the largest
 * holder of the largest share is cut. A holder without a share counts as a share of its own. Among equals the latest is
 * cut, so that those that are nearly done stay. Small holders, the honest ones in an attack, stay longest.
 */
#ifndef LIMIT_MEMORY_BUDGET_H
#define LIMIT_MEMORY_BUDGET_H

#include "base/list.h"

struct memory_budget;

/* The bytes of several holders together; must outlive them. {0} at first. */
struct share {
    size_t bytes;
};

/* Embedded in the owner of the bytes. cut must release them all; the budget has already subtracted them. */
struct holder {
    struct list link;
    size_t bytes;
    struct share *share; /* NULL: none */
    void (*cut)(struct holder *holder);
};

struct memory_budget *memory_budget_new(size_t max_bytes);
/* Its holders must hold nothing. */
void memory_budget_free(struct memory_budget **budget);
void memory_budget_set_max(struct memory_budget *budget, size_t max_bytes);
void holder_init(struct holder *holder, void (*cut)(struct holder *holder));
/* Moves the holder and its bytes to that share (NULL: none). */
void holder_join(struct holder *holder, struct share *share);
/* Sets the holder's bytes; 0: none. May call cut, also of this holder. budget NULL: no bound. */
void memory_budget_hold(struct memory_budget *budget, struct holder *holder, size_t bytes);

#endif
