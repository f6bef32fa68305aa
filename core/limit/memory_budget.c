/* SPDX-License-Identifier: Apache-2.0 */
#include "limit/memory_budget.h"

#include <stdlib.h>

struct memory_budget {
    struct list holders; /* in the order in which they began */
    size_t bytes, max_bytes;
};

struct memory_budget *memory_budget_new(size_t max_bytes) {
    struct memory_budget *budget = NEW(struct memory_budget);
    list_init(&budget->holders);
    budget->max_bytes = max_bytes;
    return budget;
}

void memory_budget_free(struct memory_budget **budget) {
    free(*budget);
    *budget = NULL;
}

void holder_init(struct holder *holder, void (*cut)(struct holder *holder)) {
    *holder = (struct holder){.cut = cut};
    list_init(&holder->link);
}

void holder_join(struct holder *holder, struct share *share) {
    if (holder->share) holder->share->bytes -= holder->bytes;
    holder->share = share;
    if (share) share->bytes += holder->bytes;
}

static size_t together(const struct holder *holder) {
    return holder->share ? holder->share->bytes : holder->bytes;
}

/* Among equals the later one wins. */
static bool holds_more(const struct holder *holder, const struct holder *than) {
    if (together(holder) != together(than)) return together(holder) > together(than);
    return holder->bytes >= than->bytes;
}

static void record(struct memory_budget *budget, struct holder *holder, size_t bytes) {
    budget->bytes = budget->bytes - holder->bytes + bytes;
    if (holder->share) holder->share->bytes = holder->share->bytes - holder->bytes + bytes;
    if (bytes == 0)
        list_remove(&holder->link);
    else if (holder->bytes == 0)
        list_append(&budget->holders, &holder->link);
    holder->bytes = bytes;
}

static struct holder *largest(const struct memory_budget *budget) {
    struct holder *found = NULL;
    LIST_EACH(&budget->holders, link) {
        struct holder *holder = CONTAINER(link, struct holder, link);
        if (!found || holds_more(holder, found)) found = holder;
    }
    return found;
}

static void shed(struct memory_budget *budget) {
    while (budget->bytes > budget->max_bytes) {
        struct holder *holder = largest(budget);
        record(budget, holder, 0);
        holder->cut(holder);
    }
}

void memory_budget_set_max(struct memory_budget *budget, size_t max_bytes) {
    budget->max_bytes = max_bytes;
    shed(budget);
}

void memory_budget_hold(struct memory_budget *budget, struct holder *holder, size_t bytes) {
    if (!budget || holder->bytes == bytes) return;
    record(budget, holder, bytes);
    shed(budget);
}
