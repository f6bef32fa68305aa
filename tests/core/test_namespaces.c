/* SPDX-License-Identifier: Apache-2.0 */
/* Several namespaces of one connection: packets to one do not wait for another. */
#include "support/hub_scene.h"

static struct person alice;

static int leave_all(void **state) {
    goes(&alice);
    return tear_down(state);
}

static void end_admin(void *owner, struct socket *socket) {
    if (slice_is(socket_namespace(socket), "/admin")) socket_disconnect(socket);
}

static void a_namespace_that_ends_unanswered_lets_the_others_go_on(void **state) {
    comes_as(&alice, "alice");
    script.defers_connects = true;
    says(&alice, "40/admin,{\"user\":\"alice\"}");
    says(&alice, "42/admin,[\"echo\",0]");
    says(&alice, "421[\"echo\",1]");
    assert_null(hears(&alice));
    hub_each_of_user(hub, SLICE("alice"), end_admin, NULL);
    turn();
    assert_hears(&alice, "41/admin,");
    assert_hears(&alice, "431[1]");
    assert_false(is_closed(&alice, NULL));
}

static void packets_sent_before_the_server_ended_a_socket_do_no_harm(void **state) {
    comes_as(&alice, "alice");
    says(&alice, "40/admin,{\"user\":\"alice\"}");
    assert_non_null(hears(&alice));
    says(&alice, "421[\"slow\",0]");
    says(&alice, "42/admin,[\"echo\",0]");
    says(&alice, "422[\"echo\",2]");
    hub_each_of_user(hub, SLICE("alice"), end_admin, NULL);
    says(&alice, "40/admin,{\"user\":\"alice\"}");
    scene_answer(POLICY_OK, "[1]");
    turn();
    assert_hears(&alice, "41/admin,");
    assert_hears(&alice, "431[1]");
    assert_hears(&alice, "432[2]");
    assert_memory_equal(hears(&alice), "40/admin,{", 10);
    assert_false(is_closed(&alice, NULL));
}

#define SCENE(name) cmocka_unit_test_setup_teardown(name, set_up, leave_all)

int main(void) {
    const struct CMUnitTest tests[] = {
        SCENE(a_namespace_that_ends_unanswered_lets_the_others_go_on),
        SCENE(packets_sent_before_the_server_ended_a_socket_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
