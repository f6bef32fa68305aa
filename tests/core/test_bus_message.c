/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "bus/bus_message.h"
#include "redis/seal.h"

static const struct slice topic = {"/#channel:lobby", 15};
static const struct bus_message event = {.kind = BUS_EVENT,
                                         .origin = {"n1.0.abc", 8},
                                         .seq = INT64_C(9007199254740992),
                                         .epoch = {"1-x", 3},
                                         .body = {"[\"a\",{}]", 8}};

static void assert_slice(struct slice slice, struct slice expected) {
    assert_int_equal(slice.len, expected.len);
    if (slice.len > 0) assert_memory_equal(slice.ptr, expected.ptr, slice.len);
}

static const char *read_as(struct seal *seal, struct slice of_topic, const struct buffer *bytes) {
    struct bus_message message;
    return bus_message_read(seal, of_topic, buffer_slice(bytes), &message);
}

static void assert_reads_back(struct seal *seal, const struct bus_message *message) {
    struct buffer bytes = {0};
    struct bus_message read;
    bus_message_write(seal, topic, message, &bytes);
    assert_null(bus_message_read(seal, topic, buffer_slice(&bytes), &read));
    assert_slice(bus_message_origin(buffer_slice(&bytes)), message->origin);
    assert_int_equal(read.kind, message->kind);
    assert_int_equal(read.seq, message->seq);
    assert_slice(read.origin, message->origin);
    assert_slice(read.epoch, message->epoch);
    assert_slice(read.body, message->body);
    /* No prefix is read beyond its end. */
    for (size_t len = 0; len < bytes.len; len++) {
        char *cut = malloc(len + 1);
        memcpy(cut, bytes.ptr, len);
        (void)!bus_message_read(seal, topic, (struct slice){cut, len}, &read);
        free(cut);
    }
    buffer_done(&bytes);
}

static void what_is_written_reads_back(void **state) {
    struct seal *seal = seal_new("a secret");
    const struct bus_message emit = {.kind = BUS_EMIT, .origin = {"n1.0.abc", 8}, .body = {"\0\xff", 2}};
    const struct bus_message bare = {.kind = BUS_EVENT, .origin = {"n", 1}, .seq = 1, .epoch = {"1-x", 3}};
    const struct bus_message *all[] = {&event, &emit, &bare};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        assert_reads_back(NULL, all[i]);
        assert_reads_back(seal, all[i]);
    }
    seal_free(&seal);
}

/* Without the secret, nobody who can write to Redis can make a message that is accepted. */
static void without_the_secret_nothing_is_taken(void **state) {
    struct seal *ours = seal_new("a secret"), *other = seal_new("another");
    struct buffer plain = {0}, sealed = {0}, forged = {0};
    bus_message_write(NULL, topic, &event, &plain);
    bus_message_write(ours, topic, &event, &sealed);
    bus_message_write(other, topic, &event, &forged);
    assert_string_equal(read_as(ours, topic, &plain), "seal");
    assert_string_equal(read_as(ours, topic, &forged), "seal");
    assert_string_equal(read_as(NULL, topic, &sealed), "seal");
    assert_string_equal(read_as(ours, SLICE("/#channel:other"), &sealed), "seal");
    plain.ptr[1] = 1; /* the flag: sealed */
    assert_string_equal(read_as(ours, topic, &plain), "seal");
    for (size_t i = 1; i < sealed.len; i++) {
        sealed.ptr[i] ^= 0x20;
        assert_string_equal(read_as(ours, topic, &sealed), "seal");
        sealed.ptr[i] ^= 0x20;
    }
    assert_null(read_as(ours, topic, &sealed));
    buffer_done(&plain);
    buffer_done(&sealed);
    buffer_done(&forged);
    seal_free(&ours);
    seal_free(&other);
}

struct wrong {
    const char *reason;
    struct slice bytes;
};

static void wrong_versions_numbers_and_lengths_are_dropped(void **state) {
    static const struct wrong wrongs[] = {
        {"malformed", {"", 0}},
        {"malformed", {"\1\0\1\1", 4}},
        {"version", {"\2\0\2\1\0nX", 7}},
        {"version", {"{\"uid\":1}", 9}},
        {"malformed", {"\1\2\2\1\0n", 6}},
        {"kind", {"\1\0\0\1\0n", 6}},
        {"kind", {"\1\0\x7f\1\0n", 6}},
        {"malformed", {"\1\0\2\0\0", 5}},
        {"malformed", {"\1\0\2\xff\0n", 6}},
        {"malformed", {"\1\0\2\1\1nE", 7}},
        {"malformed", {"\1\0\1\1\0n\0\0\0\0\0\0\0\1", 14}},
        {"malformed", {"\1\0\1\1\1nE\0\0\0\0\0\0\0", 14}},
        {"seq", {"\1\0\1\1\1nE\0\0\0\0\0\0\0\0", 15}},
        {"seq", {"\1\0\1\1\1nE\x80\0\0\0\0\0\0\0", 15}},
        {"seq", {"\1\0\1\1\1nE\0\x20\0\0\0\0\0\1", 15}},
        {"seq", {"\1\0\1\1\1nE\xff\xff\xff\xff\xff\xff\xff\xff", 15}},
    };
    struct bus_message message;
    for (size_t i = 0; i < sizeof wrongs / sizeof *wrongs; i++) {
        const char *reason = bus_message_read(NULL, topic, wrongs[i].bytes, &message);
        assert_non_null(reason);
        assert_string_equal(reason, wrongs[i].reason);
    }
}

static void huge_bodies_are_dropped(void **state) {
    struct buffer bytes = {0};
    struct bus_message huge = event;
    char *body = calloc(1, BUS_BODY_MAX + 4096);
    huge.body = (struct slice){body, BUS_EVENT_BODY_MAX};
    bus_message_write(NULL, topic, &huge, &bytes);
    assert_null(read_as(NULL, topic, &bytes));
    buffer_append_char(&bytes, 'x');
    assert_string_equal(read_as(NULL, topic, &bytes), "too_large");
    buffer_clear(&bytes);
    huge = (struct bus_message){.kind = BUS_EMIT, .origin = event.origin, .body = {body, BUS_BODY_MAX + 1}};
    bus_message_write(NULL, topic, &huge, &bytes);
    assert_string_equal(read_as(NULL, topic, &bytes), "too_large");
    buffer_clear(&bytes);
    huge.body.len = BUS_BODY_MAX + 4096;
    bus_message_write(NULL, topic, &huge, &bytes);
    assert_string_equal(read_as(NULL, topic, &bytes), "too_large");
    buffer_done(&bytes);
    free(body);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_reads_back),
        cmocka_unit_test(without_the_secret_nothing_is_taken),
        cmocka_unit_test(wrong_versions_numbers_and_lengths_are_dropped),
        cmocka_unit_test(huge_bodies_are_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
