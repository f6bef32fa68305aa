/* budget.h - bytes that many hold and that together must not be more than so many: beyond, who holds most is cut off.
 *
 * For what peers have begun and not ended. Of equals the one that began last goes, so that those who are nearly done
 * stay; and the small, who are the honest ones in an attack, stay longest.
 */
#ifndef LIMIT_BUDGET_H
#define LIMIT_BUDGET_H

#include "base/list.h"

struct budget;

/* Embedded in who holds; cut: lets go of it all, as the budget already believes. */
struct holder {
    struct list link;
    size_t bytes;
    void (*cut)(struct holder *holder);
};

struct budget *budget_new(size_t max_bytes);
/* Its holders must hold nothing any more. */
void budget_free(struct budget **budget);
void budget_set_max(struct budget *budget, size_t max_bytes);
void holder_init(struct holder *holder, void (*cut)(struct holder *holder));
/* The holder holds so many bytes from now on, 0: none. May call cut, also of this one. No budget (NULL): no bound. */
void budget_hold(struct budget *budget, struct holder *holder, size_t bytes);

#endif
