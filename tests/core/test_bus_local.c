/* SPDX-License-Identifier: Apache-2.0 */
#include "bus/bus_local.h"
#include "support/bus_contract.h"

static struct bus *new_local(const struct bus_settings *settings, const struct bus_events *events, void *owner) {
    return bus_local_new(stage_loop, events, owner);
}

static void who_is_alone_knows_it_and_lacks_nothing(void **state) {
    struct listener listener;
    struct buffer detail = {0};
    listener_begin(&listener, "node", NULL);
    assert_true(bus_is_alone(listener.bus));
    assert_false(bus_is_degraded(listener.bus));
    bus_write_detail(listener.bus, &detail);
    assert_int_equal(detail.len, 0);
    listener_end(&listener);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, stage_set_up, stage_tear_down)
    const struct CMUnitTest tests[] = {
        CONTRACT_TESTS(TEST),
        TEST(who_is_alone_knows_it_and_lacks_nothing),
    };
    contract_new = new_local;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
