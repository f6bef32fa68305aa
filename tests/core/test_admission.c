#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/address.h"
#include "limit/admission.h"
#include "loop/loop.h"

static struct loop *loop;
static struct admission_control *control;

static int begin(void **state) {
    loop = loop_new_with_fake_clock();
    control = admission_new(loop, &(struct admission_settings){0});
    return 0;
}

static int end(void **state) {
    admission_free(&control);
    loop_free(&loop);
    return 0;
}

static struct admission_verdict ask(const char *text, unsigned open) {
    struct address address;
    assert_true(address_parse(slice_of(text), &address));
    return admission_ask(control, &address, open);
}

static unsigned admitted(const char *address, unsigned attempts) {
    unsigned count = 0;
    for (unsigned i = 0; i < attempts; i++) count += ask(address, 0).refused == NULL;
    return count;
}

static void without_limits_everybody_comes_in(void **state) {
    assert_int_equal(admitted("192.0.2.1", 1000), 1000);
    assert_null(ask("192.0.2.1", 1000000).refused);
}

static void a_full_worker_refuses_until_one_leaves(void **state) {
    admission_set(control, &(struct admission_settings){.connections = 10});
    assert_null(ask("192.0.2.1", 9).refused);
    struct admission_verdict verdict = ask("192.0.2.1", 10);
    assert_string_equal(verdict.refused, "full");
    assert_in_range(verdict.retry_after_s, 1, 60);
    assert_null(ask("192.0.2.1", 9).refused);
}

static void a_burst_passes_and_the_rest_comes_at_the_rate(void **state) {
    admission_set(control, &(struct admission_settings){.rate = {100, 1000}});
    assert_int_equal(admitted("192.0.2.1", 500), 100);
    assert_string_equal(ask("192.0.2.1", 0).refused, "rate");
    loop_advance(loop, 500);
    assert_in_range(admitted("192.0.2.2", 500), 49, 51);
}

static void one_address_does_not_use_up_the_room_of_others(void **state) {
    admission_set(control, &(struct admission_settings){.rate = {100, 1000}, .address_rate = {10, 10000}});
    assert_int_equal(admitted("192.0.2.1", 500), 10);
    assert_string_equal(ask("192.0.2.1", 0).refused, "address");
    assert_int_equal(admitted("192.0.2.2", 10), 10);
}

static void an_ipv6_network_counts_as_one(void **state) {
    admission_set(control, &(struct admission_settings){.address_rate = {20, 10000}});
    unsigned count = 0;
    for (int i = 0; i < 100; i++) {
        char address[64];
        snprintf(address, sizeof address, "2001:db8:1:2:%x:%x::1", i, i * 7);
        count += ask(address, 0).refused == NULL;
    }
    assert_int_equal(count, 20);
    assert_int_equal(admitted("2001:db8:1:3::1", 1), 1);
}

static void ipv4_written_as_ipv6_is_the_same_address(void **state) {
    admission_set(control, &(struct admission_settings){.address_rate = {10, 10000}});
    assert_int_equal(admitted("::ffff:192.0.2.1", 20), 10);
    assert_int_equal(admitted("192.0.2.1", 20), 0);
    assert_int_equal(admitted("::ffff:192.0.2.2", 20), 10);
}

static void the_refused_are_told_different_times(void **state) {
    admission_set(control, &(struct admission_settings){.connections = 1, .spread_s = 20});
    bool seen[64] = {false};
    unsigned different = 0;
    for (int i = 0; i < 400; i++) {
        unsigned retry_after_s = ask("192.0.2.1", 1).retry_after_s;
        assert_in_range(retry_after_s, 1, 63);
        different += !seen[retry_after_s];
        seen[retry_after_s] = true;
    }
    assert_in_range(different, 15, 21);
}

int main(void) {
#define SCENE(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        SCENE(without_limits_everybody_comes_in),
        SCENE(a_full_worker_refuses_until_one_leaves),
        SCENE(a_burst_passes_and_the_rest_comes_at_the_rate),
        SCENE(one_address_does_not_use_up_the_room_of_others),
        SCENE(an_ipv6_network_counts_as_one),
        SCENE(ipv4_written_as_ipv6_is_the_same_address),
        SCENE(the_refused_are_told_different_times),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
