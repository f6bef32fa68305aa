/* SPDX-License-Identifier: Apache-2.0 */
/* The events for clients, as stores write them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "store/store_json.h"

static void expect(enum store_kind kind, const char *wanted) {
    struct buffer out = {0};
    store_write_event(&out, kind, SLICE("{\"a\":1}"), 7, 9, "1-x");
    buffer_append_char(&out, '\0');
    assert_string_equal(out.ptr, wanted);
    buffer_done(&out);
}

static void each_kind_of_event_has_its_name(void **state) {
    expect(STORE_MESSAGE_NEW, "[\"message:new\",{\"a\":1,\"messageSeq\":7,\"seq\":9,\"epoch\":\"1-x\"}]");
    expect(STORE_DELETE, "[\"message:deleted\",{\"a\":1,\"seq\":9,\"epoch\":\"1-x\"}]");
    expect(STORE_REACTION_REMOVE, "[\"reaction:changed\",{\"a\":1,\"seq\":9,\"epoch\":\"1-x\"}]");
}

static void an_event_of_an_unknown_kind_is_told_for_its_number(void **state) {
    expect((enum store_kind)5, "[\"event:unknown\",{\"a\":1,\"seq\":9,\"epoch\":\"1-x\"}]");
    expect((enum store_kind) - 1, "[\"event:unknown\",{\"a\":1,\"seq\":9,\"epoch\":\"1-x\"}]");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_of_event_has_its_name),
        cmocka_unit_test(an_event_of_an_unknown_kind_is_told_for_its_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
