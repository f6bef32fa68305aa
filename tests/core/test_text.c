/* SPDX-License-Identifier: Apache-2.0 */
/* base64, query strings, UTF-8, origins and the plain form: one reading each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "redis/redis_name.h"
#include "wire/base64.h"
#include "wire/json_client.h"
#include "wire/origin.h"
#include "wire/url_query.h"
#include "wire/user_id.h"
#include "wire/utf8.h"

static struct buffer out;

static int tear_down(void **state) {
    buffer_done(&out);
    return 0;
}

static bool written(const char *expected) {
    bool same = slice_is(buffer_slice(&out), expected);
    if (!same) print_message("%.*s\n", (int)out.len, out.ptr);
    buffer_clear(&out);
    return same;
}

static void a_user_id_may_be_any_identity_providers(void **state) {
    static const char *const good[] = {"alice",
                                       "42",
                                       "auth0|5f7c8ec7c33c6c004bbafe82",
                                       "google-oauth2|103547991597142817347",
                                       "f3a1b9d2-5c1e-4d0a-9f57-2f0f4b1c9e11",
                                       "alice@uni.example",
                                       "waad|Zm9v/+=",
                                       "samlp|Uni Example|alice",
                                       "CN=Alice O'Hara,OU=Staff,O=\"Uni\"",
                                       "{u:}\\%",
                                       "Åsa Öberg",
                                       "アリス",
                                       "\U0001F98A"};
    static const char *const bad[] = {"",         "a\nb", "a\tb", "\x7f",        "a\xC2\x85",
                                      "\xC2\x9F", "\xFF", "\xC3", "\xED\xA0\x80"};
    char most[USER_ID_MAX + 1];
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) assert_true(user_id_valid(slice_of(good[i])));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) assert_false(user_id_valid(slice_of(bad[i])));
    assert_false(user_id_valid((struct slice){"a\0b", 3}));
    memset(most, '|', sizeof most);
    assert_true(user_id_valid((struct slice){most, USER_ID_MAX}));
    assert_false(user_id_valid((struct slice){most, USER_ID_MAX + 1}));
}

static void what_others_name_cannot_steer_a_key_of_redis(void **state) {
    static const struct {
        const char *name, *key;
    } rows[] = {{"", ""},
                {"/#channel:lobby", "/#channel:lobby"},
                {"@alice@uni.example", "@alice@uni.example"},
                {"@auth0|5f7c", "@auth0%7C5f7c"},
                {"lobby alice", "lobby%20alice"},
                {"}{x}", "%7D%7Bx%7D"},
                {"a%20b", "a%2520b"},
                {"*?[a]\\\"\n", "%2A%3F%5Ba%5D%5C%22%0A"},
                {"Å", "%C3%85"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        redis_name_append(&out, slice_of(rows[i].name));
        assert_in_range(out.len, 0, REDIS_NAME_GROWTH * strlen(rows[i].name));
        assert_true(written(rows[i].key));
    }
}

static void base64_is_written_and_read_back(void **state) {
    static const struct {
        const char *text, *padded, *url;
    } rows[] = {{"", "", ""},
                {"f", "Zg==", "Zg"},
                {"fo", "Zm8=", "Zm8"},
                {"foo", "Zm9v", "Zm9v"},
                {"\xFB\xEF\xFF", "++//", "--__"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        base64_encode(&out, slice_of(rows[i].text));
        assert_true(written(rows[i].padded));
        base64url_encode(&out, slice_of(rows[i].text));
        assert_true(written(rows[i].url));
        assert_true(base64_decode(&out, slice_of(rows[i].padded)) && written(rows[i].text));
        assert_true(base64url_decode(&out, slice_of(rows[i].url)) && written(rows[i].text));
    }
}

static void base64url_of_tokens_has_one_spelling(void **state) {
    static const char *const none[] = {
        "A", "Zg=", "Zg===", "Zh==", "Zh", "Zm9", "Z g=", "Zg\n", "Zm9v=", "=", "Zm*v", "Zg==", "++//"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        if (base64url_decode(&out, slice_of(none[i]))) fail_msg("base64url %s", none[i]);
    }
    assert_int_equal(out.len, 0);
}

/* Android's encoder ends with a line end, others break lines, leave padding out or know the alphabet of URLs. */
static void base64_is_read_however_a_client_writes_it(void **state) {
    static const struct {
        const char *base64, *text;
    } rows[] = {{"Zg=", "f"},
                {"Zg", "f"},
                {"Zg===", "f"},
                {"Z g=\n=", "f"},
                {"Zm8=\r\n", "fo"},
                {"Zm\r\n\t 9v\n", "foo"},
                {"Zm9v=", "foo"},
                {"Zh==", "f"},
                {"Zm9", "fo"},
                {"=", ""},
                {"--__", "\xFB\xEF\xFF"},
                {"+-/_", "\xFB\xEF\xFF"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (!base64_decode(&out, slice_of(rows[i].base64)) || !written(rows[i].text)) fail_msg("%s", rows[i].base64);
    }
    static const char *const none[] = {"A", "Zm9vY", "Zm*v", "Zg==Zg==", "Zg=\n=Zg", "Zm9v\xC2\xA0"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        if (base64_decode(&out, slice_of(none[i]))) fail_msg("%s", none[i]);
    }
    assert_int_equal(out.len, 0);
}

static void a_query_is_decoded_and_its_first_value_counts(void **state) {
    struct slice query = SLICE("EIO=4&transport=polling&%73id=a%20b+c&sid=x&empty=&flag&bad=%zz&cut=%4&&=v");
    assert_true(url_query_find(query, "EIO", &out) && written("4"));
    assert_true(url_query_find(query, "sid", &out) && written("a b c"));
    assert_true(url_query_find(query, "empty", &out) && written(""));
    assert_true(url_query_find(query, "flag", &out) && written(""));
    assert_false(url_query_find(query, "bad", &out));
    assert_false(url_query_find(query, "cut", &out));
    assert_false(url_query_find(query, "none", &out));
    assert_true(written(""));
    url_query_write_json(SLICE("a=1&b=%22&bad=%zz&utf=%ff&c"), &out);
    assert_true(written("{\"a\":\"1\",\"b\":\"\\\"\",\"c\":\"\"}"));
    url_query_write_json(SLICE_NONE, &out);
    assert_true(written("{}"));
}

static void utf8_is_shortest_forms_of_scalars(void **state) {
    static const struct slice good[] = {SLICE(""),
                                        SLICE_NONE,
                                        SLICE("a\0z"),
                                        SLICE("\xC2\x80\xDF\xBF"),
                                        SLICE("\xE0\xA0\x80\xEF\xBF\xBF"),
                                        SLICE("\xED\x9F\xBF"),
                                        SLICE("\xF0\x90\x80\x80\xF4\x8F\xBF\xBF")};
    static const struct slice bad[] = {SLICE("\x80"),
                                       SLICE("\xC0\x80"),
                                       SLICE("\xC1\xBF"),
                                       SLICE("\xC2"),
                                       SLICE("\xC2\x41"),
                                       SLICE("\xE0\x9F\xBF"),
                                       SLICE("\xE2\x82"),
                                       SLICE("\xED\xA0\x80"),
                                       SLICE("\xED\xBF\xBF"),
                                       SLICE("\xF0\x8F\xBF\xBF"),
                                       SLICE("\xF0\x90\x80"),
                                       SLICE("\xF4\x90\x80\x80"),
                                       SLICE("\xF5\x80\x80\x80"),
                                       SLICE("\xFF"),
                                       SLICE("ok\xE2\x28\xA1")};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) assert_true(utf8_valid(good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (utf8_valid(bad[i])) fail_msg("row %zu", i);
    }
}

static void an_origin_is_compared_as_a_whole(void **state) {
    static const char *const self[] = {"self"}, *const listed[] = {"https://good.example"}, *const all[] = {"*"};
    struct slice host = SLICE("chat.example:8443");
    assert_true(origin_allowed(SLICE("https://chat.example:8443"), host, self, 1));
    assert_true(origin_allowed(SLICE("http://chat.example:8443"), host, self, 1));
    assert_true(origin_allowed(SLICE("https://good.example"), host, listed, 1));
    assert_true(origin_allowed(SLICE("HTTPS://GOOD.example:443"), host, listed, 1));
    assert_true(origin_allowed(SLICE("null"), host, all, 1));
    static const struct slice strangers[] = {
        SLICE("null"),
        SLICE(""),
        SLICE("https://"),
        SLICE("chat.example:8443"),
        SLICE("ftp://chat.example:8443"),
        SLICE("https://chat.example"),
        SLICE("https://chat.example:8443/"),
        SLICE("https://chat.example:8443.evil.example"),
        SLICE("https://good.example.evil.com"),
        SLICE("https://goodXexample"),
        SLICE("https://good.example:80"),
        SLICE("https://good.example:4430"),
        SLICE("https://good.example:443/"),
        SLICE("https://a@good.example"),
        SLICE("https://good.example."),
        SLICE("http://good.example"),
    };
    for (size_t i = 0; i < sizeof strangers / sizeof *strangers; i++) {
        if (origin_allowed(strangers[i], host, self, 1)) fail_msg("self: %.*s", SLICE_ARG(strangers[i]));
        if (origin_allowed(strangers[i], host, listed, 1)) fail_msg("listed: %.*s", SLICE_ARG(strangers[i]));
        assert_false(origin_allowed(strangers[i], host, NULL, 0));
    }
    assert_false(origin_allowed(SLICE("http://"), SLICE_NONE, self, 1));
}

static void the_default_port_of_a_scheme_may_be_said_or_not(void **state) {
    static const struct {
        const char *origin, *host;
        bool same;
    } rows[] = {
        {"https://c.example", "c.example:443", true},
        {"https://c.example:443", "c.example", true},
        {"https://c.example", "C.Example", true},
        {"http://c.example", "c.example:80", true},
        {"http://[::1]", "[::1]:80", true},
        {"http://[::1]:3000", "[::1]:3000", true},
        {"https://c.example", "c.example:80", false},
        {"http://c.example", "c.example:443", false},
        {"https://c.example:8443", "c.example", false},
        {"https://c.example", "c.example:8443", false},
        {"http://[::1]:3000", "[::2]:3000", false},
        {"http://[::1]", "[::1]:3000", false},
        {"https://c.example.", "c.example", false},
        {"https://c.example:44x", "c.example:44x", false},
        {"ws://c.example", "c.example", false},
        {"https://c.example", "x@c.example", false},
        {"https://c.example:443", "c.example:80", false},
    };
    static const char *const self[] = {"self"};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (origin_allowed(slice_of(rows[i].origin), slice_of(rows[i].host), self, 1) != rows[i].same)
            fail_msg("%s at %s", rows[i].origin, rows[i].host);
    static const char *const listed[] = {"https://C.example:443", "capacitor://localhost", "http://[2001:db8::7]:80"};
    static const char *const friends[] = {"https://c.example", "capacitor://localhost", "http://[2001:db8::7]"};
    for (size_t i = 0; i < 3; i++) assert_true(origin_allowed(slice_of(friends[i]), SLICE("x"), listed, 3));
    assert_false(origin_allowed(SLICE("capacitor://localhost:80"), SLICE("x"), listed, 3));
}

static void the_plain_form_is_read(void **state) {
    struct json_client_packet packet;
    assert_int_equal(json_client_decode(SLICE("{\"type\":\"connect\"}"), &packet), JSON_CLIENT_OK);
    assert_true(packet.type == JSON_CLIENT_CONNECT && packet.auth.len == 0);
    assert_int_equal(json_client_decode(SLICE("{\"type\":\"connect\",\"auth\":{\"user\":1}}"), &packet),
                     JSON_CLIENT_OK);
    assert_true(slice_is(packet.auth, "{\"user\":1}"));
    assert_int_equal(json_client_decode(SLICE("{\"id\":7,\"type\":\"event\",\"event\":\"e\",\"args\":[1]}"), &packet),
                     JSON_CLIENT_OK);
    assert_true(packet.type == JSON_CLIENT_EVENT && packet.has_id && packet.id == 7 && slice_is(packet.args, "[1]"));
    assert_int_equal(json_client_decode(SLICE("{\"type\":\"event\",\"event\":\"e\"}"), &packet), JSON_CLIENT_OK);
    assert_true(!packet.has_id && slice_is(packet.args, "[]"));
    assert_int_equal(json_client_decode(SLICE("{\"type\":\"ack\",\"id\":0,\"args\":[]}"), &packet), JSON_CLIENT_OK);
    assert_true(packet.type == JSON_CLIENT_ACK && packet.has_id);
    static const char *const no_json[] = {"", "x", "[]", "\"connect\"", "{\"type\":\"connect\""};
    static const char *const no_type[] = {
        "{}",
        "{\"type\":1}",
        "{\"type\":\"open\"}",
        "{\"type\":\"connect\",\"auth\":1}",
        "{\"type\":\"event\"}",
        "{\"type\":\"event\",\"event\":1}",
        "{\"type\":\"event\",\"event\":\"e\",\"args\":{}}",
        "{\"type\":\"event\",\"event\":\"e\",\"id\":-1}",
        "{\"type\":\"event\",\"event\":\"e\",\"id\":\"1\"}",
        "{\"type\":\"ack\",\"args\":[]}",
        "{\"type\":\"ack\",\"id\":1.5}",
    };
    for (size_t i = 0; i < sizeof no_json / sizeof *no_json; i++)
        assert_int_equal(json_client_decode(slice_of(no_json[i]), &packet), JSON_CLIENT_BAD_JSON);
    for (size_t i = 0; i < sizeof no_type / sizeof *no_type; i++)
        assert_int_equal(json_client_decode(slice_of(no_type[i]), &packet), JSON_CLIENT_BAD_TYPE);
}

static void the_plain_form_is_written(void **state) {
    json_client_write_event(&out, SLICE("[ \"e\" , 1 , [2] ]"), true, 3);
    assert_true(written("{\"type\":\"event\",\"event\":\"e\",\"args\":[1,[2]],\"id\":3}"));
    json_client_write_event(&out, SLICE("[\"e\"]"), false, 0);
    assert_true(written("{\"type\":\"event\",\"event\":\"e\",\"args\":[]}"));
    json_client_write_ack(&out, SLICE("[null]"), 4);
    assert_true(written("{\"type\":\"ack\",\"id\":4,\"args\":[null]}"));
    json_client_write_connected(&out, SLICE("s1"));
    assert_true(written("{\"type\":\"connected\",\"id\":\"s1\"}"));
    json_client_write_refused(&out, SLICE("{\"code\":\"x\"}"));
    assert_true(written("{\"type\":\"refused\",\"error\":{\"code\":\"x\"}}"));
}

#define TEST(name) cmocka_unit_test_teardown(name, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_user_id_may_be_any_identity_providers),
        TEST(what_others_name_cannot_steer_a_key_of_redis),
        TEST(base64_is_written_and_read_back),
        TEST(base64url_of_tokens_has_one_spelling),
        TEST(base64_is_read_however_a_client_writes_it),
        TEST(a_query_is_decoded_and_its_first_value_counts),
        TEST(utf8_is_shortest_forms_of_scalars),
        TEST(an_origin_is_compared_as_a_whole),
        TEST(the_default_port_of_a_scheme_may_be_said_or_not),
        TEST(the_plain_form_is_read),
        TEST(the_plain_form_is_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
