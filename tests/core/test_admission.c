/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/address.h"
#include "inside/inside.h"
#include "limit/admission.h"
#include "loop/loop.h"

static struct loop *loop;
static struct admission_control *control;

static int begin(void **state) {
    loop = loop_new_with_fake_clock();
    control = admission_new(loop, &(struct admission_settings){0});
    return 0;
}

/* Admitted seats stay until leave_all. */
enum { SEATS = 1200 };
static struct seat seats[SEATS];
static unsigned seats_len;

static struct admission_verdict ask(const char *text) {
    struct address address;
    assert_true(address_parse(slice_of(text), &address));
    assert_true(seats_len < SEATS);
    struct admission_verdict verdict = admission_ask(control, &address, &seats[seats_len]);
    if (!verdict.refused) seats_len++;
    return verdict;
}

static void leave_all(void) {
    while (seats_len > 0) admission_leave(&seats[--seats_len]);
    assert_int_equal(admission_seats(control), 0);
}

static int end(void **state) {
    leave_all();
    admission_free(&control);
    loop_free(&loop);
    return 0;
}

static unsigned admitted(const char *address, unsigned attempts) {
    unsigned count = 0;
    for (unsigned i = 0; i < attempts; i++) count += ask(address).refused == NULL;
    return count;
}

static void without_limits_everybody_comes_in(void **state) {
    assert_int_equal(admitted("192.0.2.1", 1000), 1000);
    assert_int_equal(admission_seats(control), 1000);
}

static void a_full_worker_refuses_until_one_leaves(void **state) {
    admission_set(control, &(struct admission_settings){.connections = 10});
    assert_int_equal(admitted("192.0.2.1", 10), 10);
    struct admission_verdict verdict = ask("192.0.2.1");
    assert_string_equal(verdict.refused, "full");
    assert_in_range(verdict.retry_after_s, 1, 60);
    admission_leave(&seats[--seats_len]);
    assert_int_equal(admitted("192.0.2.1", 5), 1);
}

/* Seats that gave way, in order: indices into seats, as letters. */
static char gone[SEATS + 1];

static void give_way(struct seat *seat) {
    size_t len = strlen(gone);
    gone[len] = (char)('a' + (seat - seats));
    gone[len + 1] = '\0';
    admission_leave(seat);
}

/* Each digit is an address of 192.0.2.0/24; 0: no crowd. The seats become idle in that order. */
static void rest(const char *numbers) {
    gone[0] = '\0';
    for (; *numbers; numbers++) {
        char address[16];
        snprintf(address, sizeof address, "192.0.2.%c", *numbers);
        struct seat *seat = &seats[seats_len];
        if (*numbers == '0')
            assert_null(admission_ask(control, NULL, &seats[seats_len++]).refused);
        else
            assert_null(ask(address).refused);
        admission_rest(seat, give_way);
    }
}

static void a_full_worker_makes_room_first(void **state) {
    admission_set(control, &(struct admission_settings){.connections = 10});
    rest("0");
    assert_int_equal(admitted("192.0.2.1", 9), 9);
    assert_string_equal(gone, "");
    assert_null(ask("192.0.2.2").refused);
    assert_string_equal(gone, "a");
    assert_int_equal(admission_seats(control), 10);
    assert_string_equal(ask("192.0.2.2").refused, "full");
}

static void the_longest_idle_seat_gives_way_first(void **state) {
    admission_set(control, &(struct admission_settings){.connections = 4});
    rest("1111");
    admission_use(&seats[1]);
    admission_use(&seats[0]);
    admission_rest(&seats[0], give_way);
    assert_int_equal(admitted("192.0.2.1", 5), 3);
    assert_string_equal(gone, "cda");
}

/* Mallory's address ends in 1. alice, bob and a client behind a proxy come before and after. */
static void of_those_who_rest_the_address_with_most_gives_way_first(void **state) {
    admission_set(control, &(struct admission_settings){.connections = 12});
    rest("203111111110");
    assert_int_equal(admitted("192.0.2.4", 7), 7);
    assert_string_equal(gone, "defghij");
    assert_int_equal(admitted("192.0.2.4", 7), 5);
    assert_string_equal(gone, "defghijabckl");
}

static void addresses_that_hold_as_much_take_turns(void **state) {
    admission_set(control, &(struct admission_settings){.connections = 8});
    rest("11112222");
    assert_int_equal(admitted("192.0.2.4", 8), 8);
    assert_string_equal(gone, "aebfcgdh");
}

static void a_limit_that_was_lowered_holds_at_once_for_those_who_rest(void **state) {
    admission_set(control, &(struct admission_settings){.connections = 8});
    rest("11111111");
    admission_set(control, &(struct admission_settings){.connections = 4});
    assert_null(ask("192.0.2.2").refused);
    assert_int_equal(admission_seats(control), 4);
}

static void one_address_does_not_hold_the_seats_of_others(void **state) {
    admission_set(control, &(struct admission_settings){.connections = 100, .connections_per_address = 10});
    assert_int_equal(admitted("192.0.2.1", 100), 10);
    assert_string_equal(ask("192.0.2.1").refused, "address_full");
    assert_int_equal(admitted("192.0.2.2", 10), 10);
    leave_all();
    assert_int_equal(admitted("192.0.2.1", 100), 10);
}

static void whose_prefix_is_the_same_shares_seats_and_exceptions_have_all(void **state) {
    static const char *const campus[] = {"192.0.2.0/24", "2001:db8:ff::/48"};
    struct admission_settings settings = {
        .connections_per_address = 1, .ipv6_bits = 56, .exceptions = campus, .exceptions_len = 2};
    admission_set(control, &settings);
    assert_int_equal(admitted("2001:db8:0:1::1", 1), 1);
    assert_int_equal(admitted("2001:db8:0:ff::1", 1), 0);
    assert_int_equal(admitted("2001:db8:0:100::1", 1), 1);
    assert_int_equal(admitted("192.0.2.9", 20), 20);
    assert_int_equal(admitted("2001:db8:ff::9", 20), 20);
    assert_int_equal(admitted("198.51.100.1", 20), 1);
}

/* For example, a proxy forwards requests of several clients over one connection. */
static void a_seat_is_that_of_whom_it_is_used_for(void **state) {
    struct address alice, bob;
    struct seat proxy = {0};
    assert_true(address_parse(SLICE("192.0.2.1"), &alice) && address_parse(SLICE("192.0.2.2"), &bob));
    admission_set(control, &(struct admission_settings){.connections = 2, .connections_per_address = 1});
    assert_null(admission_ask(control, NULL, &proxy).refused);
    assert_null(admission_seat(control, &alice, &proxy).refused);
    assert_string_equal(ask("192.0.2.1").refused, "address_full");
    assert_null(admission_seat(control, &bob, &proxy).refused);
    assert_null(ask("192.0.2.1").refused);
    assert_string_equal(admission_seat(control, &alice, &proxy).refused, "address_full");
    assert_null(admission_seat(control, NULL, &proxy).refused);
    assert_int_equal(admission_seats(control), 2);
    admission_leave(&proxy);
}

static void a_burst_passes_and_the_rest_comes_at_the_rate(void **state) {
    admission_set(control, &(struct admission_settings){.rate = {100, 1000}});
    assert_int_equal(admitted("192.0.2.1", 500), 100);
    assert_string_equal(ask("192.0.2.1").refused, "rate");
    loop_advance(loop, 500);
    assert_in_range(admitted("192.0.2.2", 500), 49, 51);
}

static void one_address_does_not_use_up_the_room_of_others(void **state) {
    admission_set(control, &(struct admission_settings){.rate = {100, 1000}, .address_rate = {10, 10000}});
    assert_int_equal(admitted("192.0.2.1", 500), 10);
    assert_string_equal(ask("192.0.2.1").refused, "address");
    assert_int_equal(admitted("192.0.2.2", 10), 10);
}

static void an_ipv6_network_counts_as_one(void **state) {
    admission_set(control, &(struct admission_settings){.address_rate = {20, 10000}, .ipv6_bits = 64});
    unsigned count = 0;
    for (int i = 0; i < 100; i++) {
        char address[64];
        snprintf(address, sizeof address, "2001:db8:1:2:%x:%x::1", i, i * 7);
        count += ask(address).refused == NULL;
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
    assert_null(ask("192.0.2.1").refused);
    for (int i = 0; i < 400; i++) {
        unsigned retry_after_s = ask("192.0.2.1").retry_after_s;
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
        SCENE(a_full_worker_makes_room_first),
        SCENE(the_longest_idle_seat_gives_way_first),
        SCENE(of_those_who_rest_the_address_with_most_gives_way_first),
        SCENE(addresses_that_hold_as_much_take_turns),
        SCENE(a_limit_that_was_lowered_holds_at_once_for_those_who_rest),
        SCENE(one_address_does_not_hold_the_seats_of_others),
        SCENE(whose_prefix_is_the_same_shares_seats_and_exceptions_have_all),
        SCENE(a_seat_is_that_of_whom_it_is_used_for),
        SCENE(a_burst_passes_and_the_rest_comes_at_the_rate),
        SCENE(one_address_does_not_use_up_the_room_of_others),
        SCENE(an_ipv6_network_counts_as_one),
        SCENE(ipv4_written_as_ipv6_is_the_same_address),
        SCENE(the_refused_are_told_different_times),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
