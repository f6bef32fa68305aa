/* SPDX-License-Identifier: Apache-2.0 */
/* What core/base promises: memory that grows, bytes that hash, entries that are found, ids that ascend. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/ids.h"
#include "base/list.h"
#include "base/map.h"

static void buffer_grows_and_gives_its_bytes_away(void **state) {
    struct buffer buffer = {0};
    for (int i = 0; i < 1000; i++) buffer_printf(&buffer, "%d,", i);
    buffer_append_slice(&buffer, SLICE("end"));
    buffer_consume(&buffer, strlen("0,1,"));
    size_t len;
    char *taken = buffer_take(&buffer, &len);
    assert_int_equal(buffer.len, 0);
    assert_int_equal(strlen(taken), len);
    assert_memory_equal(taken, "2,3,", 4);
    assert_string_equal(taken + len - 7, "999,end");
    free(taken);
    buffer_append(&buffer, NULL, 0);
    taken = buffer_take(&buffer, NULL);
    assert_string_equal(taken, "");
    free(taken);
}

static void buffer_consumes_all_and_is_used_again(void **state) {
    struct buffer buffer = {0};
    buffer_append_str(&buffer, "abc");
    buffer_consume(&buffer, 3);
    assert_int_equal(buffer.len, 0);
    memcpy(buffer_reserve(&buffer, 2), "xy", 2);
    assert_int_equal(buffer.len, 0);
    buffer_append_char(&buffer, 'z');
    assert_true(slice_is(buffer_slice(&buffer), "z"));
    buffer_done(&buffer);
}

static void error_is_one_line_and_may_wrap_itself(void **state) {
    struct error error;
    error_set(&error, "key: value is above %d", 65535);
    error_set(&error, "stoa.lua:3: %s\nsecond", error.text);
    assert_string_equal(error.text, "stoa.lua:3: key: value is above 65535 second");
    char longer[2000];
    memset(longer, 'x', sizeof(longer));
    error_set(&error, "%.*s", (int)sizeof(longer), longer);
    assert_int_equal(strlen(error.text), sizeof(error.text) - 1);
    error_set(NULL, "nobody listens");
}

/* The vectors that were published with SipHash: key 00 01 … 0f, message 00 01 … of each length. */
static void hash_is_siphash_2_4(void **state) {
    static const uint64_t expected[] = {
        0x726fdb47dd0e0e31, 0x74f839c593dc67fd, 0x0d6c8009d9a94f5a, 0x85676696d7fb7e2d, 0xcf2794e0277187b7,
        0x18765564cd99a68d, 0xcbc9466e58fee3ce, 0xab0200f58b01d137, 0x93f5f5799a932462,
    };
    char message[15];
    for (int i = 0; i < 15; i++) message[i] = (char)i;
    for (size_t len = 0; len < sizeof(expected) / sizeof(expected[0]); len++)
        assert_true(hash_keyed(0x0706050403020100, 0x0f0e0d0c0b0a0908, (struct slice){message, len}) == expected[len]);
    /* The paper's appendix. */
    assert_true(hash_keyed(0x0706050403020100, 0x0f0e0d0c0b0a0908, (struct slice){message, 15}) == 0xa129ca6149be45e5);
    assert_true(hash_fixed(SLICE("general")) == hash_keyed(0, 0, SLICE("general")));
    assert_true(hash_local(SLICE("general")) == hash_local(SLICE("general")));
    assert_true(hash_local(SLICE("general")) != hash_fixed(SLICE("general")));
}

struct item {
    struct list link;
    int number;
};

static void list_lets_links_go_while_walking(void **state) {
    struct list head, other;
    struct item items[5];
    list_init(&head);
    list_init(&other);
    for (int i = 0; i < 5; i++) {
        items[i].number = i;
        list_append(&head, &items[i].link);
    }
    int seen = 0;
    LIST_EACH(&head, link) {
        seen++;
        if (CONTAINER(link, struct item, link)->number % 2) list_remove(link);
    }
    assert_int_equal(seen, 5);
    list_remove(&items[1].link); /* again */
    list_splice(&other, &head);
    list_splice(&other, &head);
    assert_true(list_empty(&head));
    for (int i = 0; i < 5; i += 2) assert_ptr_equal(list_pop(&other), &items[i].link);
    assert_null(list_pop(&other));
}

enum { KEYS = 100000 };
static char keys[KEYS][12];

static struct map *map_of_all_keys(void) {
    struct map *map = map_new();
    for (int i = 0; i < KEYS; i++) {
        snprintf(keys[i], sizeof(keys[i]), "key-%d", i);
        assert_null(map_put(map, slice_of(keys[i]), keys[i]));
    }
    assert_int_equal(map_size(map), KEYS);
    return map;
}

static void map_finds_each_of_many_keys(void **state) {
    struct map *map = map_of_all_keys();
    for (int i = 0; i < KEYS; i++) assert_ptr_equal(map_find(map, slice_of(keys[i])), keys[i]);
    assert_null(map_find(map, SLICE("key")));
    for (int i = 0; i < KEYS; i += 3) assert_ptr_equal(map_remove(map, slice_of(keys[i])), keys[i]);
    for (int i = 0; i < KEYS; i++) {
        void *value = map_find(map, slice_of(keys[i]));
        assert_ptr_equal(value, i % 3 == 0 ? NULL : keys[i]);
    }
    assert_null(map_remove(map, slice_of(keys[0])));
    map_free(&map);
    assert_null(map);
    map_free(&map);
}

static void map_replaces_key_and_value(void **state) {
    struct map *map = map_new();
    char first[] = "alice", second[] = "alice";
    assert_null(map_find(map, SLICE("alice")));
    assert_null(map_remove(map, SLICE("alice")));
    assert_null(map_put(map, slice_of(first), first));
    assert_ptr_equal(map_put(map, slice_of(second), second), first);
    first[0] = '?';
    assert_ptr_equal(map_find(map, SLICE("alice")), second);
    assert_int_equal(map_size(map), 1);
    assert_null(map_put(map, SLICE(""), map));
    assert_ptr_equal(map_find(map, SLICE_NONE), map);
    map_free(&map);
}

/* Maps of each size up to one that wraps around in all ways, and one that is large. */
static void map_walk_sees_each_entry_once_while_entries_go(void **state) {
    static bool seen[KEYS];
    struct map *all = map_of_all_keys();
    for (int count = 0; count <= KEYS; count = count < 300 ? count + 1 : count * 7) {
        if (count > 300 && count * 7 > KEYS) count = KEYS;
        struct map *map = map_new();
        for (int i = 0; i < count; i++) map_put(map, slice_of(keys[i]), keys[i]);
        memset(seen, 0, sizeof(seen));
        size_t cursor = 0;
        int walked = 0;
        for (char *key; (key = map_next(map, &cursor)); walked++) {
            int number = (int)((key - keys[0]) / (int)sizeof(keys[0]));
            assert_false(seen[number]);
            seen[number] = true;
            if (number % 5 != 0) assert_ptr_equal(map_remove(map, slice_of(key)), key);
        }
        assert_int_equal(walked, count);
        assert_int_equal(map_size(map), (count + 4) / 5);
        for (int i = 0; i < count; i += 5) assert_non_null(map_find(map, slice_of(keys[i])));
        map_free(&map);
        if (count == KEYS) break;
    }
    map_free(&all);
}

static void id_random_is_base64url_and_new_each_time(void **state) {
    char a[ID_SECRET_LEN + 1], b[ID_SECRET_LEN + 1];
    for (int i = 0; i < 1000; i++) {
        id_random(a, ID_SECRET_LEN);
        id_random(b, ID_SECRET_LEN);
        assert_int_equal(strlen(a), ID_SECRET_LEN);
        assert_int_equal(strspn(a, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"), ID_SECRET_LEN);
        assert_string_not_equal(a, b);
    }
}

static void id_message_ascends_within_a_millisecond_and_when_the_clock_steps_back(void **state) {
    static const uint64_t clock[] = {1767225600000, 1767225600000, 1767225600001, 1767225500000, 0, 1767225600002};
    char last[ID_MESSAGE_LEN + 1] = "", id[ID_MESSAGE_LEN + 1];
    for (size_t i = 0; i < sizeof(clock) / sizeof(clock[0]); i++) {
        for (int n = 0; n < 1000; n++) {
            id_message(id, clock[i]);
            assert_int_equal(strlen(id), ID_MESSAGE_LEN);
            assert_true(strcmp(last, id) < 0);
            memcpy(last, id, sizeof(id));
        }
    }
    /* 1767225600002 in Crockford's base 32. */
    assert_memory_equal(id, "01KDVDNA02", 10);
}

static void ids_of_a_forked_child_are_its_own(void **state) {
    char mine[2][64], its[2][64];
    int ends[2];
    id_random(mine[0], ID_SECRET_LEN);
    id_message(mine[1], 1);
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        memset(its, 0, sizeof(its));
        id_random(its[0], ID_SECRET_LEN);
        id_message(its[1], 1);
        _exit(write(ends[1], its, sizeof(its)) != sizeof(its));
    }
    id_random(mine[0], ID_SECRET_LEN);
    id_message(mine[1], 1);
    assert_int_equal(read(ends[0], its, sizeof(its)), sizeof(its));
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_string_not_equal(mine[0], its[0]);
    assert_string_not_equal(mine[1], its[1]);
    close(ends[0]);
    close(ends[1]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buffer_grows_and_gives_its_bytes_away),
        cmocka_unit_test(buffer_consumes_all_and_is_used_again),
        cmocka_unit_test(error_is_one_line_and_may_wrap_itself),
        cmocka_unit_test(hash_is_siphash_2_4),
        cmocka_unit_test(list_lets_links_go_while_walking),
        cmocka_unit_test(map_finds_each_of_many_keys),
        cmocka_unit_test(map_replaces_key_and_value),
        cmocka_unit_test(map_walk_sees_each_entry_once_while_entries_go),
        cmocka_unit_test(id_random_is_base64url_and_new_each_time),
        cmocka_unit_test(id_message_ascends_within_a_millisecond_and_when_the_clock_steps_back),
        cmocka_unit_test(ids_of_a_forked_child_are_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
