/* SPDX-License-Identifier: Apache-2.0 */
#include "store_scene.h"

static void waited(struct loop_timer *timer) {
    loop_stop(timer->loop);
}

void pass(struct asking *asking, unsigned ms) {
    struct loop_timer timer;
    loop_timer_init(&timer, asking->loop, waited);
    loop_timer_set(&timer, ms);
    loop_run(asking->loop);
    loop_timer_cancel(&timer);
}

void await(struct asking *asking, const struct answer *answer) {
    for (unsigned ms = 0; !answer->came; ms += 10) {
        if (ms > PATIENCE_MS) fail_msg("no answer within %d ms", PATIENCE_MS);
        pass(asking, 10); /* between two looks */
    }
}

void await_sql(struct asking *asking, const char *conninfo, const char *sql, const char *wanted) {
    for (unsigned ms = 0; strcmp(servers_sql(conninfo, sql), wanted) != 0; ms += 20) {
        if (ms > PATIENCE_MS) fail_msg("%s: not %s within %d ms", sql, wanted, PATIENCE_MS);
        pass(asking, 20); /* between two looks */
    }
}

struct store *open_with(struct scene *scene, const struct store_postgres_settings *settings) {
    struct error error = {""};
    struct store *store = store_postgres_new(scene->asking.loop, settings, &error);
    if (!store) fail_msg("%s", error.text);
    return store;
}

int set_up(void **state) {
    struct scene *scene = NEW(struct scene);
    asking_init(&scene->asking);
    assert_true(servers_find(&scene->servers, false, false));
    servers_clear(&scene->servers);
    servers_follow(&scene->servers);
    *state = scene;
    return 0;
}

int tear_down(void **state) {
    struct scene *scene = *state;
    asking_done(&scene->asking);
    free(scene);
    return 0;
}

const char *channel_on(int shard, unsigned n) {
    static char ids[4][16];
    static unsigned turn;
    struct shard_map *map = shard_map_new_even(3);
    char *id = ids[turn++ % 4];
    for (unsigned i = 0, found = 0; found <= n; i++) {
        snprintf(id, sizeof ids[0], "c%u", i);
        found += shard_map_find(map, slice_of(id)) == shard;
    }
    shard_map_unref(&map);
    return id;
}

void put_channel(struct asking *asking, const char *id) {
    assert_status(ASK(asking, STORE_CHANNEL_PUT, .channel_id = S(id)), STORE_OK);
}

struct answer *say_in(struct asking *asking, const char *channel, const char *name, int n) {
    char id[32];
    snprintf(id, sizeof id, "%s-%d", name, n);
    return SUBMIT(asking, STORE_APPEND, SAYING(channel, "alice", id, id, "\"said\""));
}

struct store_postgres_settings settings_of(struct scene *scene, bool bounced, bool replicated) {
    assert_true(servers_find(&scene->servers, bounced, replicated));
    return scene->servers.settings;
}
