/* SPDX-License-Identifier: Apache-2.0 */
/* Which clients get a pid and offsets for recovery. The others get plain events. */
#include "support/hub_scene.h"

static struct person alice, again;

static int leave_all(void **state) {
    goes(&alice);
    goes(&again);
    return tear_down(state);
}

/* What the client gets for its CONNECT, with auth in addition to its name, and then for an event. */
static void is_told(const char *query, const char *auth, bool is_offered) {
    char text[128];
    arrives(&alice, &(struct local_client_options){.query = slice_of(query)});
    snprintf(text, sizeof text, "40{\"user\":\"alice\"%s}", auth);
    says(&alice, text);
    const char *got = hears(&alice);
    take_id(got, "sid", alice.sid);
    take_id(got, "pid", alice.pid);
    assert_int_equal(alice.pid[0] != 0, is_offered);
    emit_to(alice.sid, "[\"news\",1]", PACKET_MESSAGE);
    turn();
    if (is_offered)
        assert_hears_event(&alice, "42[\"news\",1]");
    else
        assert_hears(&alice, "42[\"news\",1]");
}

static void handlers_get_what_was_emitted_unless_their_client_asked_for_a_recovery(void **state) {
    static const struct {
        const char *query, *auth;
        bool asks;
    } rows[] = {
        {"{}", "", false},
        {"{\"recovery\":\"0\"}", "", false},
        {"{\"recovery\":\"\"}", ",\"recovery\":false", false},
        {"{\"x\":\"recovery\"}", ",\"recovery\":null", false},
        {"{\"recovery\":\"1\"}", "", true},
        {"{\"EIO\":\"4\",\"recovery\":\"true\"}", "", true},
        {"{}", ",\"recovery\":1", true},
        {"{}", ",\"recovery\":true", true},
        {"{}", ",\"recovery\":\"1\"", true},
    };
    struct hub_settings settings = scene_settings();
    for (int offer = RECOVERY_ASKED; offer <= RECOVERY_NONE; offer++) {
        settings.recovery.offer = (enum recovery_offer)offer;
        hub_set(hub, &settings);
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
            is_told(rows[i].query, rows[i].auth, offer == RECOVERY_ALL || (offer == RECOVERY_ASKED && rows[i].asks));
            goes(&alice);
        }
    }
}

static void who_asks_in_one_namespace_gets_what_was_emitted_in_the_others(void **state) {
    static const struct slice args = {"[\"news\"]", 8};
    arrives(&alice, &(struct local_client_options){.query = SLICE("{}")});
    says(&alice, "40/admin,{\"user\":\"alice\"}");
    assert_null(strstr(hears(&alice), "pid"));
    says(&alice, "40{\"user\":\"alice\",\"recovery\":true}");
    assert_non_null(strstr(hears(&alice), "pid"));
    for (int i = 0; i < 2; i++)
        room_emit(rooms, &(struct room_emit){.namespace_name = i ? SLICE("/") : SLICE("/admin"), .args = args});
    turn();
    assert_hears(&alice, "42/admin,[\"news\"]");
    assert_hears_event(&alice, "42[\"news\"]");
}

static void who_no_longer_asks_begins_anew(void **state) {
    char text[128];
    comes_as(&alice, "alice");
    local_client_leave(alice.client);
    emit_to(alice.sid, "[\"missed\"]", PACKET_MESSAGE);
    arrives(&again, &(struct local_client_options){.query = SLICE("{}")});
    snprintf(text, sizeof text, "40{\"user\":\"alice\",\"pid\":\"%s\"}", alice.pid);
    says(&again, text);
    const char *got = hears(&again);
    assert_memory_equal(got, "40{\"sid\":", 9);
    assert_null(strstr(got, alice.sid));
    assert_null(strstr(got, "pid"));
}

#define SCENE(name) cmocka_unit_test_setup_teardown(name, set_up, leave_all)

int main(void) {
    const struct CMUnitTest tests[] = {
        SCENE(handlers_get_what_was_emitted_unless_their_client_asked_for_a_recovery),
        SCENE(who_asks_in_one_namespace_gets_what_was_emitted_in_the_others),
        SCENE(who_no_longer_asks_begins_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
