/* SPDX-License-Identifier: Apache-2.0 */
#include "support/store_contract.h"

#include "support/store_drivers.h"

int contract_set_up(void **state) {
    const struct store_driver *driver = *state;
    struct asking *asking = NEW(struct asking);
    struct error error = {""};
    asking_init(asking);
    asking->store = driver->make(asking->loop, &error);
    if (!asking->store) fail_msg("%s: %s", driver->name, error.text);
    assert_status(ASK(asking, STORE_CHANNEL_PUT, .channel_id = S("hall"), .channel.name = S("Hall"),
                      .channel.visibility = S("public")),
                  STORE_OK);
    *state = asking;
    return 0;
}

int contract_tear_down(void **state) {
    struct asking *asking = *state;
    store_close(&asking->store, 10000);
    store_drivers_done();
    asking_done(asking);
    free(asking);
    return 0;
}

int contract_run(struct CMUnitTest *tests, size_t len) {
    int failed = 0;
    for (const struct store_driver *driver = store_drivers; driver->name; driver++) {
        if (!driver->is_here()) continue;
        for (size_t i = 0; i < len; i++) tests[i].initial_state = (void *)driver;
        failed += _cmocka_run_group_tests(driver->name, tests, len, NULL, NULL);
    }
    return failed;
}
