/* SPDX-License-Identifier: Apache-2.0 */
/* state_driver.h - the interface that drivers implement. */
#ifndef STATE_STATE_DRIVER_H
#define STATE_STATE_DRIVER_H

#include "state/state.h"

struct map;

struct state_ops {
    void (*free)(struct state *state);
    unsigned (*workers)(const struct state *state);
    void (*each_other)(const struct state *state, void (*fn)(void *owner, struct slice worker_id), void *owner);
    void (*note_worker)(struct state *state, struct slice worker_id);
    bool (*is_gone)(const struct state *state, struct slice worker_id);
    void (*claim)(struct state *state, struct state_claim *claim, struct slice user_id, unsigned most);
    void (*release)(struct state *state, struct slice user_id);
};
struct state {
    const struct state_ops *ops;
};

#endif
