/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <netinet/in.h>

#include "loop/resolver.h"
#include "support/redis_stage.h"

struct looked_up {
    struct resolver_question question;
    unsigned answers;
    size_t len;
    struct sockaddr_storage addresses[RESOLVER_ADDRESSES];
};

static void done(struct resolver_question *question, const struct sockaddr_storage *addresses, size_t len) {
    struct looked_up *at = CONTAINER(question, struct looked_up, question);
    at->answers++;
    at->len = len;
    memcpy(at->addresses, addresses, len * sizeof(*addresses));
}

static void numbers_are_addresses(void **state) {
    struct resolver *resolver = resolver_new(stage_loop);
    struct looked_up four = {.question.done = done}, six = {.question.done = done};
    resolver_ask(resolver, &four.question, "127.0.0.1", 6379);
    resolver_ask(resolver, &six.question, "::1", 6380);
    stage_until(four.answers == 1 && six.answers == 1);
    const struct sockaddr_in *in = (const struct sockaddr_in *)&four.addresses[0];
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&six.addresses[0];
    assert_int_equal(four.len, 1);
    assert_int_equal(in->sin_port, htons(6379));
    assert_int_equal(in->sin_addr.s_addr, htonl(INADDR_LOOPBACK));
    assert_int_equal(six.len, 1);
    assert_int_equal(in6->sin6_port, htons(6380));
    assert_int_equal(resolver_address_len(&six.addresses[0]), sizeof(*in6));
    resolver_free(&resolver);
}

static void the_hosts_file_is_read(void **state) {
    struct resolver *resolver = resolver_new(stage_loop);
    struct looked_up local = {.question.done = done};
    resolver_ask(resolver, &local.question, "localhost", 1);
    stage_until(local.answers == 1);
    assert_in_range(local.len, 1, RESOLVER_ADDRESSES);
    resolver_free(&resolver);
}

static void what_is_forgotten_is_not_answered(void **state) {
    struct resolver *resolver = resolver_new(stage_loop);
    struct looked_up one = {.question.done = done}, two = {.question.done = done};
    resolver_ask(resolver, &one.question, "one.invalid", 1);
    resolver_ask(resolver, &two.question, "two.invalid", 1);
    resolver_forget(&one.question);
    resolver_forget(&one.question);
    stage_pass(50); /* long enough for an answer */
    assert_int_equal(one.answers, 0);
    resolver_free(&resolver); /* forgets the other question too */
    stage_pass(50);           /* a late answer would be a use after free */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, stage_set_up, stage_tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(numbers_are_addresses),
        TEST(the_hosts_file_is_read),
        TEST(what_is_forgotten_is_not_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
