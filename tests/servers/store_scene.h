/* SPDX-License-Identifier: Apache-2.0 */
/* store_scene.h - a store over real PostgreSQL servers, used as a worker uses it. */
#ifndef TESTS_STORE_SCENE_H
#define TESTS_STORE_SCENE_H

#include <inttypes.h>
#include "base/log.h"
#include "base/metrics.h"
#include "store/shard_map.h"
#include "support/postgres_servers.h"
#include "support/store_asking.h"

enum { PATIENCE_MS = 30000, DEADLINE_MS = 5000 };

struct scene {
    struct asking asking;
    struct servers servers;
};

/* Runs the loop for that time. */
void pass(struct asking *asking, unsigned ms);

void await(struct asking *asking, const struct answer *answer);

/* Repeats the query until it has the wanted answer. */
void await_sql(struct asking *asking, const char *conninfo, const char *sql, const char *wanted);

struct store *open_with(struct scene *scene, const struct store_postgres_settings *settings);

int set_up(void **state);

int tear_down(void **state);

/* The n-th channel id that an even map puts on that shard. Valid until the call after the next. */
const char *channel_on(int shard, unsigned n);

void put_channel(struct asking *asking, const char *id);

/* A message with client id and message id NAME-n. */
struct answer *say_in(struct asking *asking, const char *channel, const char *name, int n);

struct store_postgres_settings settings_of(struct scene *scene, bool bounced, bool replicated);

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
