/* SPDX-License-Identifier: Apache-2.0 */
/* Each kind of damage to a SQLite store that `stoa verify` must find, planted one at a time. */
#include <fcntl.h>
#include <unistd.h>

#include "store/sqlite/verify.h"
#include "store/verify.h"
#include "support/sqlite_scene.h"

enum { FOUND_MAX = 64, TEXT_MAX = 200 };

struct found {
    struct verify verify;
    unsigned len;
    struct {
        char kind[16], channel[16], text[TEXT_MAX];
        int64_t seq;
    } items[FOUND_MAX];
};

static void remember(void *owner, const struct verify_finding *finding) {
    struct found *found = owner;
    if (found->len == FOUND_MAX) return;
    snprintf(found->items[found->len].kind, sizeof found->items[0].kind, "%s", finding->kind);
    snprintf(found->items[found->len].channel, sizeof found->items[0].channel, "%.*s", SLICE_ARG(finding->channel_id));
    snprintf(found->items[found->len].text, TEXT_MAX, "%s", finding->text);
    found->items[found->len++].seq = finding->seq;
}

static bool go_on(void *owner, const struct verify *verify) {
    return true;
}

static void look(struct scene *scene, struct found *found) {
    struct error error = {""};
    *found = (struct found){.verify = {.found = remember, .moved = go_on, .thorough = true, .place = ""}};
    found->verify.owner = found;
    if (!sqlite_verify(scene->path, &found->verify, &error)) fail_msg("%s", error.text);
}

static void expect_found(const struct found *found, const char *kind, const char *channel, int64_t seq) {
    for (unsigned i = 0; i < found->len; i++)
        if (strcmp(found->items[i].kind, kind) == 0 && strcmp(found->items[i].channel, channel) == 0 &&
            (seq < 0 || found->items[i].seq == seq))
            return;
    for (unsigned i = 0; i < found->len; i++)
        print_message("%s %s %d: %s\n", found->items[i].kind, found->items[i].channel, (int)found->items[i].seq,
                      found->items[i].text);
    fail_msg("%s in %s at %d is not found", kind, channel, (int)seq);
}

/* hall: 1 to 5 messages, 6 an edit of 2, 7 a reaction to 3, 8 a reply in a thread, 9 a deletion of 4. attic: nothing.
 */
static void make_store(struct scene *scene) {
    struct asking *asking = &scene->asking;
    make_hall(scene);
    ASK(asking, STORE_CHANNEL_PUT, .channel_id = S("attic"));
    ASK(asking, STORE_MEMBER_PUT, .channel_id = S("hall"), .user_id = S("bob"), .member.role = S("member"));
    say(scene, 1, 5);
    ASK(asking, STORE_APPEND, .append.kind = STORE_EDIT, .channel_id = S("hall"), .user_id = S("alice"),
        .append.message_id = S("m2"), .append.content = S("\"edited\""));
    ASK(asking, STORE_APPEND, .append.kind = STORE_REACTION_ADD, .channel_id = S("hall"), .user_id = S("bob"),
        .append.message_id = S("m3"), .append.emoji = S("+1"));
    ASK(asking, STORE_APPEND, SAYING("hall", "bob", "reply", "m8", "\"a reply\""), .append.thread_id = S("m1"),
        .append.attachments = S("[1]"));
    ASK(asking, STORE_APPEND, .append.kind = STORE_DELETE, .channel_id = S("hall"), .user_id = S("alice"),
        .append.message_id = S("m4"));
    ASK(asking, STORE_READ_MARK, .channel_id = S("hall"), .user_id = S("bob"), .member.read_seq = 9);
    scene_close(scene);
    assert_int_equal(number_of(scene, "SELECT max(seq) FROM events"), 9);
}

static void a_sound_store_is_found_sound(void **state) {
    struct scene *scene = *state;
    struct found found;
    make_store(scene);
    look(scene, &found);
    for (unsigned i = 0; i < found.len; i++) print_message("%s: %s\n", found.items[i].kind, found.items[i].text);
    assert_int_equal(found.len, 0);
    assert_int_equal(found.verify.events, 9);
    assert_int_equal(found.verify.channels, 2);
}

static const struct damage {
    const char *sql, *kind, *channel;
    int64_t seq; /* -1: any */
} damages[] = {
    {"DELETE FROM messages WHERE message_seq = 5", "gap", "hall", 5},
    {"DELETE FROM changes WHERE seq IN (6, 7)", "gap", "hall", 6},
    {"DELETE FROM messages WHERE message_seq = 1", "gap", "hall", 1},
    {"UPDATE changes SET seq = 5 WHERE seq = 6", "double", "hall", 5},
    {"UPDATE channels SET min_seq = 100 WHERE channel_id = 'hall'", "head", "hall", 99},
    {"UPDATE channels SET min_seq = 3 WHERE channel_id = 'hall'", "floor", "hall", 1},
    {"UPDATE messages SET content = '\"sayd\"' WHERE message_seq = 3", "checksum", "hall", 3},
    {"UPDATE messages SET said = '\"sayd\"' WHERE message_seq = 2", "checksum", "hall", 2},
    {"UPDATE messages SET attachments = '[2]' WHERE message_seq = 8", "checksum", "hall", 8},
    {"UPDATE changes SET body = replace(body, 'edited', 'fdited') WHERE seq = 6", "checksum", "hall", 6},
    {"UPDATE messages SET epoch = 7 WHERE message_seq = 5", "epoch", "hall", 5},
    {"INSERT INTO epochs VALUES (2, 'ffffffff', 0); UPDATE messages SET epoch = 2 WHERE message_seq = 3", "epoch",
     "hall", 4},
    {"UPDATE changes SET kind = 9 WHERE seq = 6", "event", "hall", 6},
    {"UPDATE changes SET message_seq = 70 WHERE seq = 6", "event", "hall", 6},
    {"DELETE FROM messages WHERE message_seq = 3", "orphan", "hall", 7},
    {"DELETE FROM messages WHERE message_seq = 3; DELETE FROM changes WHERE seq = 7", "orphan", "hall", 3},
    {"INSERT INTO reactions VALUES ('hall', 5, '+1', 'eve', 8)", "orphan", "hall", 5},
    {"INSERT INTO reactions VALUES ('hall', 5000, '+1', 'eve', 8)", "orphan", "hall", 5000},
    {"INSERT INTO reactions VALUES ('cellar', 1, '+1', 'eve', 1)", "orphan", "cellar", 1},
    {"DELETE FROM channels WHERE channel_id = 'hall'", "orphan", "hall", 0},
    {"INSERT INTO members (channel_id, user_id, role, joined_ms) VALUES ('cellar', 'eve', 'member', 0)", "orphan",
     "cellar", 0},
    {"UPDATE members SET read_seq = 10 WHERE user_id = 'bob'", "read_mark", "hall", 10},
    {"INSERT INTO client_ids VALUES ('lost', 'hall', 'eve', 44, 0)", "client_id", "hall", 44},
};

static void each_planted_damage_is_found(void **state) {
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        struct found found;
        struct scene *scene;
        scene_set_up((void **)&scene);
        make_store(scene);
        execute(scene, damages[i].sql);
        look(scene, &found);
        print_message("%s\n", damages[i].sql);
        expect_found(&found, damages[i].kind, damages[i].channel, damages[i].seq);
        scene_tear_down((void **)&scene);
    }
}

static void insert_messages(struct scene *scene, int first, int last) {
    char sql[400];
    snprintf(sql, sizeof sql,
             "INSERT INTO messages (channel_id, message_seq, epoch, message_id, user_id, created_ms, content) WITH "
             "RECURSIVE n (i) AS (SELECT %d UNION ALL SELECT i + 1 FROM n WHERE i < %d) SELECT 'hall', i, 1, 'm' || i, "
             "'alice', 0, '1' FROM n",
             first, last);
    execute(scene, sql);
}

static void numbers_are_followed_over_every_slice(void **state) {
    struct scene *scene = *state;
    struct found found;
    make_hall(scene);
    scene_close(scene);
    insert_messages(scene, 1, 6500);
    look(scene, &found);
    assert_int_equal(found.len, 0);
    assert_int_equal(found.verify.events, 6500);
    execute(scene, "DELETE FROM messages WHERE message_seq IN (2001, 2002, 4500)");
    look(scene, &found);
    assert_int_equal(found.len, 2);
    expect_found(&found, "gap", "hall", 2001);
    expect_found(&found, "gap", "hall", 4500);
}

enum { FIRST_PART = 1500, WHOLE = 4600 };

struct appending {
    struct found found;
    struct scene *scene;
    bool appended;
};

static bool append_more(void *owner, const struct verify *verify) {
    struct appending *appending = owner;
    if (verify->events == FIRST_PART && !appending->appended) {
        insert_messages(appending->scene, FIRST_PART + 1, WHOLE);
        appending->appended = true;
    }
    return true;
}

static void what_is_appended_between_two_slices_is_no_gap(void **state) {
    struct scene *scene = *state;
    struct error error = {""};
    struct appending appending = {.scene = scene};
    make_hall(scene);
    scene_close(scene);
    insert_messages(scene, 1, FIRST_PART);
    appending.found.verify = (struct verify){.found = remember, .moved = append_more, .owner = &appending, .place = ""};
    assert_true(sqlite_verify(scene->path, &appending.found.verify, &error));
    assert_true(appending.appended);
    assert_int_equal(appending.found.len, 0);
    assert_int_equal(appending.found.verify.events, WHOLE);
}

/* Both what SQLite sees by itself, and that what is behind the page is looked at all the same. */
static void a_broken_page_is_told_and_the_rest_is_looked_at(void **state) {
    struct scene *scene = *state;
    struct found found;
    make_store(scene);
    execute(scene, "UPDATE members SET read_seq = 10 WHERE user_id = 'bob'");
    int64_t page = number_of(scene, "SELECT rootpage FROM sqlite_schema WHERE name = 'changes'");
    int fd = open(scene->path, O_WRONLY);
    assert_int_equal(pwrite(fd, "\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x7f", 8, (page - 1) * 4096), 8);
    close(fd);
    look(scene, &found);
    expect_found(&found, "file", "", 0);
    expect_found(&found, "unreadable", "hall", 0);
}

static void an_entry_that_an_index_lacks_is_found(void **state) {
    struct scene *scene = *state;
    struct found found;
    make_store(scene);
    execute(scene,
            "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = 'CREATE INDEX members_user ON members "
            "(user_id, role)' WHERE name = 'members_user'");
    look(scene, &found);
    expect_found(&found, "file", "", 0);
}

static void what_is_no_store_cannot_be_verified(void **state) {
    struct scene *scene = *state;
    struct error error = {""};
    struct found found = {.verify = {.found = remember, .moved = go_on, .place = ""}};
    assert_false(sqlite_verify(scene->path, &found.verify, &error));
    assert_non_null(strstr(error.text, "No such file"));
    execute(scene, "CREATE TABLE recipes (name TEXT)");
    assert_false(sqlite_verify(scene->path, &found.verify, &error));
    assert_non_null(strstr(error.text, "no store of Stoa"));
}

static void a_store_is_verified_while_it_is_served(void **state) {
    struct scene *scene = *state;
    struct found found;
    make_hall(scene);
    for (int i = 1; i <= 60; i += 20) {
        say(scene, i, i + 19);
        look(scene, &found);
        assert_int_equal(found.len, 0);
        assert_int_equal(found.verify.events, i + 19);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SCENE_TEST(a_sound_store_is_found_sound),
        cmocka_unit_test(each_planted_damage_is_found),
        SCENE_TEST(numbers_are_followed_over_every_slice),
        SCENE_TEST(what_is_appended_between_two_slices_is_no_gap),
        SCENE_TEST(a_broken_page_is_told_and_the_rest_is_looked_at),
        SCENE_TEST(an_entry_that_an_index_lacks_is_found),
        SCENE_TEST(what_is_no_store_cannot_be_verified),
        SCENE_TEST(a_store_is_verified_while_it_is_served),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
