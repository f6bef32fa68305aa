/* SPDX-License-Identifier: Apache-2.0 */
/* sqlite_scene.h - for tests of the SQLite file: a folder with a store, and access to the file from outside. */
#ifndef TESTS_SQLITE_SCENE_H
#define TESTS_SQLITE_SCENE_H

#include "support/store_asking.h"

/* A folder with one database, and the requests to it. */
struct scene {
    char folder[64], path[96];
    struct asking asking;
};

/* Fixture: a scene without an open store; removes all files at the end. */
int scene_set_up(void **state);
int scene_tear_down(void **state);
#define SCENE_TEST(name) cmocka_unit_test_setup_teardown(name, scene_set_up, scene_tear_down)

void scene_open(struct scene *scene);
void scene_close(struct scene *scene);
/* Opening must fail with an error that contains these words and the path. */
void expect_refused(struct scene *scene, const char *words);
/* Opens the store and creates a channel, "hall". */
void make_hall(struct scene *scene);
/* Sends messages first to last, each with its number as id; returns the last answer. */
struct answer *say(struct scene *scene, int first, int last);
/* The path with a suffix; the result is valid for four calls. */
char *beside(struct scene *scene, const char *suffix);

/* The first column of a query's first row; the store must be closed. */
int64_t number_of(struct scene *scene, const char *sql);
void execute(struct scene *scene, const char *sql);

#endif
