/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of the load on which all figures depend: quantiles, stamps, frames. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "load/histogram.h"
#include "load/wire.h"

static void assert_near(uint64_t value, uint64_t wanted) {
    uint64_t apart = value > wanted ? value - wanted : wanted - value;
    assert_true(apart <= wanted / HISTOGRAM_STEPS + 1);
}

static void quantiles_are_right_at_every_magnitude(void **state) {
    for (uint64_t unit = 1; unit < UINT64_C(1) << 29; unit *= 7) {
        struct histogram histogram = {0};
        for (uint64_t i = 1; i <= 1000; i++) histogram_add(&histogram, i * unit);
        assert_int_equal(histogram.count, 1000);
        assert_near(histogram_quantile_ns(&histogram, 0.5), 500 * unit);
        assert_near(histogram_quantile_ns(&histogram, 0.99), 990 * unit);
        assert_near(histogram_quantile_ns(&histogram, 0.999), 999 * unit);
        assert_int_equal(histogram_quantile_ns(&histogram, 1), 1000 * unit);
    }
}

static void merging_is_as_if_all_had_been_added_to_one(void **state) {
    struct histogram both = {0}, odd = {0}, even = {0};
    for (uint64_t i = 0; i < 5000; i++) {
        histogram_add(&both, i * i);
        histogram_add(i % 2 ? &odd : &even, i * i);
    }
    histogram_merge(&odd, &even);
    assert_memory_equal(&odd, &both, sizeof both);
}

static void what_is_beyond_the_scale_is_at_its_end(void **state) {
    struct histogram histogram = {0};
    histogram_add(&histogram, UINT64_MAX);
    histogram_add(&histogram, 0);
    assert_int_equal(histogram_quantile_ns(&histogram, 0.5), 0);
    assert_int_equal(histogram_quantile_ns(&histogram, 1), (UINT64_C(1) << HISTOGRAM_VALUE_BITS) - 1);
    assert_int_equal(histogram.max_ns, UINT64_MAX);
}

static void a_stamp_is_found_wherever_it_is(void **state) {
    const struct stamp stamps[] = {{0, 1, 0}, {65535, UINT32_MAX, UINT64_MAX}, {4711, 0xabcdef, 0x0123456789abcdef}};
    size_t hint = 0;
    for (size_t i = 0; i < sizeof stamps / sizeof *stamps; i++) {
        struct buffer text = {0};
        struct stamp found;
        for (size_t k = 0; k < i; k++) buffer_append_str(&text, "[\"message\",");
        assert_false(wire_find_stamp(buffer_slice(&text), &hint, &found));
        wire_write_payload(&text, &stamps[i], 128);
        assert_true(wire_find_stamp(buffer_slice(&text), &hint, &found));
        assert_int_equal(found.publisher, stamps[i].publisher);
        assert_int_equal(found.sequence, stamps[i].sequence);
        assert_int_equal(found.due_ns, stamps[i].due_ns);
        text.len = text.len - 128 + WIRE_STAMP_LEN - 1; /* cut within the stamp */
        assert_false(wire_find_stamp(buffer_slice(&text), &hint, &found));
        buffer_done(&text);
    }
}

/* A server's frame is a client's without its mask. */
static void a_frame_is_read_once_its_last_byte_is_there(void **state) {
    const size_t lens[] = {0, 1, 125, 126, 65535, 65536, 100000};
    for (size_t i = 0; i < sizeof lens / sizeof *lens; i++) {
        struct buffer body = {0}, frame = {0};
        uint8_t first_byte;
        struct slice read;
        memset(buffer_reserve(&body, lens[i] + 1), 'x', lens[i]);
        body.len = lens[i];
        wire_write_frame(&frame, WIRE_TEXT, buffer_slice(&body));
        size_t head = frame.len - lens[i] - 4;
        memmove(frame.ptr + head, frame.ptr + head + 4, lens[i]);
        frame.len -= 4;
        frame.ptr[1] &= 0x7f;
        assert_int_equal(wire_read_frame((struct slice){frame.ptr, frame.len - 1}, &first_byte, &read), 0);
        assert_int_equal(wire_read_frame(buffer_slice(&frame), &first_byte, &read), frame.len);
        assert_int_equal(first_byte, WIRE_TEXT);
        assert_true(slice_equal(read, buffer_slice(&body)));
        buffer_done(&body);
        buffer_done(&frame);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quantiles_are_right_at_every_magnitude),
        cmocka_unit_test(merging_is_as_if_all_had_been_added_to_one),
        cmocka_unit_test(what_is_beyond_the_scale_is_at_its_end),
        cmocka_unit_test(a_stamp_is_found_wherever_it_is),
        cmocka_unit_test(a_frame_is_read_once_its_last_byte_is_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
