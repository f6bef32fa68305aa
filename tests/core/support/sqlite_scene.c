/* SPDX-License-Identifier: Apache-2.0 */
#include "support/sqlite_scene.h"

#include <sqlite3.h>
#include <unistd.h>

#include "store/sqlite/store_sqlite.h"

int scene_set_up(void **state) {
    struct scene *scene = NEW(struct scene);
    snprintf(scene->folder, sizeof(scene->folder), "/tmp/stoa-store-XXXXXX");
    assert_non_null(mkdtemp(scene->folder));
    snprintf(scene->path, sizeof(scene->path), "%s/stoa.db", scene->folder);
    asking_init(&scene->asking);
    *state = scene;
    return 0;
}

int scene_tear_down(void **state) {
    struct scene *scene = *state;
    asking_done(&scene->asking);
    const char *names[] = {"", "-wal", "-shm", ".incarnation", ".backup", ".backup-wal", ".backup.incarnation"};
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        char name[128];
        snprintf(name, sizeof(name), "%s%s", scene->path, names[i]);
        unlink(name);
    }
    assert_int_equal(rmdir(scene->folder), 0);
    free(scene);
    return 0;
}

void scene_open(struct scene *scene) {
    struct error error = {""};
    scene->asking.store = store_sqlite_new(scene->asking.loop, scene->path, NULL, &error);
    if (!scene->asking.store) fail_msg("%s", error.text);
}

void scene_close(struct scene *scene) {
    store_close(&scene->asking.store, 10000);
}

void expect_refused(struct scene *scene, const char *words) {
    struct error error = {""};
    struct store *store = store_sqlite_new(scene->asking.loop, scene->path, NULL, &error);
    assert_null(store);
    if (!strstr(error.text, words) || !strstr(error.text, scene->path)) fail_msg("%s: not in: %s", words, error.text);
}

void make_hall(struct scene *scene) {
    scene_open(scene);
    ASK(&scene->asking, STORE_CHANNEL_PUT, .channel_id = S("hall"));
}

struct answer *say(struct scene *scene, int first, int last) {
    struct answer *answer = NULL;
    for (int i = first; i <= last; i++) {
        char id[16];
        snprintf(id, sizeof(id), "m%d", i);
        answer = SAY(&scene->asking, "hall", "alice", id, id, "\"said\"");
        assert_status(answer, STORE_OK);
    }
    return answer;
}

char *beside(struct scene *scene, const char *suffix) {
    static char name[4][128];
    static unsigned next;
    char *out = name[next++ % 4];
    snprintf(out, sizeof(name[0]), "%s%s", scene->path, suffix);
    return out;
}

int64_t number_of(struct scene *scene, const char *sql) {
    sqlite3 *handle;
    sqlite3_stmt *row;
    assert_int_equal(sqlite3_open_v2(scene->path, &handle, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(handle, sql, -1, &row, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(row), SQLITE_ROW);
    int64_t number = sqlite3_column_int64(row, 0);
    sqlite3_finalize(row);
    sqlite3_close(handle);
    return number;
}

void execute(struct scene *scene, const char *sql) {
    sqlite3 *handle;
    assert_int_equal(sqlite3_open(scene->path, &handle), SQLITE_OK);
    assert_int_equal(sqlite3_exec(handle, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(handle);
}
