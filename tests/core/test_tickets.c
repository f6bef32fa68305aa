/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "net/tickets.h"

enum { START_S = 1000 };

static void a_key_makes_tickets_one_hour_and_reads_them_two(void **state) {
    struct tickets tickets = {0};
    unsigned char first[TICKET_NAME_LEN];
    memcpy(first, tickets_current(&tickets, START_S)->name, sizeof first);
    assert_memory_equal(tickets_current(&tickets, START_S + TICKET_KEY_S - 1)->name, first, sizeof first);
    assert_memory_not_equal(tickets_current(&tickets, START_S + TICKET_KEY_S)->name, first, sizeof first);
    assert_non_null(tickets_find(&tickets, first, START_S + 2 * TICKET_KEY_S - 1));
    assert_null(tickets_find(&tickets, first, START_S + 2 * TICKET_KEY_S));
}

static void a_key_that_nobody_asked_for_in_time_reads_nothing(void **state) {
    struct tickets tickets = {0};
    unsigned char first[TICKET_NAME_LEN];
    memcpy(first, tickets_current(&tickets, START_S)->name, sizeof first);
    assert_null(tickets_find(&tickets, first, START_S + 10 * TICKET_KEY_S));
    tickets_current(&tickets, START_S + 10 * TICKET_KEY_S);
    assert_null(tickets_find(&tickets, first, START_S + 10 * TICKET_KEY_S));
}

static void without_keys_no_name_is_known(void **state) {
    struct tickets tickets = {0};
    assert_null(tickets_find(&tickets, (const unsigned char[TICKET_NAME_LEN]){0}, START_S));
}

/* So that a ticket is valid at every worker, even those started later. */
static void a_copy_has_the_present_keys_and_no_past_ones(void **state) {
    struct tickets first = {0};
    unsigned char past[TICKET_NAME_LEN];
    memcpy(past, tickets_current(&first, START_S)->name, sizeof past);
    tickets_current(&first, START_S + 5 * TICKET_KEY_S);
    struct tickets copy = first;
    assert_null(tickets_find(&copy, past, START_S + 5 * TICKET_KEY_S));
    for (uint64_t hour = 5; hour < 9; hour++) {
        const struct ticket_key *key = tickets_current(&first, START_S + hour * TICKET_KEY_S);
        assert_memory_equal(tickets_find(&copy, key->name, START_S + hour * TICKET_KEY_S), key, sizeof *key);
    }
    /* and one that slept */
    struct tickets late = copy;
    const struct ticket_key *key = tickets_current(&first, START_S + 30 * TICKET_KEY_S);
    assert_memory_equal(tickets_current(&late, START_S + 30 * TICKET_KEY_S), key, sizeof *key);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_makes_tickets_one_hour_and_reads_them_two),
        cmocka_unit_test(a_key_that_nobody_asked_for_in_time_reads_nothing),
        cmocka_unit_test(without_keys_no_name_is_known),
        cmocka_unit_test(a_copy_has_the_present_keys_and_no_past_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
