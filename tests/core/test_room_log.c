/* SPDX-License-Identifier: Apache-2.0 */
/* What rooms keep for members that come back, and that they know what is gone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "channel/room.h"
#include "loop/loop.h"

enum { WINDOW_MS = 120000 };

static struct loop *loop;
static struct rooms *rooms;
static struct list memberships;
static unsigned delivered;

static void deliver(struct receiver *receiver, const struct room *room, struct packet *packet) {
    delivered++;
}
static const struct receiver_ops ops = {deliver};
static struct receiver alice = {.ops = &ops};

static int set_up(void **state) {
    static const struct room_limits limits = {.window_ms = WINDOW_MS, .max_events = 1000, .max_bytes = 1 << 20};
    loop = loop_new_with_fake_clock();
    rooms = rooms_new(loop, &limits);
    list_init(&memberships);
    room_join(rooms, SLICE("/"), SLICE("room"), &alice, &memberships, rooms_offset(rooms));
    delivered = 0;
    return 0;
}

static int tear_down(void **state) {
    rooms_free(&rooms);
    loop_free(&loop);
    return 0;
}

static const struct slice to = {"room", 4};
static const struct room_emit event = {
    .namespace_name = {"/", 1}, .to = &to, .to_len = 1, .class = PACKET_MESSAGE, .args = {"[\"x\"]", 5}};

static bool is_whole_after(uint64_t offset) {
    delivered = 0;
    return rooms_replay(rooms, &memberships, &alice, offset, 100, 1 << 20);
}

/* A late event from another worker has an earlier offset than live events of the meantime, and expires later than they.
 */
static void a_replay_without_an_event_that_was_forgotten_is_not_whole(void **state) {
    uint64_t base = rooms_offset(rooms);
    rooms_reserve(rooms, 10);
    room_emit(rooms, &event);
    loop_advance(loop, WINDOW_MS / 2);
    room_keep(rooms, SLICE("/"), SLICE("room"), base + 1, &event);
    assert_true(is_whole_after(base));
    assert_int_equal(delivered, 2);
    loop_advance(loop, WINDOW_MS / 2 + 1); /* the live event has expired */
    assert_false(is_whole_after(base));
    assert_false(is_whole_after(base + 1));
    loop_advance(loop, WINDOW_MS / 2); /* and now the late one too */
    assert_false(is_whole_after(base));
    assert_false(is_whole_after(base + 1));
    assert_true(is_whole_after(base + 11));
    assert_int_equal(delivered, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_replay_without_an_event_that_was_forgotten_is_not_whole, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
