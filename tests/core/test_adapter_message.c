/* SPDX-License-Identifier: Apache-2.0 */
/* What Node.js Socket.IO servers and emitters say over Redis, in both forms. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "bus/adapter_message.h"
#include "wire/msgpack.h"

struct read {
    struct buffer bytes, json;
    struct msgpack_binaries binaries;
    struct adapter_message message;
};

static bool read_bytes(struct read *read, enum adapter_channel channel, const char *namespace_name) {
    return adapter_read(channel, slice_of(namespace_name), buffer_slice(&read->bytes), &read->json, &read->binaries,
                        &read->message);
}

/* The text as MessagePack. */
static bool read_packed(struct read *read, enum adapter_channel channel, const char *json) {
    buffer_clear(&read->bytes);
    msgpack_write(&read->bytes, slice_of(json), NULL, 0);
    return read_bytes(read, channel, "/");
}

static bool read_text(struct read *read, enum adapter_channel channel, const char *json) {
    buffer_clear(&read->bytes);
    buffer_append_str(&read->bytes, json);
    return read_bytes(read, channel, "/");
}

static void read_done(struct read *read) {
    buffer_done(&read->bytes);
    buffer_done(&read->json);
}

#define assert_slice(slice, text) assert_true(slice_is(slice, text))

static void an_emit_of_the_classic_adapter_is_read(void **state) {
    struct read read = {0};
    assert_true(read_packed(&read, ADAPTER_CLASSIC_EMITS,
                            "[\"a1B2c3\",{\"type\":2,\"data\":[\"hi\",1],\"nsp\":\"/\"},"
                            "{\"rooms\":[\"r\"],\"except\":[\"x\"],\"flags\":{\"volatile\":true}}]"));
    assert_int_equal(read.message.kind, ADAPTER_EMIT);
    assert_slice(read.message.args, "[\"hi\",1]");
    assert_slice(read.message.rooms, "[\"r\"]");
    assert_slice(read.message.except, "[\"x\"]");
    assert_true(read.message.is_volatile);
    assert_false(read.message.is_ours);
    assert_int_equal(read.message.request_id.len, 0);
    /* An emitter: no nsp, no flags, its type says that there are binaries. */
    assert_true(
        read_packed(&read, ADAPTER_CLASSIC_EMITS,
                    "[\"emitter\",{\"type\":5,\"data\":[\"hi\"]},{\"rooms\":[],\"flags\":null,\"except\":[]}]"));
    assert_false(read.message.is_volatile);
    read_done(&read);
}

static void an_emit_of_the_sharded_adapter_is_read(void **state) {
    struct read read = {0};
    static const char json[] =
        "{\"uid\":\"00112233445566ff\",\"nsp\":\"/\",\"type\":3,\"data\":{\"opts\":{\"rooms\":[],\"except\":[],"
        "\"flags\":{}},\"packet\":{\"type\":2,\"data\":[\"hi\"],\"nsp\":\"/\"},\"requestId\":\"r1\"}}";
    assert_true(read_text(&read, ADAPTER_SHARDED_ALL, json));
    assert_int_equal(read.message.kind, ADAPTER_EMIT);
    assert_slice(read.message.args, "[\"hi\"]");
    assert_slice(read.message.request_id, "\"r1\"");
    assert_true(read_packed(&read, ADAPTER_SHARDED_ALL, json)); /* as it travels with binaries */
    assert_slice(read.message.args, "[\"hi\"]");
    read_done(&read);
}

static void each_request_is_read_in_both_forms(void **state) {
    static const struct {
        const char *classic, *sharded;
        enum adapter_kind kind;
        const char *rooms, *moved, *args;
    } rows[] = {
        {"{\"uid\":\"u\",\"type\":2,\"opts\":{\"rooms\":[\"a\"],\"except\":[]},\"rooms\":[\"b\"]}",
         "{\"uid\":\"u\",\"nsp\":\"/\",\"type\":4,\"data\":{\"opts\":{\"rooms\":[\"a\"]},\"rooms\":[\"b\"]}}",
         ADAPTER_JOIN, "[\"a\"]", "[\"b\"]", ""},
        {"{\"uid\":\"u\",\"type\":3,\"opts\":{\"rooms\":[\"a\"]},\"rooms\":[\"b\"]}",
         "{\"uid\":\"u\",\"nsp\":\"/\",\"type\":5,\"data\":{\"opts\":{\"rooms\":[\"a\"]},\"rooms\":[\"b\"]}}",
         ADAPTER_LEAVE, "[\"a\"]", "[\"b\"]", ""},
        {"{\"type\":4,\"opts\":{\"rooms\":[\"a\"]},\"close\":true}",
         "{\"uid\":\"u\",\"nsp\":\"/\",\"type\":6,\"data\":{\"opts\":{\"rooms\":[\"a\"]},\"close\":true}}",
         ADAPTER_DISCONNECT, "[\"a\"]", "", ""},
        {"{\"uid\":\"u\",\"requestId\":\"q\",\"type\":5,\"opts\":{\"rooms\":[\"a\"]}}",
         "{\"uid\":\"u\",\"nsp\":\"/\",\"type\":7,\"data\":{\"opts\":{\"rooms\":[\"a\"]},\"requestId\":\"q\"}}",
         ADAPTER_FETCH, "[\"a\"]", "", ""},
        {"{\"uid\":\"u\",\"requestId\":\"q\",\"type\":6,\"data\":[\"hello\",1]}",
         "{\"uid\":\"u\",\"nsp\":\"/\",\"type\":9,\"data\":{\"packet\":[\"hello\",1],\"requestId\":\"q\"}}",
         ADAPTER_SERVER_EVENT, "", "", "[\"hello\",1]"},
    };
    struct read read = {0};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        for (int sharded = 0; sharded < 2; sharded++) {
            assert_true(read_text(&read, sharded ? ADAPTER_SHARDED_ALL : ADAPTER_CLASSIC_REQUESTS,
                                  sharded ? rows[i].sharded : rows[i].classic));
            assert_int_equal(read.message.kind, rows[i].kind);
            assert_slice(read.message.rooms, rows[i].rooms);
            assert_slice(read.message.moved, rows[i].moved);
            assert_slice(read.message.args, rows[i].args);
            assert_int_equal(read.message.closes, rows[i].kind == ADAPTER_DISCONNECT);
        }
    }
    assert_true(read_text(&read, ADAPTER_CLASSIC_REQUESTS, "{\"uid\":\"u\",\"requestId\":\"q\",\"type\":1}"));
    assert_int_equal(read.message.kind, ADAPTER_ROOMS);
    assert_true(
        read_text(&read, ADAPTER_CLASSIC_REQUESTS, "{\"uid\":\"u\",\"requestId\":\"q\",\"type\":0,\"rooms\":[\"a\"]}"));
    assert_int_equal(read.message.kind, ADAPTER_SOCKETS);
    assert_slice(read.message.rooms, "[\"a\"]");
    assert_true(read_text(&read, ADAPTER_CLASSIC_REQUESTS,
                          "{\"uid\":\"u\",\"requestId\":\"q\",\"type\":2,\"sid\":\"s\",\"room\":\"b\"}"));
    assert_slice(read.message.rooms, "\"s\"");
    assert_slice(read.message.moved, "\"b\"");
    assert_true(read_packed(&read, ADAPTER_CLASSIC_REQUESTS,
                            "{\"uid\":\"u\",\"requestId\":\"q\",\"type\":7,\"packet\":{\"type\":2,\"data\":[\"hi\"],"
                            "\"nsp\":\"/\"},\"opts\":{\"rooms\":[\"a\"],\"except\":[],\"flags\":{\"timeout\":1500}}}"));
    assert_int_equal(read.message.kind, ADAPTER_EMIT);
    assert_int_equal(read.message.timeout_ms, 1500);
    assert_slice(read.message.request_id, "\"q\"");
    assert_true(read_text(&read, ADAPTER_CLASSIC_REQUESTS, "{\"type\":8,\"requestId\":\"q\",\"clientCount\":1}"));
    assert_int_equal(read.message.kind, ADAPTER_OTHER);
    read_done(&read);
}

static void what_is_of_another_form_or_namespace_is_refused(void **state) {
    struct read read = {0};
    assert_false(read_text(&read, ADAPTER_CLASSIC_EMITS, "{}"));
    assert_false(read_text(&read, ADAPTER_CLASSIC_EMITS, "{\"type\":"));
    assert_false(read_packed(&read, ADAPTER_CLASSIC_EMITS, "[\"u\"]"));
    assert_false(read_packed(&read, ADAPTER_CLASSIC_EMITS, "[1,{\"type\":2,\"data\":[\"hi\"]},{}]"));
    assert_false(read_packed(&read, ADAPTER_CLASSIC_EMITS, "[\"u\",{\"type\":3,\"data\":[\"hi\"]},{}]"));
    assert_false(read_packed(&read, ADAPTER_CLASSIC_EMITS, "[\"u\",{\"type\":2,\"data\":{}},{}]"));
    assert_false(read_packed(&read, ADAPTER_CLASSIC_EMITS, "[\"u\",{\"type\":2,\"data\":[\"hi\"],\"nsp\":\"/x\"},{}]"));
    assert_false(read_packed(&read, ADAPTER_CLASSIC_EMITS, "[\"u\",{\"type\":2,\"data\":[\"hi\"]},{},1]"));
    assert_false(read_text(&read, ADAPTER_CLASSIC_REQUESTS, "{\"requestId\":\"q\"}"));
    assert_false(read_packed(&read, ADAPTER_SHARDED_ALL, "[1]"));
    assert_false(read_text(&read, ADAPTER_SHARDED_ALL, "{\"uid\":\"u\",\"type\":4,\"data\":{}}"));
    assert_false(read_text(&read, ADAPTER_SHARDED_ALL, "{\"uid\":\"u\",\"nsp\":\"/x\",\"type\":4,\"data\":{}}"));
    read_done(&read);
}

/* The sharded adapter leaves it out of the packet, an old emitter out of everything. */
static void a_packet_without_a_namespace_takes_the_message_s(void **state) {
    static const char sharded[] =
        "{\"uid\":\"u\",\"nsp\":\"/x\",\"type\":3,\"data\":{\"opts\":{\"rooms\":[]},"
        "\"packet\":{\"type\":2,\"data\":[\"hi\"]}}}";
    struct read read = {0};
    buffer_append_str(&read.bytes, sharded);
    assert_true(read_bytes(&read, ADAPTER_SHARDED_ALL, "/x"));
    assert_false(read_bytes(&read, ADAPTER_SHARDED_ALL, "/"));
    buffer_clear(&read.bytes);
    msgpack_write(&read.bytes, SLICE("[\"emitter\",{\"type\":2,\"data\":[\"hi\"]},{\"rooms\":[]}]"), NULL, 0);
    assert_true(read_bytes(&read, ADAPTER_CLASSIC_EMITS, "/"));
    assert_false(read_bytes(&read, ADAPTER_CLASSIC_EMITS, "/x"));
    read_done(&read);
}

static void what_does_not_say_whom_it_is_about_is_about_nobody(void **state) {
    static const char *const classic[] = {
        "{\"uid\":\"u\",\"type\":2,\"rooms\":[\"b\"]}",
        "{\"uid\":\"u\",\"type\":4,\"close\":true}",
        "{\"uid\":\"u\",\"type\":4,\"opts\":{\"rooms\":\"a\"}}",
        "{\"uid\":\"u\",\"type\":4,\"opts\":{\"rooms\":[],\"except\":{}}}",
        "{\"uid\":\"u\",\"type\":5,\"requestId\":\"q\"}",
        "{\"uid\":\"u\",\"type\":0,\"requestId\":\"q\",\"rooms\":7}",
    };
    static const char *const sharded[] = {
        "{\"uid\":\"u\",\"nsp\":\"/\",\"type\":3,\"data\":{\"packet\":{\"type\":2,\"data\":[\"hi\"],\"nsp\":\"/\"}}}",
        "{\"uid\":\"u\",\"nsp\":\"/\",\"type\":4,\"data\":{\"rooms\":[\"b\"]}}",
        "{\"uid\":\"u\",\"nsp\":\"/\",\"type\":6,\"data\":{\"opts\":[],\"close\":true}}",
    };
    struct read read = {0};
    for (size_t i = 0; i < sizeof classic / sizeof *classic; i++)
        assert_false(read_text(&read, ADAPTER_CLASSIC_REQUESTS, classic[i]));
    for (size_t i = 0; i < sizeof sharded / sizeof *sharded; i++)
        assert_false(read_text(&read, ADAPTER_SHARDED_ALL, sharded[i]));
    assert_true(read_text(&read, ADAPTER_CLASSIC_REQUESTS,
                          "{\"uid\":\"u\",\"requestId\":\"q\",\"type\":4,\"sid\":\"s\",\"close\":true}"));
    assert_slice(read.message.rooms, "\"s\"");
    assert_true(read.message.closes);
    read_done(&read);
}

static void names_are_texts_and_numbers_up_to_a_bound(void **state) {
    struct buffer text = {0};
    struct slice names[3];
    size_t len;
    assert_true(adapter_names(SLICE("[\"a\\u0062\",7,\"\"]"), &text, names, 3, &len));
    assert_int_equal(len, 3);
    assert_slice(names[0], "ab");
    assert_slice(names[1], "7");
    assert_slice(names[2], "");
    assert_true(adapter_names(SLICE("\"one\""), &text, names, 3, &len));
    assert_int_equal(len, 1);
    assert_slice(names[0], "one");
    assert_true(adapter_names(SLICE_NONE, &text, names, 3, &len));
    assert_int_equal(len, 0);
    assert_false(adapter_names(SLICE("[\"a\",null]"), &text, names, 3, &len));
    assert_false(adapter_names(SLICE("[1,2,3,4]"), &text, names, 3, &len));
    assert_int_equal(len, 3);
    buffer_done(&text);
}

static void our_own_emit_is_read_back_and_bears_our_mark(void **state) {
    const struct slice rooms[] = {SLICE("a"), SLICE("b")}, attachment = SLICE("\x01\x02");
    struct adapter_emit emit = {.namespace_name = SLICE("/"),
                                .rooms = rooms,
                                .rooms_len = 2,
                                .is_volatile = true,
                                .args = SLICE("[\"hi\",{\"_placeholder\":true,\"num\":0}]"),
                                .attachments = &attachment,
                                .attachments_len = 1};
    struct read read = {0};
    for (enum adapter_form form = ADAPTER_CLASSIC; form <= ADAPTER_SHARDED; form++) {
        buffer_clear(&read.bytes);
        adapter_write_emit(&read.bytes, form, SLICE("me"), &emit);
        assert_true(read_bytes(&read, form == ADAPTER_CLASSIC ? ADAPTER_CLASSIC_EMITS : ADAPTER_SHARDED_ALL, "/"));
        assert_true(read.message.is_ours);
        assert_true(read.message.is_volatile);
        assert_slice(read.message.uid, "\"me\"");
        assert_slice(read.message.rooms, "[\"a\",\"b\"]");
        assert_slice(read.message.args, "[\"hi\",{\"_placeholder\":true,\"num\":0}]");
        assert_int_equal(read.binaries.len, 1);
        assert_true(slice_equal(read.binaries.items[0], attachment));
    }
    emit.attachments_len = 0;
    emit.args = SLICE("[\"hi\"]");
    buffer_clear(&read.bytes);
    adapter_write_emit(&read.bytes, ADAPTER_SHARDED, SLICE("me"), &emit);
    assert_int_equal(read.bytes.ptr[0], '{'); /* JSON, where nothing is binary */
    read_done(&read);
}

static void answers_have_the_form_that_the_asker_expects(void **state) {
    static const struct {
        enum adapter_answer answer;
        const char *value, *classic, *sharded;
    } rows[] = {
        {ANSWER_SOCKET_IDS, "[\"s\"]", "{\"requestId\":\"q\",\"sockets\":[\"s\"]}", NULL},
        {ANSWER_ROOMS, "[\"r\"]", "{\"requestId\":\"q\",\"rooms\":[\"r\"]}", NULL},
        {ANSWER_DONE, "", "{\"requestId\":\"q\"}", NULL},
        {ANSWER_SOCKETS, "[]", "{\"requestId\":\"q\",\"sockets\":[]}",
         "{\"uid\":\"me\",\"nsp\":\"/\",\"type\":8,\"data\":{\"requestId\":\"q\",\"sockets\":[]}}"},
        {ANSWER_EVENT, "null", "{\"type\":6,\"requestId\":\"q\",\"data\":null}",
         "{\"uid\":\"me\",\"nsp\":\"/\",\"type\":10,\"data\":{\"requestId\":\"q\",\"packet\":null}}"},
        {ANSWER_COUNT, "3", "{\"type\":8,\"requestId\":\"q\",\"clientCount\":3}",
         "{\"uid\":\"me\",\"nsp\":\"/\",\"type\":11,\"data\":{\"requestId\":\"q\",\"clientCount\":3}}"},
    };
    struct buffer out = {0}, json = {0};
    struct msgpack_binaries binaries;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        for (enum adapter_form form = ADAPTER_CLASSIC; form <= ADAPTER_SHARDED; form++) {
            const char *expected = form == ADAPTER_CLASSIC ? rows[i].classic : rows[i].sharded;
            if (!expected) continue;
            buffer_clear(&out);
            adapter_write_answer(&out, form, rows[i].answer, SLICE("me"), SLICE("/"), SLICE("\"q\""),
                                 slice_of(rows[i].value), NULL, 0);
            assert_slice(buffer_slice(&out), expected);
        }
    }
    buffer_clear(&out);
    adapter_write_answer(&out, ADAPTER_CLASSIC, ANSWER_ACK, SLICE("me"), SLICE("/"), SLICE("\"q\""), SLICE("\"yes\""),
                         NULL, 0);
    assert_true(msgpack_read(buffer_slice(&out), &json, &binaries));
    assert_slice(buffer_slice(&json), "{\"type\":9,\"requestId\":\"q\",\"packet\":\"yes\"}");
    buffer_done(&out);
    buffer_done(&json);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_emit_of_the_classic_adapter_is_read),
        cmocka_unit_test(an_emit_of_the_sharded_adapter_is_read),
        cmocka_unit_test(each_request_is_read_in_both_forms),
        cmocka_unit_test(what_is_of_another_form_or_namespace_is_refused),
        cmocka_unit_test(a_packet_without_a_namespace_takes_the_message_s),
        cmocka_unit_test(what_does_not_say_whom_it_is_about_is_about_nobody),
        cmocka_unit_test(names_are_texts_and_numbers_up_to_a_bound),
        cmocka_unit_test(our_own_emit_is_read_back_and_bears_our_mark),
        cmocka_unit_test(answers_have_the_form_that_the_asker_expects),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
