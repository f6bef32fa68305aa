/* SPDX-License-Identifier: Apache-2.0 */
/* memory_budget.h - bytes that many hold and that together must not be more than so many: beyond, who holds most is cut
 * off.
 *
 * For what peers have begun and not ended. Those of one share (an address) hold together what they hold: of the share
 * that holds most the largest goes, and whoever is of no share is one of their own. Of equals the one that began last
 * goes, so that those who are nearly done stay; and the small, who are the honest ones in an attack, stay longest.
 */
#ifndef LIMIT_MEMORY_BUDGET_H
#define LIMIT_MEMORY_BUDGET_H

#include "base/list.h"

struct memory_budget;

/* What several hold together; outlives them. {0} at first. */
struct share {
    size_t bytes;
};

/* Embedded in who holds; cut: lets go of it all, as the budget already believes. */
struct holder {
    struct list link;
    size_t bytes;
    struct share *share; /* NULL: none */
    void (*cut)(struct holder *holder);
};

struct memory_budget *memory_budget_new(size_t max_bytes);
/* Its holders must hold nothing any more. */
void memory_budget_free(struct memory_budget **budget);
void memory_budget_set_max(struct memory_budget *budget, size_t max_bytes);
void holder_init(struct holder *holder, void (*cut)(struct holder *holder));
/* What it holds is of that share from now on (NULL: of none). */
void holder_join(struct holder *holder, struct share *share);
/* The holder holds so many bytes from now on, 0: none. May call cut, also of this one. No budget (NULL): no bound. */
void memory_budget_hold(struct memory_budget *budget, struct holder *holder, size_t bytes);

#endif
