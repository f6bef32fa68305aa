/* SPDX-License-Identifier: Apache-2.0 */
/* sqlite_scene.h - for tests of the SQLite file: a folder with one in it, and looks at it from outside. */
#ifndef TESTS_SQLITE_SCENE_H
#define TESTS_SQLITE_SCENE_H

#include "support/store_asking.h"

/* A folder with one database in it, and who asks it. */
struct scene {
    char folder[64], path[96];
    struct asking asking;
};

/* With these a test gets a scene, which is still without a store, and leaves no file. */
int scene_set_up(void **state);
int scene_tear_down(void **state);
#define SCENE_TEST(name) cmocka_unit_test_setup_teardown(name, scene_set_up, scene_tear_down)

void scene_open(struct scene *scene);
void scene_close(struct scene *scene);
/* Opening fails with these words, and the path. */
void expect_refused(struct scene *scene, const char *words);
/* Opens the store and puts a channel into it. */
void make_hall(struct scene *scene);
/* Messages first to last, each with its number as id; the last answer. */
struct answer *say(struct scene *scene, int first, int last);
/* The path with a suffix; good for four calls. */
char *beside(struct scene *scene, const char *suffix);

/* The store is closed. */
int64_t number_of(struct scene *scene, const char *sql);
void execute(struct scene *scene, const char *sql);

#endif
