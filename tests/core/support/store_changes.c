/* SPDX-License-Identifier: Apache-2.0 */
#include "support/store_changes.h"

#include "support/store_asking.h"

void an_edit_carries_the_message_and_not_its_reactions(void **state) {
    SAY(*state, "hall", "alice", "c1", "m1", "\"helo\"");
    ASK(*state, STORE_APPEND, .append.kind = STORE_REACTION_ADD, SAYING("hall", "bob", "", "m1", ""),
        .append.emoji = S("+1"));
    struct answer *edit =
        ASK(*state, STORE_APPEND, .append.kind = STORE_EDIT, SAYING("hall", "alice", "c2", "m1", "\"hello\""));
    assert_has(edit,
               "[\"message:updated\",{\"id\":\"m1\",\"channelId\":\"hall\",\"userId\":\"alice\",\"content\":\"hello\","
               "\"createdAt\":");
    assert_has(edit, "\"editedAt\":\"");
    assert_has(edit, "\"messageSeq\":1,\"seq\":3,");
    struct answer *again =
        ASK(*state, STORE_APPEND, .append.kind = STORE_EDIT, SAYING("hall", "alice", "c2", "m1", "\"hello\""));
    assert_true(again->duplicate);
    assert_string_equal(again->json, edit->json);
    struct answer *message = ASK(*state, STORE_MESSAGE, .channel_id = S("hall"), .messages.message_id = S("m1"));
    assert_has(message, "\"content\":\"hello\"");
    assert_has(message, "\"reactions\":{\"+1\":[\"bob\"]}");
    assert_has(message, "\"messageSeq\":1}");
    assert_has_not(ASK(*state, STORE_EVENTS, .channel_id = S("hall")), "reactions");
}

void deleted_content_is_nowhere_any_more(void **state) {
    SAY(*state, "hall", "alice", "c1", "m1", "\"secret one\"");
    ASK(*state, STORE_APPEND, .append.kind = STORE_EDIT, SAYING("hall", "alice", "", "m1", "\"secret two\""));
    ASK(*state, STORE_APPEND, .append.kind = STORE_REACTION_ADD, SAYING("hall", "bob", "", "m1", ""),
        .append.emoji = S("+1"));
    struct answer *deleted =
        ASK(*state, STORE_APPEND, .append.kind = STORE_DELETE, SAYING("hall", "bob", "", "m1", ""));
    assert_status(deleted, STORE_OK);
    char expected[200];
    snprintf(expected, sizeof(expected),
             "[\"message:deleted\",{\"channelId\":\"hall\",\"messageId\":\"m1\",\"seq\":4,\"epoch\":\"%s\"}]",
             deleted->epoch);
    assert_string_equal(deleted->json, expected);
    struct answer *events = ASK(*state, STORE_EVENTS, .channel_id = S("hall"));
    assert_has_not(events, "secret");
    assert_has(events, "\"message:new\"");
    assert_has(events, "\"message:updated\"");
    assert_has(events, "\"content\":\"\"");
    struct answer *message = ASK(*state, STORE_MESSAGE, .channel_id = S("hall"), .messages.message_id = S("m1"));
    assert_has(message, "\"content\":\"\",");
    assert_has(message, "\"deletedAt\":\"");
    assert_has_not(message, "reactions");
    struct answer *again = SAY(*state, "hall", "alice", "c1", "m2", "\"secret one\"");
    assert_true(again->duplicate);
    assert_has_not(again, "secret");
}

void a_deleted_message_cannot_be_changed(void **state) {
    SAY(*state, "hall", "alice", "", "m1", "1");
    ASK(*state, STORE_APPEND, .append.kind = STORE_DELETE, SAYING("hall", "alice", "", "m1", ""));
    for (enum store_kind kind = STORE_EDIT; kind <= STORE_REACTION_REMOVE; kind++)
        assert_status(ASK(*state, STORE_APPEND, .append.kind = kind, SAYING("hall", "alice", "", "m1", "2"),
                          .append.emoji = S("+1")),
                      STORE_NOT_FOUND);
    assert_int_equal(ASK(*state, STORE_CHANNEL, .channel_id = S("hall"))->seq, 2);
}

void a_reaction_counts_once(void **state) {
    SAY(*state, "hall", "alice", "", "m1", "1");
    struct answer *added = ASK(*state, STORE_APPEND, .append.kind = STORE_REACTION_ADD,
                               SAYING("hall", "bob", "", "m1", ""), .append.emoji = S("+1"));
    assert_has(added,
               "[\"reaction:changed\",{\"channelId\":\"hall\",\"messageId\":\"m1\",\"userId\":\"bob\",\"emoji\":\"+1\","
               "\"added\":true,\"seq\":2,\"epoch\":\"");
    struct answer *again = ASK(*state, STORE_APPEND, .append.kind = STORE_REACTION_ADD,
                               SAYING("hall", "bob", "", "m1", ""), .append.emoji = S("+1"));
    assert_true(again->duplicate);
    assert_string_equal(again->json, added->json);
    struct answer *absent = ASK(*state, STORE_APPEND, .append.kind = STORE_REACTION_REMOVE,
                                SAYING("hall", "carol", "", "m1", ""), .append.emoji = S("+1"));
    assert_true(absent->duplicate);
    assert_int_equal(absent->seq, 2);
    assert_string_equal(absent->json, added->json);
    struct answer *removed = ASK(*state, STORE_APPEND, .append.kind = STORE_REACTION_REMOVE,
                                 SAYING("hall", "bob", "", "m1", ""), .append.emoji = S("+1"));
    assert_int_equal(removed->seq, 3);
    assert_has(removed, "\"added\":false,\"seq\":3");
    assert_has_not(ASK(*state, STORE_MESSAGE, .channel_id = S("hall"), .messages.message_id = S("m1")), "reactions");
}

/* The user's n-th reaction to m1. */
static struct answer *react(void *state, enum store_kind kind, int user, int n) {
    char name[16], emoji[16];
    snprintf(name, sizeof name, "u%d", user);
    snprintf(emoji, sizeof emoji, "e%d", n);
    return SUBMIT(state, STORE_APPEND, .append.kind = kind, SAYING("hall", name, "", "m1", ""),
                  .append.emoji = S(emoji));
}

void a_message_has_so_many_reactions_and_a_user_so_many_of_them(void **state) {
    enum { USERS = STORE_REACTIONS_MAX / STORE_USER_REACTIONS_MAX };
    struct answer *last = NULL;
    SAY(*state, "hall", "alice", "", "m1", "1");
    for (int n = 0; n < STORE_USER_REACTIONS_MAX; n++) react(*state, STORE_REACTION_ADD, 0, n);
    struct answer *beyond = react(*state, STORE_REACTION_ADD, 0, STORE_USER_REACTIONS_MAX);
    struct answer *again = react(*state, STORE_REACTION_ADD, 0, 0);
    for (int user = 1; user < USERS; user++)
        for (int n = 0; n < STORE_USER_REACTIONS_MAX; n++) last = react(*state, STORE_REACTION_ADD, user, n);
    struct answer *full = react(*state, STORE_REACTION_ADD, USERS, 0);
    struct answer *back = react(*state, STORE_REACTION_REMOVE, 1, 0);
    struct answer *room = react(*state, STORE_REACTION_ADD, USERS, 0);
    asking_wait(*state);
    assert_status(beyond, STORE_TOO_LARGE);
    assert_true(again->duplicate);
    assert_int_equal(last->seq, STORE_REACTIONS_MAX + 1);
    assert_status(full, STORE_TOO_LARGE);
    assert_int_equal(back->seq, last->seq + 1);
    assert_int_equal(room->seq, last->seq + 2);
}

void reactions_are_grouped_by_emoji(void **state) {
    SAY(*state, "hall", "alice", "", "m1", "1");
    const char *who[][2] = {{"bob", "b"}, {"alice", "a"}, {"carol", "a"}};
    for (int i = 0; i < 3; i++)
        ASK(*state, STORE_APPEND, .append.kind = STORE_REACTION_ADD, SAYING("hall", who[i][0], "", "m1", ""),
            .append.emoji = S(who[i][1]));
    assert_has(ASK(*state, STORE_MESSAGES, .channel_id = S("hall")),
               "\"reactions\":{\"a\":[\"alice\",\"carol\"],\"b\":[\"bob\"]}");
}
