/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "limit/memory_budget.h"

enum { MAX = 1000 };

struct client {
    struct holder holder;
    unsigned cuts;
};

static struct memory_budget *budget;
static struct client alice, bob, carol;

static void cut(struct holder *holder) {
    CONTAINER(holder, struct client, holder)->cuts++;
}

static int set_up(void **state) {
    struct client *clients[] = {&alice, &bob, &carol};
    budget = memory_budget_new(MAX);
    for (int i = 0; i < 3; i++) {
        *clients[i] = (struct client){0};
        holder_init(&clients[i]->holder, cut);
    }
    return 0;
}

static int tear_down(void **state) {
    memory_budget_free(&budget);
    return 0;
}

static void assert_cuts(unsigned of_alice, unsigned of_bob, unsigned of_carol) {
    assert_int_equal(alice.cuts, of_alice);
    assert_int_equal(bob.cuts, of_bob);
    assert_int_equal(carol.cuts, of_carol);
}

static void who_lets_go_makes_room(void **state) {
    for (int i = 0; i < 10; i++) {
        memory_budget_hold(budget, &alice.holder, MAX);
        memory_budget_hold(budget, &alice.holder, 0);
        memory_budget_hold(budget, &bob.holder, MAX);
        memory_budget_hold(budget, &bob.holder, 0);
    }
    assert_cuts(0, 0, 0);
}

static void who_holds_most_is_cut_off_not_who_comes_last(void **state) {
    memory_budget_hold(budget, &alice.holder, 600);
    memory_budget_hold(budget, &bob.holder, 400);
    memory_budget_hold(budget, &carol.holder, 1);
    assert_cuts(1, 0, 0);
    memory_budget_hold(budget, &carol.holder, 600);
    assert_cuts(1, 0, 0);
}

static void of_equals_the_newest_goes(void **state) {
    memory_budget_hold(budget, &alice.holder, 400);
    memory_budget_hold(budget, &bob.holder, 400);
    memory_budget_hold(budget, &carol.holder, 400);
    assert_cuts(0, 0, 1);
}

static void the_largest_share_gives_way_though_its_holders_are_small(void **state) {
    struct share home = {0};
    holder_join(&alice.holder, &home);
    holder_join(&bob.holder, &home);
    memory_budget_hold(budget, &carol.holder, 450);
    memory_budget_hold(budget, &bob.holder, 300);
    memory_budget_hold(budget, &alice.holder, 250);
    assert_cuts(0, 0, 0);
    memory_budget_hold(budget, &carol.holder, 451);
    assert_cuts(0, 1, 0);
    assert_int_equal(home.bytes, 250);
    holder_join(&alice.holder, NULL);
    assert_int_equal(home.bytes, 0);
    memory_budget_hold(budget, &alice.holder, 550);
    assert_cuts(1, 1, 0);
}

static void a_smaller_budget_holds_at_once(void **state) {
    memory_budget_hold(budget, &alice.holder, 500);
    memory_budget_hold(budget, &bob.holder, 500);
    memory_budget_set_max(budget, 500);
    assert_cuts(0, 1, 0);
}

static void without_a_budget_nobody_is_cut_off(void **state) {
    memory_budget_hold(NULL, &alice.holder, (size_t)1 << 40);
    assert_cuts(0, 0, 0);
}

#define SCENE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        SCENE(who_lets_go_makes_room),         SCENE(who_holds_most_is_cut_off_not_who_comes_last),
        SCENE(of_equals_the_newest_goes),      SCENE(the_largest_share_gives_way_though_its_holders_are_small),
        SCENE(a_smaller_budget_holds_at_once), SCENE(without_a_budget_nobody_is_cut_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
