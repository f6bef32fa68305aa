/* SPDX-License-Identifier: Apache-2.0 */
/* presence_sync_scene.h - workers that exchange presence, on a clock that only the test moves. */
#ifndef TESTS_PRESENCE_SYNC_SCENE_H
#define TESTS_PRESENCE_SYNC_SCENE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "bus/bus.h"
#include "loop/loop.h"
#include "presence/presence.h"
#include "presence/presence_sync.h"
#include "presence/presence_sync_message.h"
#include "support/fake_bus.h"

enum { WORKERS = 3, TICK_MS = 200, GRACE_MS = 5000, SOON_MS = 1000 };

extern struct loop *scene_loop;
extern struct fake_ether ether;

struct sync_worker {
    struct presence *presence;
    struct bus *bus;
    struct presence_sync *presence_sync;
    struct buffer told;           /* "alice+ bob- ": who was reported online and offline; of a large channel "=17 " */
    struct buffer lost;           /* users whose going the store is told of */
    unsigned malformed, compared; /* malformed messages; digests that differed from what was received */
};
extern struct sync_worker workers[WORKERS];

void worker_begin(struct sync_worker *worker);
/* Ends the worker without notifying anybody. */
void worker_end(struct sync_worker *worker);
int presence_sync_set_up(void **state);
int presence_sync_tear_down(void **state);
void come_to(struct sync_worker *worker, const char *user, const char *connection, const char *channel);
/* Brings the user to the lobby. */
void come(struct sync_worker *worker, const char *user);
void go(struct sync_worker *worker, const char *user);
bool say_status(struct sync_worker *worker, const char *user, const char *status);
/* What the members there were told since the last call. */
const char *news(struct sync_worker *worker);
/* Users online in the lobby, as that worker sees it. */
size_t count(struct sync_worker *worker);
bool sees(struct sync_worker *worker, const char *user, const char *status);
void forget_news(void);
/* alice on worker one, bob on two, carol on three. */
void all_come(void);

#endif
