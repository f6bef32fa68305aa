/* gossip_scene.h - workers that tell each other who is online, on a clock that stands still. For test_gossip*.c. */
#ifndef TESTS_GOSSIP_SCENE_H
#define TESTS_GOSSIP_SCENE_H

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

struct gossip_worker {
    struct presence *presence;
    struct bus *bus;
    struct presence_sync *presence_sync;
    struct buffer told;           /* "alice+ bob- ": who was told to come and go; of a large channel "=17 " */
    struct buffer lost;           /* of whom the store hears that he went */
    unsigned malformed, compared; /* compared: digests that were not what was heard */
};
extern struct gossip_worker workers[WORKERS];

void worker_begin(struct gossip_worker *worker);
/* Without a word to anybody. */
void worker_end(struct gossip_worker *worker);
int gossip_set_up(void **state);
int gossip_tear_down(void **state);
void come_to(struct gossip_worker *worker, const char *user, const char *connection, const char *channel);
/* To the lobby. */
void come(struct gossip_worker *worker, const char *user);
void go(struct gossip_worker *worker, const char *user);
bool say_status(struct gossip_worker *worker, const char *user, const char *status);
/* What the members there heard since the last question. */
const char *news(struct gossip_worker *worker);
/* Online in the lobby, as that worker sees it. */
size_t count(struct gossip_worker *worker);
bool sees(struct gossip_worker *worker, const char *user, const char *status);
void forget_news(void);
/* alice at one, bob at two, carol at three. */
void all_come(void);

#endif
