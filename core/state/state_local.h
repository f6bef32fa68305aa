/* SPDX-License-Identifier: Apache-2.0 */
/* state_local.h - the state of a single worker. */
#ifndef STATE_STATE_LOCAL_H
#define STATE_STATE_LOCAL_H

struct loop;
struct state;

struct state *state_local_new(struct loop *loop);

#endif
