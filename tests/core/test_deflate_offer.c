/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "wire/deflate_offer.h"

/* RFC 7692, section 7.1: offers, and the answers to them. */
static const struct {
    const char *value;
    bool legal, accepted, reads_all;
    unsigned window_bits;
} rows[] = {
    {"permessage-deflate", true, true, true, 0},
    {"Permessage-Deflate", true, true, true, 0},
    {"permessage-deflate; client_max_window_bits", true, true, true, 0},
    {"permessage-deflate; client_max_window_bits=8", true, true, true, 0},
    {"permessage-deflate; client_max_window_bits=\"15\"", true, true, true, 0},
    {"permessage-deflate; client_no_context_takeover; server_no_context_takeover", true, true, true, 0},
    {"permessage-deflate;server_max_window_bits=8", true, true, false, 8},
    {"permessage-deflate ; server_max_window_bits = 14", true, true, false, 14},
    {"permessage-deflate; server_max_window_bits=15", true, true, true, 15},
    {"permessage-deflate; server_max_window_bits=\"10\"", true, true, false, 10},
    /* declined: a value that it cannot have, something unknown, something twice */
    {"permessage-deflate; server_max_window_bits", true, false, true, 0},
    {"permessage-deflate; server_max_window_bits=7", true, false, true, 0},
    {"permessage-deflate; server_max_window_bits=16", true, false, true, 0},
    {"permessage-deflate; server_max_window_bits=08", true, false, true, 0},
    {"permessage-deflate; server_max_window_bits=100", true, false, true, 0},
    {"permessage-deflate; server_max_window_bits=1e1", true, false, true, 0},
    {"permessage-deflate; client_max_window_bits=0", true, false, true, 0},
    {"permessage-deflate; client_max_window_bits=99", true, false, true, 0},
    {"permessage-deflate; client_max_window_bits=-1", true, false, true, 0},
    {"permessage-deflate; client_no_context_takeover=1", true, false, true, 0},
    {"permessage-deflate; server_no_context_takeover=\"true\"", true, false, true, 0},
    {"permessage-deflate; client_max_window_bits; client_max_window_bits", true, false, true, 0},
    {"permessage-deflate; server_no_context_takeover; server_no_context_takeover", true, false, true, 0},
    {"permessage-deflate; foo", true, false, true, 0},
    {"permessage-deflate; foo=bar", true, false, true, 0},
    {"x-webkit-deflate-frame", true, false, true, 0},
    {"permessage-bzip2; a=1; b=\"2\"", true, false, true, 0},
    {"", true, false, true, 0},
    {" , ,", true, false, true, 0},
    /* several: the first acceptable one */
    {"permessage-deflate; foo, permessage-deflate; server_max_window_bits=9, permessage-deflate", true, true, false, 9},
    {"permessage-deflate; server_max_window_bits=7, permessage-deflate", true, true, true, 0},
    {"a, b; c=d, permessage-deflate", true, true, true, 0},
    {"permessage-deflate, permessage-deflate; server_max_window_bits=8", true, true, true, 0},
    /* RFC 6455, section 9.1: it is none of these */
    {"permessage-deflate;", false, false, false, 0},
    {"permessage-deflate; =1", false, false, false, 0},
    {"permessage-deflate; a=", false, false, false, 0},
    {"permessage-deflate; a=\"\"", false, false, false, 0},
    {"permessage-deflate; a=\"b", false, false, false, 0},
    {"permessage-deflate; a=\"b c\"", false, false, false, 0},
    {"permessage-deflate a", false, false, false, 0},
    {"; a", false, false, false, 0},
    {"a=b", false, false, false, 0},
    {"permessage-deflate; a=b=c", false, false, false, 0},
    {"\"permessage-deflate\"", false, false, false, 0},
};

static void each_offer_is_read_as_the_rfc_has_it(void **state) {
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct deflate_offer offer = {0};
        bool legal = deflate_offer_read(slice_of(rows[i].value), &offer);
        bool same = legal == rows[i].legal && (!legal || offer.accepted == rows[i].accepted);
        if (same && offer.accepted && legal)
            same = offer.reads_all == rows[i].reads_all && offer.window_bits == rows[i].window_bits;
        if (!same)
            fail_msg("%s: legal %d, accepted %d, reads all %d, window %u", rows[i].value, legal, offer.accepted,
                     offer.reads_all, offer.window_bits);
    }
}

static void what_an_earlier_field_offered_stays_accepted(void **state) {
    struct deflate_offer offer = {0};
    assert_true(deflate_offer_read(SLICE("permessage-deflate; server_max_window_bits=9"), &offer));
    assert_true(deflate_offer_read(SLICE("permessage-deflate"), &offer));
    assert_int_equal(offer.window_bits, 9);
}

static void the_answer_promises_what_was_asked_and_no_context(void **state) {
    struct buffer out = {0};
    deflate_offer_answer(&(struct deflate_offer){0}, &out);
    assert_int_equal(out.len, 0);
    deflate_offer_answer(&(struct deflate_offer){.accepted = true, .window_bits = 12}, &out);
    assert_true(slice_is(buffer_slice(&out),
                         "sec-websocket-extensions: permessage-deflate; server_no_context_takeover; "
                         "client_no_context_takeover; server_max_window_bits=12\r\n"));
    buffer_done(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_offer_is_read_as_the_rfc_has_it),
        cmocka_unit_test(what_an_earlier_field_offered_stays_accepted),
        cmocka_unit_test(the_answer_promises_what_was_asked_and_no_context),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
